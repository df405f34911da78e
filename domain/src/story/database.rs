//! What runs against the shop's database, and how that was shown. Trap: a migration whose impact means nothing to the reader; the
//! test says it.

use super::{FIRST, GREEN_BYTES, PRODUCTION, because};
use crate::{
    artifact_facts::MigrationFacts,
    database_impact::Impact,
    migrations,
    numbers::Epoch,
    text::{MigrationName, Proof},
};

/// A migration as an artifact declares it.
pub(crate) fn declared(id: &str, impact: Impact) -> MigrationFacts {
    MigrationFacts { id: migration(id), digest: GREEN_BYTES, impact }
}

/// The same, as it ran while the route was at this epoch.
pub(crate) fn ran(id: &str, impact: Impact, epoch: Epoch) -> migrations::Recorded {
    migrations::Recorded {
        environment: PRODUCTION,
        id: migration(id),
        digest: GREEN_BYTES,
        impact,
        epoch,
        ran_by: migrations::RanBy::External,
        evidence: proof("the migration tool said so"),
        by: FIRST,
    }
}

/// The data are what they were before these ran.
pub(crate) fn restored(undone: &[&str]) -> migrations::Event {
    migrations::Event::Restored {
        undone: undone.iter().map(|id| migration(id)).collect(),
        evidence: proof("backup 7 was restored"),
        reason: because("orders are missing"),
    }
}

pub(crate) fn migration(id: &str) -> MigrationName {
    MigrationName::parse("migrationId", id).expect("a migration's name")
}

pub(crate) fn proof(text: &str) -> Proof {
    Proof::parse("evidence", text).expect("a proof")
}

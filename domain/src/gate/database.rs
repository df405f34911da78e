//! What was done to the database, and what that closes. Trap: warm deploy equals safe rollback. It is a gate of its own, and
//! nothing here knows what sessions keep.

use super::{Facts, Judged, Refusal};
use crate::{
    artifact_facts::{ArtifactFacts, MigrationFacts},
    database_impact::{Answer, DatabaseImpact, Impact, promotion, rollback},
    numbers::Epoch,
    operation::Work,
};

pub(super) const KIND: &str = "database";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let DatabaseImpact { impact, answer, reason, migrations } = impact(facts);
    let evidence =
        if migrations.is_empty() { impact.to_string() } else { format!("{impact}: {}", migrations.join(", ")) };
    match answer {
        Answer::Open => Judged::open(KIND, reason, evidence),
        Answer::Acknowledge => Judged::to_acknowledge(&facts.change.acknowledgements, KIND, &reason, evidence),
        Answer::Blocked(code) => Judged::closed(KIND, Refusal::new(code, Some("deploymentId"), reason), evidence),
    }
}

/// What was done.
pub(super) fn impact(facts: &Facts<'_>) -> DatabaseImpact {
    let Some(next) = facts.next else {
        return DatabaseImpact {
            impact: Impact::Unknown,
            answer: Answer::Acknowledge,
            reason: "which migrations the artifact counts on is not on record".into(),
            migrations: Vec::new(),
        };
    };
    if let Work::Rollback(change) = &facts.requested.work {
        let taken = facts.owner.taken.get(&change.deployment).copied().unwrap_or(Epoch(0));
        return rollback(&next.migrations, taken, facts.migrations);
    }
    promotion(&next.migrations, declared(facts.present), facts.migrations)
}

fn declared(present: Option<&ArtifactFacts>) -> &[MigrationFacts] {
    present.map_or(&[], |present| &present.migrations)
}

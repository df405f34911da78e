//! What was done to the database, and what that closes. Trap: warm deploy equals safe rollback. It is a gate of its own, and
//! nothing here knows what sessions keep.

use super::{Facts, Judged, Refusal};
use crate::{
    artifact_facts::{ArtifactFacts, MigrationFacts},
    database_impact::{Answer, DatabaseImpact, Impact, promotion, rollback},
    migrations::Migrations,
    numbers::Epoch,
    operation::Work,
};

pub(super) const KIND: &str = "database";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let DatabaseImpact { impact, answer, reason, migrations } = impact(facts);
    let evidence =
        |of: &[String]| if of.is_empty() { impact.to_string() } else { format!("{impact}: {}", of.join(", ")) };
    match answer {
        Answer::Open => Judged::open(KIND, reason, evidence(&migrations)),
        Answer::Acknowledge => {
            let exactly: Vec<String> = migrations.iter().map(|name| exactly(name, facts.migrations)).collect();
            Judged::to_acknowledge(&facts.change.acknowledgements, KIND, &reason, evidence(&exactly))
        }
        Answer::Blocked(code) => {
            Judged::closed(KIND, Refusal::new(code, Some("deploymentId"), reason), evidence(&migrations))
        }
    }
}

/// A migration with the operation that put it on record: undone and recorded again, it is another one of the same name.
fn exactly(name: &str, migrations: &Migrations) -> String {
    let known = migrations.ran.iter().chain(&migrations.undone).find(|one| one.id.as_str() == name);
    known.map_or_else(|| name.to_owned(), |one| format!("{name} recorded by {}", one.by))
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

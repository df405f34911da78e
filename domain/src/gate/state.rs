//! What becomes of what sessions keep. Trap: presenting a cold deploy as a normal zero-risk promotion. In a preview, whose
//! sessions nobody counts on, it is shown; a rollback, which always has a reason, is not held up by it; everywhere else
//! somebody takes it upon themselves. Nothing here knows of the database.

use super::{Facts, Judged};
use crate::{
    environment,
    operation::Work,
    vango_state::{StateImpact, Temperature, between},
};

pub(super) const KIND: &str = "vango_state";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let impact = impact(facts);
    let (temperature, said) = (impact.temperature(), impact.said());
    let evidence = format!("{}; {temperature}", impact.compatibility);
    let preview = facts.environment.created.as_ref().is_some_and(|of| of.kind == environment::Kind::Preview);
    match (temperature, &facts.requested.work) {
        (Temperature::Warm, _) => Judged::open(KIND, said, evidence),
        (Temperature::Cold, Work::Rollback(_)) => {
            Judged::warning(KIND, format!("cold: {said}; the rollback's reason answers for it"), evidence)
        }
        (Temperature::Cold, _) if preview => {
            Judged::warning(KIND, format!("cold: {said}; a preview shows what it does"), evidence)
        }
        (Temperature::Cold, _) => {
            Judged::to_acknowledge(&facts.change.acknowledgements, KIND, &format!("cold: {said}"), evidence)
        }
    }
}

/// What becomes of it.
pub(super) fn impact(facts: &Facts<'_>) -> StateImpact {
    match (&facts.owner.owner, facts.present, facts.next) {
        (None, _, _) => StateImpact::first(),
        (Some(owner), _, _) if owner.artifact == facts.change.artifact => StateImpact::same_bytes(),
        (Some(_), Some(present), Some(next)) => between(present.vango.as_ref(), next.vango.as_ref()),
        (Some(_), None, _) => StateImpact::unknown("what the present artifact keeps is not on record"),
        (Some(_), Some(_), None) => StateImpact::unknown("what the next artifact keeps is not on record"),
    }
}

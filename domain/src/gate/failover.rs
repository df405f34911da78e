//! Whether a failover may go there: the region was proven, the residency allows it, and the request says truly what sessions
//! get. Neither a freeze nor a pin is asked: both hold back other bytes, and a failover keeps the very same; whoever froze an
//! environment did not mean it to go down with its region. Nor an approval: what was approved goes on elsewhere. A variable that
//! is missing is said and closes nothing: the set goes along as it is, and lacks there what it lacks here. Trap: a failover that
//! hides that sessions begin afresh.

use super::{
    Code, Facts, Judged, Refusal, allocations, artifact, provider_bindings, residency, route, runtime_services,
    variables,
};
use crate::{
    environment::Rejection,
    region_failover::{Failover, fate, place_in},
    session_fate::Fate,
};

pub(super) const KIND: &str = "sessions";

/// Its gates, in the order in which a caller learns of closed ones.
pub(super) fn judge(facts: &Facts<'_>, failover: &Failover) -> Vec<Judged> {
    let mut judged = vec![artifact::judge(facts), route::epoch(facts)];
    judged.extend(route::policy(facts));
    judged.extend([residency::of(facts.environment, failover.to.region), region(facts, failover)]);
    judged.extend([provider_bindings::judge(facts), runtime_services::judge(facts)]);
    judged.extend([variables::judge(facts).or_warned(), sessions(facts, failover), allocations::judge(facts)]);
    judged
}

fn region(facts: &Facts<'_>, failover: &Failover) -> Judged {
    let to = failover.to;
    let evidence = format!("region {}, cell {}", to.region, to.cell);
    if place_in(facts.environment, to.region) == Some(to) {
        return Judged::open("region", "the region is the environment's home, or was enabled for it", evidence);
    }
    Judged::closed("region", Refusal::of(&Rejection::NotEnabled(to.region)), evidence)
}

/// What sessions get, as it was stated and as it is; a fresh start is taken upon oneself.
fn sessions(facts: &Facts<'_>, failover: &Failover) -> Judged {
    let (from, to, stated) = (failover.from.region, failover.to.region, failover.sessions);
    let fate = fate(facts.environment, facts.services, from, to);
    if stated != fate {
        let message = format!("sessions would not get what the request says: {}", fate.spoken());
        let mut refusal = Refusal::new(Code::SessionFateDiffers, Some("sessions"), message);
        refusal.expected_and_actual = Some((fate.to_string(), stated.to_string()));
        return Judged::closed(KIND, refusal, fate.to_string());
    }
    let spoken = format!("no session moves; of those that the region ends, {}", fate.spoken());
    match fate {
        Fate::StartFresh => Judged::to_acknowledge(&failover.change.acknowledgements, KIND, &spoken, fate.to_string()),
        Fate::Hydrate | Fate::DrainInPlace => Judged::open(KIND, spoken, fate.to_string()),
    }
}

//! Whether as many allocations as the environment wants are ready, and their runners have verified exactly the bytes that shall own
//! the traffic. Before the route changes it closes nothing: it says how many are ready, and the operation starts and awaits the
//! rest. It is settled where the route is about to change: then it is open, on allocations whose versions the append asserts, or
//! its refusal ends the operation. Trap: counting by health alone, which takes what runs other bytes, with another set of
//! variables, in another environment or elsewhere for what edges would send somebody to.

use super::{Code, Facts, Judged, Refusal, gate};
use crate::{
    allocation::{Allocation, State},
    host::{self, Host},
    operation::{Requested, Verdict},
    route_owner::RouteOwner,
};
use std::fmt;

const KIND: &str = "allocations";

/// Before the route changes: what is not ready is awaited.
pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let counted = Counted::of(facts);
    if counted.are_enough() {
        return counted.open();
    }
    let reason = format!("{counted} ready with exactly these bytes; the operation starts and awaits the rest");
    Judged { gate: gate(KIND, Verdict::Awaited, reason, counted.evidence()), refusal: None }
}

/// Where the route is about to change, and at the deadline: what is not ready is missing.
pub(crate) fn settle(facts: &Facts<'_>) -> Judged {
    let counted = Counted::of(facts);
    if counted.are_enough() {
        return counted.open();
    }
    let message = format!("{counted} became ready with exactly these bytes in time");
    let mut refusal = Refusal::new(Code::AllocationNotReady, None, message);
    let (wanted, ready) = (counted.wanted, counted.ready.len());
    refusal.expected_and_actual = Some((format!("{wanted} ready"), format!("{ready} ready")));
    Judged::closed(KIND, refusal, counted.evidence())
}

/// Those that are to serve the owner, in whatever state they are. What the deployment has in another environment or place, or with
/// another set of variables, serves nobody here, and what became of it says nothing about these.
pub(crate) fn meant<'a>(facts: &Facts<'a>) -> Vec<&'a Allocation> {
    facts.allocations.iter().filter(|one| is_meant(one, facts.requested, facts.owner)).collect()
}

/// Whether a change of route rests on this allocation: its append asserts as many of these as are wanted.
pub fn rests_on(one: &Allocation, requested: &Requested, owner: &RouteOwner) -> bool {
    let wanted = requested.work.route_change().map(|change| change.artifact);
    is_meant(one, requested, owner) && one.state == Some(State::Ready) && one.verified == wanted
}

/// Whether it is on this host although that never comes back: its row says `ready` until it is given up, and nothing may rest on it.
pub fn is_stranded(one: &Allocation, host: &Host) -> bool {
    runs_on(one, host) && host.state == Some(host::State::Retired)
}

/// Whether it lives on this host.
pub fn runs_on(one: &Allocation, host: &Host) -> bool {
    let there = one.planned.as_ref().map(|planned| planned.host) == host.created.as_ref().map(|created| created.id);
    there && one.state.is_some_and(|state| !state.is_final())
}

/// Whether it runs exactly what shall own the traffic, where it shall be served, and not only to prove a region.
fn is_meant(one: &Allocation, requested: &Requested, owner: &RouteOwner) -> bool {
    let place = requested.work.failover().map(|failover| failover.to).or_else(|| owner.place());
    let (Some(planned), Some(change)) = (&one.planned, requested.work.route_change()) else { return false };
    planned.proves.is_none()
        && planned.environment == change.environment
        && Some(planned.place()) == place
        && planned.runs() == change.runs()
}

/// The allocations that are ready, beside how many are wanted.
struct Counted<'a> {
    facts: &'a Facts<'a>,
    wanted: usize,
    ready: Vec<&'a Allocation>,
}

impl<'a> Counted<'a> {
    fn of(facts: &'a Facts<'a>) -> Self {
        let ready = facts.allocations.iter().filter(|one| rests_on(one, facts.requested, facts.owner)).collect();
        Self { facts, wanted: facts.environment.replicas.0.into(), ready }
    }

    fn are_enough(&self) -> bool {
        self.ready.len() >= self.wanted
    }

    fn open(&self) -> Judged {
        Judged::open(KIND, format!("{self} ready with exactly these bytes; nothing is started"), self.evidence())
    }

    /// The digest that their runners have observed, whose it is, and with which set of variables: a runner starts nothing without
    /// the whole of it. As many as are wanted, which are those that are asserted.
    fn evidence(&self) -> String {
        let counted = self.ready.iter().take(self.wanted).filter_map(|one| Some(one.planned.as_ref()?.id.to_string()));
        let counted = counted.collect::<Vec<_>>();
        let by = if counted.is_empty() { "nobody".to_owned() } else { counted.join(", ") };
        format!("{} observed by {by}, with set {} of variables", self.facts.change.artifact, self.facts.change.env_set)
    }
}

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.ready.len().min(self.wanted), self.wanted)
    }
}

#[cfg(test)]
mod tests;

//! Who works on what: leases as the database gives them out, and the places for deploys, of which a workspace has so many over
//! all workers. The trap avoided: a limit that is only believed; whoever holds a place is counted after every step.

use super::World;
use crate::sins::{Sin, committed};
use rhone_domain::{
    ids::OperationId,
    numbers::Fence,
    operation::{Kind, Operation, Stage},
};
use rhone_tests::rules::at;
use std::collections::BTreeMap;

/// How long a lease lasts, in seconds.
const LEASE: i64 = 10;
/// How many deploys of the workspace are worked on at a time.
const PLACES: usize = 1;

/// An operation's lease: who, under which fence, until when.
pub(crate) type Leases = BTreeMap<OperationId, (usize, Fence, i64)>;

/// The name of an operation's lease.
pub(crate) fn lease(id: OperationId) -> String {
    format!("operation:{id}")
}

impl World {
    /// Claims an operation that no live lease covers: what waits for others or shall end goes before what is built.
    pub(crate) fn claim(&mut self, worker: usize) -> Option<(OperationId, Fence)> {
        let mut waiting = self.to_drive();
        if waiting.iter().any(|id| self.is_meant(*id)) && !self.dice.once_in(3) {
            waiting.retain(|id| self.is_meant(*id));
        }
        // In lives in which much is asked for, whoever comes first to hand.
        let nth = if self.is_estate() { self.dice.below(waiting.len().max(1)) } else { 0 };
        let id = waiting.get(nth).copied().or_else(|| self.next_to_build(worker))?;
        let fence = self
            .leases
            .get(&id)
            .map_or(Fence(1), |(_, fence, _)| if committed(Sin::AdoptedUnderOneFence) { *fence } else { fence.next() });
        self.leases.insert(id, (worker, fence, self.seconds + LEASE));
        self.door.log().log.give_lease(&lease(id), fence);
        Some((id, fence))
    }

    fn to_drive(&self) -> Vec<OperationId> {
        let tables = self.door.log().tables();
        let driven = |one: &Operation| kind(one) != Some(Kind::Deploy) || self.shall_end(one);
        let open = tables.operations.iter().filter(|(_, (one, _))| is_open(one) && driven(one));
        open.filter(|(id, _)| !self.is_held(**id)).map(|(id, _)| *id).collect()
    }

    /// Whether it is of the kind that this life is about.
    fn is_meant(&self, id: OperationId) -> bool {
        let tables = self.door.log().tables();
        tables.operations.get(&id).and_then(|(one, _)| kind(one)).is_some_and(|kind| self.is_about(kind))
    }

    /// As `authority.claim_deploys` gives places away: what was begun goes first.
    fn next_to_build(&self, worker: usize) -> Option<OperationId> {
        let tables = self.door.log().tables();
        let deploys = || {
            let open = tables.operations.iter().filter(|(_, (one, _))| is_open(one) && kind(one) == Some(Kind::Deploy));
            open.map(|(id, (one, _))| (*id, one.stage))
        };
        let counts = |id: OperationId| {
            let mine = self.leases.get(&id).is_some_and(|(holder, ..)| *holder == worker);
            self.is_held(id) && (mine || !committed(Sin::DeploysCountedByEach))
        };
        if deploys().filter(|(id, _)| counts(*id)).count() >= PLACES {
            return None;
        }
        let waiting = deploys().filter(|(id, _)| !self.is_held(*id));
        waiting.min_by_key(|(id, stage)| (*stage == Some(Stage::Queued), *id)).map(|(id, _)| id)
    }

    /// Holds a lease for longer, unless it was lost.
    pub(crate) fn renew(&mut self, worker: usize, id: OperationId, fence: Fence) {
        if let Some((holder, held, until)) = self.leases.get_mut(&id)
            && (*holder, *held) == (worker, fence)
            && *until > self.seconds
        {
            *until = self.seconds + LEASE;
        }
    }

    /// Lets go of a lease, so that somebody else may claim it at once.
    pub(crate) fn release(&mut self, worker: usize, id: OperationId) {
        let now = self.seconds;
        if let Some((holder, _, until)) = self.leases.get_mut(&id)
            && *holder == worker
        {
            *until = (*until).min(now);
        }
    }

    /// No more deploys are worked on than there are places.
    pub(super) fn judge_leases(&self) -> Result<(), String> {
        let tables = self.door.log().tables();
        let built = |(id, (one, _)): &(&OperationId, &(Operation, _))| {
            is_open(one) && kind(one) == Some(Kind::Deploy) && !self.shall_end(one) && self.is_held(**id)
        };
        let built = tables.operations.iter().filter(built).count();
        if built > PLACES { Err(format!("{built} deploys at once where there is place for {PLACES}")) } else { Ok(()) }
    }

    fn is_held(&self, id: OperationId) -> bool {
        self.leases.get(&id).is_some_and(|(.., until)| *until > self.seconds)
    }

    /// Cancelled or overdue: then no place is needed to end it.
    fn shall_end(&self, one: &Operation) -> bool {
        let overdue = one.requested.as_ref().is_some_and(|requested| at(self.seconds) >= requested.deadline);
        one.cancel.is_some() || overdue
    }
}

fn is_open(one: &Operation) -> bool {
    one.stage.is_some_and(|stage| !stage.is_final())
}

fn kind(one: &Operation) -> Option<Kind> {
    one.requested.as_ref().map(rhone_domain::operation::Requested::kind)
}

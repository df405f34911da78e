//! Sessions that edges closed because their drain deadline was over: evidence, taken in whatever state the allocation is by then.
//! The trap: counting again what an edge repeats every second, so each record is a sum for one run of an edge and one deadline,
//! and only a higher one is news.

use super::Allocation;
use crate::{
    edge_status::EdgeStatus,
    ids::{AllocationId, EdgeId, RegionId},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long after a deadline an edge has closed all that it had open: it spreads the ends over a few seconds.
const OVER: TimeDelta = TimeDelta::seconds(10);

/// How many of these an allocation keeps, and how many one report of an edge may tell at a time: far more than there ever are, and
/// an end to what a wrong edge can bring about.
const MOST: usize = 64;
const MOST_OF_AN_EDGE: usize = 1_024;

/// What one run of an edge closed at one deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The edge.
    pub edge: EdgeId,
    /// Its run.
    pub boot: Uuid,
    /// The deadline that was over.
    pub deadline: DateTime<Utc>,
    /// How many, altogether.
    pub sessions: u64,
}

/// What an edge says of an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The allocation.
    pub allocation: AllocationId,
    /// The edge's region; of another one's allocations it knows nothing.
    pub region: RegionId,
    /// What it closed.
    pub closed: Closed,
}

/// What these edges say that may be put on record by now: of deadlines that are long over.
pub fn said(edges: &[EdgeStatus], now: DateTime<Utc>) -> Vec<Said> {
    let of = |edge: &'_ EdgeStatus| edge.closed.len().min(MOST_OF_AN_EDGE);
    let all = edges.iter().flat_map(|edge| edge.closed[..of(edge)].iter().map(move |closed| (edge, closed)));
    let over = all.filter(|(_, closed)| closed.deadline <= now - OVER);
    over.map(|(edge, closed)| Said {
        allocation: closed.allocation,
        region: edge.region,
        closed: Closed {
            edge: edge.edge,
            boot: closed.boot.unwrap_or(edge.boot),
            deadline: closed.deadline,
            sessions: closed.sockets,
        },
    })
    .collect()
}

impl Allocation {
    /// How many sessions edges closed at its drain deadlines.
    pub fn sessions_closed(&self) -> u64 {
        self.closed.iter().fold(0, |sum, one| sum.saturating_add(one.sessions))
    }

    /// Whether this says more than what is on record.
    pub fn is_news(&self, said: &Closed) -> bool {
        match self.closed.iter().find(|one| one.is_the_same(said)) {
            Some(known) => said.sessions > known.sessions,
            None => said.sessions > 0 && self.closed.len() < MOST,
        }
    }

    pub(super) fn note(&mut self, said: &Closed) {
        match self.closed.iter_mut().find(|one| one.is_the_same(said)) {
            Some(one) => one.sessions = said.sessions,
            None => self.closed.push(said.clone()),
        }
    }
}

impl Closed {
    fn is_the_same(&self, other: &Self) -> bool {
        (self.boot, self.deadline) == (other.boot, other.deadline)
    }
}

#[cfg(test)]
mod tests {
    //! What edges closed is put on record once, whenever it is said.
    use super::*;
    use crate::{
        aggregate::{Aggregate as _, fold},
        allocation::{Command, Event, Rejection},
        edge_status,
        numbers::Epoch,
        story::{GREEN, allocation, at, edge, planned},
    };

    fn closed(boot: u128, sessions: u64) -> Closed {
        Closed { edge: EdgeId(Uuid::from_u128(1)), boot: Uuid::from_u128(boot), deadline: at(30), sessions }
    }

    fn of_edge(sockets: u64, boot: Option<u128>) -> edge_status::Closed {
        let boot = boot.map(Uuid::from_u128);
        edge_status::Closed { allocation: allocation(1), deadline: at(30), sockets, at: at(34), boot }
    }

    fn told(all: &[Closed]) -> Allocation {
        let mut one = fold::<Allocation>(&[Event::Planned(planned(allocation(1), GREEN, Epoch(1)))]);
        for closed in all {
            for event in one.decide(Command::RecordClosed(closed.clone())).expect("evidence is taken") {
                one.apply(&event);
            }
        }
        one
    }

    #[test]
    fn what_is_said_again_is_no_event_and_what_is_more_replaces_it() {
        let again = told(&[closed(1, 3), closed(1, 3), closed(1, 2)]);
        assert_eq!(again.closed, [closed(1, 3)]);
        assert_eq!(
            told(&[closed(1, 3), closed(1, 5), closed(2, 2)]).sessions_closed(),
            7,
            "an edge that was started again"
        );
        assert_eq!(told(&[closed(1, 0)]).closed, [], "nothing was closed");
        let sin = |all: &[Closed]| all.iter().map(|one| one.sessions).sum::<u64>();
        assert_ne!(sin(&[closed(1, 3), closed(1, 3)]), again.sessions_closed(), "counted with every repetition");
    }

    #[test]
    fn what_a_run_closed_is_counted_once_whichever_run_says_it() {
        let edge = edge(EdgeId(Uuid::from_u128(1)), vec![]);
        let run = |boot, closed| EdgeStatus { boot: Uuid::from_u128(boot), closed, ..edge.clone() };
        let first = run(1, vec![of_edge(3, Some(1))]);
        let next = run(2, vec![of_edge(3, Some(1)), of_edge(2, Some(2))]);
        let heard = said(&[first, next], at(40)).into_iter().map(|said| said.closed).collect::<Vec<_>>();
        assert_eq!(told(&heard).sessions_closed(), 5);
        let older = said(&[run(7, vec![of_edge(3, None)])], at(40));
        assert_eq!(older[0].closed, closed(7, 3), "an edge of before says its own");
        // The sin: whoever says it closed it.
        let sin = heard.into_iter().zip([1, 2, 2]).map(|(one, boot)| Closed { boot: Uuid::from_u128(boot), ..one });
        assert_ne!(told(&sin.collect::<Vec<_>>()).sessions_closed(), 5, "it is caught above");
    }

    #[test]
    fn a_wrong_edge_brings_about_no_more_than_so_much() {
        let all: Vec<Closed> = (1..200).map(|boot| closed(boot, u64::MAX)).collect();
        let one = told(&all);
        assert_eq!((one.closed.len(), one.sessions_closed()), (MOST, u64::MAX));
        let closed = of_edge(4, None);
        let status = EdgeStatus { closed: vec![closed; 5_000], ..edge(EdgeId(Uuid::from_u128(1)), vec![]) };
        assert_eq!(said(&[status], at(40)).len(), MOST_OF_AN_EDGE);
    }

    #[test]
    fn nothing_is_recorded_of_an_allocation_that_never_was() {
        let nothing = Allocation::default().decide(Command::RecordClosed(closed(1, 3)));
        assert_eq!(nothing, Err(Rejection::NotFound));
    }

    #[test]
    fn an_edge_is_heard_when_it_has_closed_all_of_a_deadline() {
        let status = EdgeStatus { closed: vec![of_edge(4, None)], ..edge(EdgeId(Uuid::from_u128(1)), vec![]) };
        assert_eq!(said(std::slice::from_ref(&status), at(39)), []);
        let heard = said(std::slice::from_ref(&status), at(40));
        assert_eq!(heard.len(), 1);
        let for_ever = edge_status::Closed { deadline: DateTime::<Utc>::MAX_UTC, ..status.closed[0].clone() };
        assert_eq!(said(&[EdgeStatus { closed: vec![for_ever], ..status.clone() }], at(40)), [], "it never is over");
        assert_eq!((heard[0].allocation, heard[0].region, heard[0].closed.sessions), (allocation(1), status.region, 4));
    }
}

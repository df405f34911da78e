//! Whether a host can be emptied now: a pure decision on the cell's hosts, on what runs on this one and on its open sessions.
//! It says everything that is missing, not only the first thing. Trap: counting the room of hosts that are cordoned or silent.

use crate::{
    allocation::{Allocation, State},
    edge_status::Sessions,
    gate::{self, Judged, Refusal},
    host,
    ids::{AllocationId, HostId},
    operation::Gate,
};
use std::fmt;

/// A host as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub host: HostId,
    /// Whether it takes allocations.
    pub state: host::State,
    /// How many it may hold.
    pub capacity: u32,
    /// How many it holds that have not ended.
    pub held: u32,
    /// Whether its runner was heard within 15 seconds.
    pub heard: bool,
}

/// All that the decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The host to be emptied.
    pub host: HostId,
    /// Every host of its cell, this one too.
    pub hosts: &'a [Standing],
    /// Every allocation on it that has not ended.
    pub allocations: &'a [Allocation],
    /// What the region's edges say of open sessions.
    pub sessions: &'a [Sessions],
    /// How long the operation may still take.
    pub seconds_left: u64,
}

/// Something without which a host is not emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Too few of the cell's hosts are heard.
    Quorum {
        /// How many are.
        heard: usize,
        /// How many there are.
        hosts: usize,
    },
    /// The others have no room for what runs here.
    Headroom {
        /// How many allocations need a place.
        needed: u32,
        /// How many places there are.
        free: u32,
    },
    /// Sessions here may live on longer than the operation.
    Sessions {
        /// On which allocation.
        allocation: AllocationId,
        /// How many are open.
        open: u64,
        /// How long they may live on.
        seconds: u64,
        /// How long the operation has.
        left: u64,
    },
    /// What runs here is not what was ordered, or nobody can tell.
    Drift {
        /// In words.
        what: String,
    },
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It can be emptied; for every allocation that moves, where its replacement goes.
    Go(Vec<(AllocationId, HostId)>),
    /// It cannot, and why not: at least one thing is missing.
    Refuse(Vec<Missing>),
}

/// Decides.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let missing: Vec<Missing> =
        [quorum(facts), headroom(facts), sessions(facts), drift(facts)].into_iter().flatten().collect();
    if missing.is_empty() { Decision::Go(places(facts)) } else { Decision::Refuse(missing) }
}

/// The same decision as gates, each by itself, as an operation keeps them.
pub fn gates(facts: &Facts<'_>) -> Vec<Gate> {
    gate::gates(&judge(facts))
}

/// The same with what each closed one refuses.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    let (heard, hosts) = counted(facts);
    let moving = moving(facts.allocations).count();
    let open: u64 =
        facts.allocations.iter().filter_map(|one| one.planned.as_ref()).map(|of| open_on(facts, of.id)).sum();
    vec![
        one("quorum", quorum(facts), "most hosts of the cell are heard", format!("{heard} of {hosts}")),
        one(
            "headroom",
            headroom(facts),
            "the other hosts have room",
            format!("{moving} to place, {} places", free(facts)),
        ),
        one(
            "sessions",
            sessions(facts),
            "open sessions can drain in time",
            format!("{open} open, {} s", facts.seconds_left),
        ),
        one("drift", drift(facts), "what runs here is what was ordered", format!("{moving} allocations")),
    ]
}

fn one(kind: &str, missing: Option<Missing>, open: &str, evidence: String) -> Judged {
    match missing {
        Some(missing) => Judged::closed(kind, missing.refusal(), evidence),
        None => Judged::open(kind, open, evidence),
    }
}

/// What needs a place elsewhere: all that lives here and was not told to stop.
pub fn moving(allocations: &[Allocation]) -> impl Iterator<Item = AllocationId> {
    let lives = |state: State| !state.is_final() && state != State::Draining;
    allocations.iter().filter(move |one| one.state.is_some_and(lives)).filter_map(|one| Some(one.planned.as_ref()?.id))
}

fn quorum(facts: &Facts<'_>) -> Option<Missing> {
    let (heard, hosts) = counted(facts);
    (heard * 2 <= hosts).then_some(Missing::Quorum { heard, hosts })
}

/// How many of the cell's hosts are heard, and how many there are; one that never comes back is none.
fn counted(facts: &Facts<'_>) -> (usize, usize) {
    let there = || facts.hosts.iter().filter(|host| host.state != host::State::Retired);
    (there().filter(|host| host.heard).count(), there().count())
}

fn headroom(facts: &Facts<'_>) -> Option<Missing> {
    let needed = u32::try_from(moving(facts.allocations).count()).unwrap_or(u32::MAX);
    let free = free(facts);
    (needed > free).then_some(Missing::Headroom { needed, free })
}

/// A host that could take what moves.
fn others<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Standing> {
    let this = facts.host;
    facts.hosts.iter().filter(move |other| other.host != this && other.state == host::State::Active && other.heard)
}

fn free(facts: &Facts<'_>) -> u32 {
    others(facts).map(|other| other.capacity.saturating_sub(other.held)).fold(0, u32::saturating_add)
}

fn sessions(facts: &Facts<'_>) -> Option<Missing> {
    facts.allocations.iter().filter_map(|one| one.planned.as_ref()).find_map(|planned| {
        let (open, seconds) = (open_on(facts, planned.id), planned.drain_timeout_ms.div_ceil(1_000));
        let pinned = open > 0 && seconds > facts.seconds_left;
        pinned.then_some(Missing::Sessions { allocation: planned.id, open, seconds, left: facts.seconds_left })
    })
}

/// How many are open on one allocation.
fn open_on(facts: &Facts<'_>, id: AllocationId) -> u64 {
    facts.sessions.iter().filter(|sessions| sessions.allocation == id).map(|sessions| sessions.open).sum()
}

fn drift(facts: &Facts<'_>) -> Option<Missing> {
    let drift = |what: String| Some(Missing::Drift { what });
    if !facts.hosts.iter().any(|host| host.host == facts.host && host.heard) {
        return drift("its runner was not heard within 15 seconds".to_owned());
    }
    facts.allocations.iter().find_map(|one| {
        let planned = one.planned.as_ref()?;
        let wrong = one.state == Some(State::Ready) && one.verified != Some(planned.artifact);
        if wrong { drift(format!("allocation {} runs other bytes than ordered", planned.id)) } else { None }
    })
}

/// Each to the host with the most room left.
fn places(facts: &Facts<'_>) -> Vec<(AllocationId, HostId)> {
    let mut room: Vec<(u32, HostId)> =
        others(facts).map(|other| (other.capacity.saturating_sub(other.held), other.host)).collect();
    let place = |id| {
        let (left, host) = room.iter_mut().max_by_key(|(left, host)| (*left, std::cmp::Reverse(*host)))?;
        *left = left.checked_sub(1)?;
        Some((id, *host))
    };
    moving(facts.allocations).filter_map(place).collect()
}

impl Missing {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Quorum { .. } => "NO_QUORUM",
            Self::Headroom { .. } => "NO_HEADROOM",
            Self::Sessions { .. } => "SESSIONS_PINNED",
            Self::Drift { .. } => "HOST_DRIFTED",
        }
    }

    /// What was expected and what is so.
    pub fn expected_and_actual(&self) -> Option<(String, String)> {
        match self {
            Self::Quorum { heard, hosts } => {
                Some((format!("more than half of {hosts} hosts"), format!("{heard} heard")))
            }
            Self::Headroom { needed, free } => Some((format!("{needed} places"), format!("{free} places"))),
            Self::Sessions { seconds, left, .. } => Some((format!("at most {left} s"), format!("{seconds} s"))),
            Self::Drift { .. } => None,
        }
    }

    /// What its gate refuses with.
    fn refusal(&self) -> Refusal {
        let (code, message) = (self.code(), self.to_string());
        Refusal { code, field: None, message, expected_and_actual: self.expected_and_actual() }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quorum { heard, hosts } => write!(f, "only {heard} of the cell's {hosts} hosts are heard"),
            Self::Headroom { needed, free } => {
                write!(
                    f,
                    "{needed} allocations need a place, and the cell's other hosts have {free}; a cordon alone frees none"
                )
            }
            Self::Sessions { allocation, open, seconds, left } => {
                write!(
                    f,
                    "{open} sessions on allocation {allocation} may live on for {seconds} s, and {left} s are left"
                )
            }
            Self::Drift { what } => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests;

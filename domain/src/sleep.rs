//! Sleep: how an idle environment stops running while it keeps its route, its owner and its epoch. Pure: the judgement of
//! idleness and the process manager. Owner: Rhone. Writer: the scheduler, through an operation of kind `sleep` that a person or
//! idleness has asked for. Trap: what no edge has said is not idle; an edge that is silent may hold sessions.

use crate::{
    allocation::Allocation,
    edge_status::EdgeStatus,
    gate::{self, Code, Judged, Refusal},
    ids::{AllocationId, AppId, EnvironmentId, OperationId},
    numbers::{self, Epoch, SleepGeneration},
    operation::{Evidence, Failure, Gate, Operation, Requested, Stage, Work},
    process,
    route_owner::{Rejection, RouteOwner, Turn},
    text::Reason,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a sleep may take; the route sleeps long before, what runs is let go within it.
pub const DEADLINE: TimeDelta = TimeDelta::minutes(15);
/// How long an edge that has fallen silent keeps environments awake.
pub const SILENT: TimeDelta = TimeDelta::minutes(10);

/// What a sleep is about, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sleep {
    /// The app.
    pub app: AppId,
    /// Which environment.
    pub environment: EnvironmentId,
    /// The epoch it was asked in.
    pub expected_epoch: Epoch,
    /// Which sleep it begins.
    pub sleep_generation: SleepGeneration,
    /// For how long nobody must have used it; none when a person asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u64>,
}

/// The request of a sleep, or why there is nothing to put to sleep.
pub fn request(
    id: OperationId,
    owner: &RouteOwner,
    idle_seconds: Option<u64>,
    reason: Option<Reason>,
    now: DateTime<Utc>,
) -> Result<Requested, Rejection> {
    owner.may_sleep(owner.epoch)?;
    let Some(lane) = owner.lane() else { return Err(Rejection::NotFound) };
    Ok(Requested {
        id,
        workspace: lane.workspace,
        region: lane.region,
        cell: Some(lane.cell),
        reason,
        deadline: now + DEADLINE,
        work: Work::Sleep(Sleep {
            app: lane.app,
            environment: lane.environment,
            expected_epoch: owner.epoch,
            sleep_generation: owner.next_sleep(),
            idle_seconds,
        }),
    })
}

/// What is known of an environment's use.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// Who owns its traffic, and since when it serves.
    pub owner: &'a RouteOwner,
    /// Its allocations that have not ended.
    pub allocations: &'a [Allocation],
    /// The region's edges that reported lately.
    pub edges: &'a [EdgeStatus],
    /// How many more reported within [`SILENT`], and no longer do.
    pub silent: usize,
}

/// Why an environment does not go to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InUse {
    /// Sessions are never ended for it.
    #[error("{0} sessions or requests are open")]
    Open(u64),
    /// Somebody was here.
    #[error("it was used less than {0} seconds ago")]
    Lately(u64),
    /// Nobody can say.
    #[error("no edge of the region reports")]
    NoEdge,
    /// Not all can say.
    #[error("{0} edges of the region have fallen silent, and may hold sessions")]
    Silent(usize),
    /// An edge that counts nothing.
    #[error("an edge does not say what is used")]
    Unknown,
}

impl Use<'_> {
    /// Whether nothing is open at all.
    pub fn is_closed(&self) -> Result<(), InUse> {
        let ids = self.allocations.iter().filter_map(|one| one.planned.as_ref()).map(|planned| planned.id);
        match ids.map(|id| open(self.edges, id)).sum() {
            0 => Ok(()),
            open => Err(InUse::Open(open)),
        }
    }

    /// Whether nobody has used it for so long, as far as every edge knows.
    pub fn is_idle(&self, seconds: u64) -> Result<(), InUse> {
        self.is_closed()?;
        if self.edges.is_empty() {
            return Err(InUse::NoEdge);
        }
        if self.silent > 0 {
            return Err(InUse::Silent(self.silent));
        }
        let long_ago = self.now - numbers::seconds(seconds);
        let awake = self.owner.awake.as_ref().map(|awake| awake.since).max(self.owner.since);
        if awake.is_some_and(|since| since > long_ago) {
            return Err(InUse::Lately(seconds));
        }
        for edge in self.edges {
            let since = edge.activity_since.ok_or(InUse::Unknown)?;
            for one in self.allocations.iter().filter_map(|one| one.planned.as_ref()) {
                let used = edge.activity.iter().find(|used| used.allocation == one.id);
                if used.map_or(since, |used| used.used_at) > long_ago {
                    return Err(InUse::Lately(seconds));
                }
            }
        }
        Ok(())
    }
}

/// How much is open on an allocation, as far as these edges know.
pub fn open(edges: &[EdgeStatus], allocation: AllocationId) -> u64 {
    let sockets = edges.iter().flat_map(|edge| &edge.sessions).filter(|one| one.allocation == allocation);
    let work = edges.iter().flat_map(|edge| &edge.activity).filter(|one| one.allocation == allocation);
    // Open work counts sockets and requests; an edge that does not report it counts sockets alone.
    sockets.map(|one| one.open).sum::<u64>().max(work.map(|one| one.open).sum())
}

/// What the gates look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The epoch it is decided on.
    pub expected: Epoch,
    /// For how long nobody must have used it; none when a person asks.
    pub idle_seconds: Option<u64>,
    /// The environment's use.
    pub usage: Use<'a>,
    /// How many other operations on this environment have not ended.
    pub others: usize,
}

/// The gates: shown before the button is pressed, judged when it begins, and judged again before the route changes.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    let (usage, owner) = (facts.usage, facts.usage.owner);
    let used = match facts.idle_seconds {
        Some(seconds) => usage.is_idle(seconds),
        None => usage.is_closed(),
    };
    let edges = format!("{} edges", usage.edges.len());
    vec![
        match owner.may_sleep(facts.expected) {
            Ok(()) => {
                Judged::open("route_epoch", "the route is still the one this was decided on", owner.epoch.to_string())
            }
            Err(rejection) => Judged::closed("route_epoch", Refusal::of(&rejection), owner.epoch.to_string()),
        },
        match facts.others {
            0 => Judged::open("operations", "no other operation on this environment is under way", "0 operations"),
            others => {
                let words = "another operation on this environment has not ended";
                let refusal = Refusal::new(Code::OperationRunning, None, words);
                Judged::closed("operations", refusal, format!("{others} operations"))
            }
        },
        match used {
            Ok(()) => Judged::open("sessions", "no session and no request is open", edges),
            Err(used) => Judged::closed("sessions", Refusal::new(Code::InUse, None, used.to_string()), edges),
        },
    ]
}

/// All that the next step depends on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// What it is about.
    pub sleep: &'a Sleep,
    /// The environment's use.
    pub usage: Use<'a>,
    /// How many other operations on this environment have not ended.
    pub others: usize,
}

/// What a sleep does besides going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Let the route sleep, and enter sleeping in the same append.
    Sleep(Turn),
}

/// What to do next.
pub type Step = process::Step<Act>;

/// The next step of a sleep.
#[expect(clippy::wildcard_enum_match_arm, reason = "the stages of other machines, none of which it can stand at")]
pub fn next(world: &World<'_>) -> Step {
    let (Some(requested), Some(stage)) = (&world.operation.requested, world.operation.stage) else {
        return Step::Done;
    };
    if stage.is_final() {
        return Step::Done;
    }
    if world.operation.cancel.is_some() && requested.machine().may_cancel(stage) {
        return Step::Cancel;
    }
    let overdue = world.usage.now >= requested.deadline;
    match stage {
        Stage::Requested | Stage::PolicyCheck if overdue => {
            fail("DEADLINE_PASSED", "the deadline passed before it slept")
        }
        Stage::Requested => match checked(world) {
            Ok(gates) => Step::Enter(Stage::PolicyCheck, Evidence { gates, ..Evidence::default() }),
            Err(failure) => Step::Fail(failure),
        },
        Stage::PolicyCheck => match checked(world) {
            Ok(_) => Step::Do(Act::Sleep(Turn {
                by: requested.id,
                expected: world.sleep.expected_epoch,
                generation: world.sleep.sleep_generation,
                at: world.usage.now,
            })),
            Err(failure) => Step::Fail(failure),
        },
        Stage::Sleeping => let_go(world, if overdue { Time::Up } else { Time::Left }),
        _ => Step::Done,
    }
}

/// The gates of a sleep, judged when it begins and again before the route changes.
fn checked(world: &World<'_>) -> Result<Vec<Gate>, Failure> {
    let judged = judge(&Facts {
        expected: world.sleep.expected_epoch,
        idle_seconds: world.sleep.idle_seconds,
        usage: world.usage,
        others: world.others,
    });
    match gate::closed(&judged) {
        Some(refusal) => Err(refusal.failure()),
        None => Ok(gate::gates(&judged)),
    }
}

/// Whether the deadline has passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    Left,
    Up,
}

/// The scheduler drains what a sleeping owner has; this waits until nothing is left.
fn let_go(world: &World<'_>, time: Time) -> Step {
    let owner = world.usage.owner;
    if owner.asleep.as_ref().is_none_or(|asleep| asleep.generation != world.sleep.sleep_generation) {
        return fail("WOKEN", "it was woken or given to another owner before everything of it had stopped");
    }
    let of = owner.owner.as_ref().map(|owner| owner.deployment);
    let runs = |one: &&Allocation| {
        one.planned.as_ref().map(|planned| planned.deployment) == of && one.state.is_some_and(|state| !state.is_final())
    };
    match world.usage.allocations.iter().filter(runs).count() {
        0 => Step::Enter(Stage::Cold, Evidence { epoch: Some(owner.epoch), ..Evidence::default() }),
        _ if time == Time::Up => {
            fail("ALLOCATIONS_LEFT", "the route sleeps, and not everything of it had stopped in time")
        }
        _ => Step::Wait("an allocation has not stopped yet"),
    }
}

fn fail(code: &str, message: &str) -> Step {
    let (code, message) = (code.to_owned(), message.to_owned());
    Step::Fail(Failure { code, message, expected: None, actual: None, route_changed: false })
}

#[cfg(test)]
pub(crate) mod tests;

//! Wake: how a sleeping environment comes to serve again in its region. Pure: the classifier of requests, the replay contract,
//! and the process manager, asked again after every step. Owner: Rhone. Writer: the scheduler, through an operation of kind
//! `wake`. Traps: "wake stampede" (the operation's id is made of environment, epoch and sleep, so all who ask mean one);
//! "readiness timeout" (a definite end, and the posture stays asleep); a cold allocation that is counted as hot.

mod replay;
mod request;

pub use replay::{BadContract, IDEMPOTENCY_KEY, ReplayContract, is_key};
pub use request::{Answer, Ask, Class, Lifecycle, Replay, classify};

use crate::{
    allocation::{Allocation, Placement, Planned, State, because},
    deployment::Deployment,
    digest::Digest,
    environment::DrainPolicy,
    feed::Runs,
    gate::{self, Judged},
    ids::{AllocationId, AppId, DeploymentId, EnvironmentId, HostId, OperationId, derived},
    numbers::{EnvSet, Epoch, SleepGeneration},
    operation::{AllocationProof, Evidence, Failure, Gate, Operation, Requested, Stage, Work},
    process,
    route_owner::{Rejection, RouteOwner, Turn},
    text::Reason,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a wake may take.
pub const DEADLINE: TimeDelta = TimeDelta::seconds(60);
/// How many allocations a wake tries.
pub const ATTEMPTS: usize = 2;
/// How many environments of a cell wake at a time.
pub const PER_CELL: usize = 64;
/// How many of a workspace.
pub const PER_WORKSPACE: usize = 16;

/// What a wake is about, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// The app.
    pub app: AppId,
    /// Whose traffic waits.
    pub environment: EnvironmentId,
    /// Who owns it, before and after.
    pub deployment: DeploymentId,
    /// Exactly which bytes.
    pub artifact: Digest,
    /// With which variables.
    pub env_set: EnvSet,
    /// The epoch it was asked in.
    pub expected_epoch: Epoch,
    /// Which sleep it ends.
    pub sleep_generation: SleepGeneration,
}

/// Wakes that have not ended, besides the one in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// In its cell.
    pub cell: usize,
    /// In its workspace.
    pub workspace: usize,
}

impl Others {
    /// Whether one more may begin.
    pub fn leave_room(self) -> bool {
        self.cell < PER_CELL && self.workspace < PER_WORKSPACE
    }
}

/// The request of the wake that is asked for, or why there is nothing to wake.
pub fn request(
    owner: &RouteOwner,
    ask: Ask,
    reason: Option<Reason>,
    now: DateTime<Utc>,
) -> Result<Requested, Rejection> {
    owner.may_wake(ask.epoch, ask.sleep_generation)?;
    let (Some(lane), Some(of)) = (owner.lane(), &owner.owner) else { return Err(Rejection::NothingToSleep) };
    Ok(Requested {
        id: ask.operation(),
        workspace: lane.workspace,
        region: lane.region,
        cell: Some(lane.cell),
        reason,
        deadline: now + DEADLINE,
        work: Work::Wake(Wake {
            app: lane.app,
            environment: lane.environment,
            deployment: of.deployment,
            artifact: of.artifact,
            env_set: of.env_set,
            expected_epoch: ask.epoch,
            sleep_generation: ask.sleep_generation,
        }),
    })
}

impl Wake {
    /// What an allocation has to run to wake it.
    fn runs(&self) -> Runs {
        Runs { deployment: self.deployment, artifact: self.artifact, env_set: self.env_set }
    }

    /// The allocation of its first, second … attempt.
    pub fn attempt(&self, operation: OperationId, number: usize) -> AllocationId {
        AllocationId(derived(&["wake", &operation.to_string(), &number.to_string()]))
    }

    /// The change of posture it comes to.
    pub fn turn(&self, by: OperationId, at: DateTime<Utc>) -> Turn {
        Turn { by, expected: self.expected_epoch, generation: self.sleep_generation, at }
    }
}

/// All that the next step depends on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// What it is about.
    pub wake: &'a Wake,
    /// The route.
    pub owner: &'a RouteOwner,
    /// The deployment that owns it.
    pub deployment: &'a Deployment,
    /// How its sessions end.
    pub drain: DrainPolicy,
    /// The allocations of its attempts, [`ATTEMPTS`] of them, planned or not.
    pub attempts: &'a [Allocation],
    /// Other allocations of that deployment in that environment which have not ended.
    pub others: &'a [Allocation],
    /// Hosts of the cell that reported lately, the least busy first.
    pub hosts: &'a [HostId],
    /// Other wakes that have begun.
    pub begun: Others,
}

/// What a wake does besides going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Start an allocation.
    Plan(Box<Planned>),
    /// Let the route serve again, and enter hot in the same append.
    Serve(Turn),
}

/// What to do next. With a bad end or an early one, the route sleeps on under another generation, in the same append.
pub type Step = process::Step<Act>;

/// The next step of a wake.
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
    if let Err(rejection) = world.owner.may_wake(world.wake.expected_epoch, world.wake.sleep_generation) {
        return Step::Fail(refused(&rejection));
    }
    let overdue = world.now >= requested.deadline;
    match stage {
        Stage::WakeRequested if overdue => fail("WAKE_BUDGET", "too many wakes were under way until the deadline"),
        Stage::WakeRequested if !world.begun.leave_room() => Step::Wait("other wakes are under way"),
        Stage::WakeRequested => Step::Enter(Stage::Starting, Evidence { gates: gates(world), ..Evidence::default() }),
        Stage::Starting | Stage::ReadinessWait if overdue => {
            fail("ALLOCATION_NOT_READY", "no allocation became ready in time")
        }
        Stage::Starting => match nearest(world) {
            Some(State::Starting | State::Ready) => {
                let evidence = Evidence { digest: Some(world.wake.artifact), ..Evidence::default() };
                Step::Enter(Stage::ReadinessWait, evidence)
            }
            Some(_) => Step::Wait("an allocation is on its way"),
            None => plan(world, requested),
        },
        Stage::ReadinessWait => match nearest(world) {
            Some(State::Ready) => Step::Do(Act::Serve(world.wake.turn(requested.id, world.now))),
            Some(_) => Step::Wait("the allocation does not answer yet"),
            None => plan(world, requested),
        },
        _ => Step::Done,
    }
}

/// What it is begun on, once nothing stands against it: the sleep that was asked about, and room for one more.
fn gates(world: &World<'_>) -> Vec<Gate> {
    let slept = format!("epoch {}, sleep {}", world.owner.epoch, world.wake.sleep_generation);
    let Others { cell, workspace } = world.begun;
    let others = format!("{cell} of {PER_CELL} in the cell, {workspace} of {PER_WORKSPACE} in the workspace");
    gate::gates(&[
        Judged::open("route_epoch", "the route sleeps as it did when this was asked", slept),
        Judged::open("wake_budget", "there is room for one more wake", others),
    ])
}

/// What is put on record when the route serves again: the bytes that were woken, and the allocation that answers.
pub fn proof(wake: &Wake, owner: &RouteOwner, hot: Option<&Allocation>) -> Evidence {
    let allocations = hot.and_then(AllocationProof::of).into_iter().collect();
    Evidence { epoch: Some(owner.epoch), digest: Some(wake.artifact), allocations, ..Evidence::default() }
}

/// How far the allocation has come that has come furthest; only exactly the owner's bytes and variables count.
fn nearest(world: &World<'_>) -> Option<State> {
    let live =
        world.attempts.iter().chain(world.others).filter(|one| serves(world.wake, one) && is_here(world.owner, one));
    live.filter_map(|one| one.state).filter(|state| *state <= State::Ready).max()
}

/// Whether an allocation runs, or is to run, what the route's owner is.
fn serves(wake: &Wake, one: &Allocation) -> bool {
    let runs = |planned: &Planned| planned.environment == wake.environment && planned.runs() == wake.runs();
    one.planned.as_ref().is_some_and(runs) && one.verified.is_none_or(|verified| verified == wake.artifact)
}

/// Whether it runs where the traffic is served; what a failover left elsewhere wakes nothing.
fn is_here(owner: &RouteOwner, one: &Allocation) -> bool {
    one.planned.as_ref().is_some_and(|planned| owner.owns(planned))
}

/// Whether this allocation makes the environment hot: ready, where the traffic is served, with the owner's bytes verified by its
/// runner.
pub fn is_hot(wake: &Wake, owner: &RouteOwner, one: &Allocation) -> bool {
    serves(wake, one) && is_here(owner, one) && one.state == Some(State::Ready) && one.verified == Some(wake.artifact)
}

fn plan(world: &World<'_>, requested: &Requested) -> Step {
    let Some(number) = world.attempts.iter().position(|attempt| attempt.planned.is_none()) else {
        return Step::Fail(because(failure("ALLOCATION_FAILED", "the owner's allocations failed"), world.attempts));
    };
    let (Some(lane), Some(of)) = (world.owner.lane(), &world.owner.owner) else {
        return fail("NO_OWNER", "nobody owns the route");
    };
    match (world.hosts.get(number).or(world.hosts.first()), world.deployment.validated.as_ref()) {
        (Some(host), Some(validated)) => {
            let id = world.wake.attempt(requested.id, number);
            let placement = Placement { id, host: *host, min_epoch: world.owner.epoch };
            Step::Do(Act::Plan(Box::new(Planned::of(&lane, of, validated, world.drain, placement))))
        }
        _ => Step::Wait("no host of the cell has reported lately"),
    }
}

fn refused(rejection: &Rejection) -> Failure {
    use crate::aggregate::Rejection as _;
    let (expected, actual) = rejection.expected_and_actual().unzip();
    let (code, message) = (rejection.code().to_owned(), rejection.to_string());
    Failure { code, message, expected, actual, route_changed: false }
}

fn fail(code: &str, message: &str) -> Step {
    Step::Fail(failure(code, message))
}

fn failure(code: &str, message: &str) -> Failure {
    let (code, message) = (code.to_owned(), message.to_owned());
    Failure { code, message, expected: None, actual: None, route_changed: false }
}

/// Where an environment is between sleeping and serving: by its route, the wake that is on its way, if any, and whether
/// anything of it serves.
pub fn lifecycle(owner: &RouteOwner, wake: Option<Stage>, serving: Serving, now: DateTime<Utc>) -> Lifecycle {
    match (&owner.asleep, wake, serving) {
        (None, _, Serving::Something) => Lifecycle::Hot,
        (None, _, Serving::Nothing) => Lifecycle::Cold,
        (Some(_), Some(Stage::Starting), _) => Lifecycle::Starting,
        (Some(_), Some(Stage::ReadinessWait), _) => Lifecycle::ReadinessWait,
        (Some(_), Some(_), _) => Lifecycle::WakeRequested,
        (Some(asleep), None, _) if asleep.retry_at.is_some_and(|at| now < at) => Lifecycle::Failed,
        (Some(_), None, _) => Lifecycle::Sleeping,
    }
}

/// Whether an environment has an allocation that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// It has.
    Something,
    /// It has not.
    Nothing,
}

#[cfg(test)]
pub(crate) mod tests;

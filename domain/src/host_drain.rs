//! Host drain: a host is cordoned, what runs on it gets replacements elsewhere, its own then ends by policy, its system is
//! brought up to date, checked, and taken back. Owner: Rhone. Writer: its operation, of the platform's workspace. Trap: taking a
//! cordon for a drain; without headroom nothing is evacuated, and nothing is stopped before its replacement answers.

pub mod headroom;

use crate::{
    aggregate::{Aggregate as _, Rejection as _},
    allocation::{Allocation, Planned, State, because as because_of},
    edge_status::Sessions,
    gate::{Judged, Refusal},
    host::{self, Host},
    ids::{AllocationId, HostId, OperationId},
    operation::{Evidence, Failure, Operation, Requested, Stage},
    process,
    text::Reason,
};
use chrono::{DateTime, TimeDelta, Utc};
use headroom::{Decision, Facts, Missing, Standing};
use serde::{Deserialize, Serialize};
use std::iter;
use uuid::Uuid;

/// What a drain is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDrain {
    /// Which host.
    pub host: HostId,
}

/// How long a drain may take if nobody says otherwise; an operator works in between.
pub const USUAL_TIME: TimeDelta = TimeDelta::hours(1);

/// How many replacements of one allocation may fail before the drain does.
const FAILED_REPLACEMENTS: usize = 2;

/// A drain that has not begun: whichever holds the host is another one.
pub const NOT_BEGUN: OperationId = OperationId(Uuid::nil());

/// What a drain would come to if it began now, gate by gate, for whoever is about to ask for it: whether the host takes its
/// cordon, and then what [`next`] judges by once it has.
pub fn judge(host: &Host, cordon: host::Command, facts: &Facts<'_>) -> Vec<Judged> {
    let state = host.state.unwrap_or(host::State::Active).to_string();
    let taken = match host.decide(cordon) {
        Ok(_) => Judged::open("cordon", "no other drain holds the host", state),
        Err(rejection) => Judged::closed("cordon", Refusal::of(&rejection), state),
    };
    iter::once(taken).chain(headroom::judge(facts)).collect()
}

/// All that the next step depends on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// Which host.
    pub drain: HostDrain,
    /// The operation.
    pub operation: &'a Operation,
    /// The host.
    pub host: &'a Host,
    /// When its runner was heard last.
    pub heard_at: Option<DateTime<Utc>>,
    /// Every host of its cell, this one too.
    pub hosts: &'a [Standing],
    /// Every allocation on it that has not ended.
    pub allocations: &'a [Allocation],
    /// Every allocation that replaces one of them, whatever became of it.
    pub replacements: &'a [Allocation],
    /// What the region's edges say of open sessions.
    pub sessions: &'a [Sessions],
    /// The id of an allocation, should one be needed.
    pub new_allocation: AllocationId,
}

/// What a drain can do besides going on. What is done to the host is one append with the stage it leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Cordon the host, and enter cordoned.
    Cordon(host::Command),
    /// Begin the drain of the host, and enter evacuating with these gates.
    Evacuate(host::Command, Evidence),
    /// Start a replacement.
    Plan(Planned),
    /// Let one whose replacement answers finish.
    Drain(AllocationId),
    /// Let the host take allocations again, and enter uncordoned.
    Release(host::Command),
    /// Undo the cordon, and end badly.
    GiveUp(host::Command, Failure),
    /// Undo the cordon, and end early.
    Undo(host::Command),
}

/// A step of a drain.
pub type Step = process::Step<Act>;

/// The next step of a drain.
pub fn next(world: &World<'_>) -> Step {
    let (Some(requested), Some(stage)) = (&world.operation.requested, world.operation.stage) else {
        return Step::Done;
    };
    if stage.is_final() {
        return Step::Done;
    }
    if world.operation.cancel.is_some() && requested.machine().may_cancel(stage) {
        return release(world, requested, "the drain was cancelled")
            .map_or(Step::Cancel, |undo| Step::Do(Act::Undo(undo)));
    }
    if world.host.state == Some(host::State::Retired) {
        return fail(stage, "HOST_RETIRED", "the host was retired: what ran on it is lost, and replaced elsewhere");
    }
    if stage != Stage::Requested && world.host.state == Some(host::State::Active) {
        return fail(stage, "UNCORDONED", "somebody let the host take allocations again");
    }
    at(world, requested, stage)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a drain goes through these stages alone")]
fn at(world: &World<'_>, requested: &Requested, stage: Stage) -> Step {
    match stage {
        Stage::Requested => cordon(world, requested),
        Stage::Cordoned => begin(world, requested),
        Stage::Postcheck => postcheck(world, requested),
        _ if world.now >= requested.deadline => overdue(stage),
        Stage::Evacuating => evacuate(world),
        Stage::ReplacementReady => empty(world),
        Stage::Upgrading if upgraded(world, requested.id).is_some() => {
            Step::Enter(Stage::Postcheck, Evidence::default())
        }
        Stage::Upgrading => Step::Wait("an operator says what the host runs now"),
        _ => Step::Done,
    }
}

fn cordon(world: &World<'_>, requested: &Requested) -> Step {
    if world.now >= requested.deadline {
        return Step::Fail(late());
    }
    let by = Some(requested.id);
    let command = host::Command::Cordon { reason: because(requested, "a drain begins"), by };
    match world.host.decide(command.clone()) {
        Ok(_) => Step::Do(Act::Cordon(command)),
        Err(rejection) => Step::Fail(Failure {
            code: rejection.code().to_owned(),
            message: rejection.to_string(),
            expected: None,
            actual: None,
            route_changed: false,
        }),
    }
}

/// Without quorum, headroom, sessions that can drain and a host that is as ordered, nothing is evacuated; nor after the deadline.
fn begin(world: &World<'_>, requested: &Requested) -> Step {
    let facts = facts(world, requested);
    let failure = match headroom::decide(&facts) {
        Decision::Go(_) if world.now < requested.deadline => {
            let evidence = Evidence { gates: headroom::gates(&facts), ..Evidence::default() };
            return Step::Do(Act::Evacuate(host::Command::BeginDrain { by: requested.id }, evidence));
        }
        Decision::Go(_) => late(),
        Decision::Refuse(missing) => refusal(&missing),
    };
    match release(world, requested, "the drain refused to evacuate") {
        Some(undo) => Step::Do(Act::GiveUp(undo, failure)),
        None => Step::Fail(failure),
    }
}

/// Nothing was moved yet, and nothing will be.
fn late() -> Failure {
    failure("DEADLINE_PASSED", "the deadline passed before anything was moved; the host is as it was")
}

fn facts<'a>(world: &World<'a>, requested: &Requested) -> Facts<'a> {
    Facts {
        host: world.drain.host,
        hosts: world.hosts,
        allocations: world.allocations,
        sessions: world.sessions,
        seconds_left: u64::try_from((requested.deadline - world.now).num_seconds()).unwrap_or(0),
    }
}

/// Everything that is missing, in one refusal; its code is the first one's.
fn refusal(missing: &[Missing]) -> Failure {
    let first = missing.first();
    let (expected, actual) = first.and_then(Missing::expected_and_actual).unzip();
    Failure {
        code: first.map_or("NO_HEADROOM", Missing::code).to_owned(),
        message: missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        expected,
        actual,
        route_changed: false,
    }
}

/// What lets go of a cordon of this very drain; a person's stays.
fn release(world: &World<'_>, requested: &Requested, why: &str) -> Option<host::Command> {
    let by = Some(requested.id);
    let mine = world.host.held_by == by && world.host.state != Some(host::State::Active);
    mine.then(|| host::Command::Uncordon { reason: because(requested, why), by })
}

fn because(requested: &Requested, why: &str) -> Reason {
    let said = requested.reason.as_ref().map_or_else(|| why.to_owned(), |reason| format!("{why}: {reason}"));
    let short: String = said.chars().take(500).collect();
    Reason::parse("reason", &short).expect("a reason and words without control characters, cut to its length")
}

/// Replacements first: each allocation here gets one elsewhere, and only when all of them answer does it go on.
fn evacuate(world: &World<'_>) -> Step {
    let mut waiting = false;
    for old in headroom::moving(world.allocations) {
        match replacement(world, old) {
            Replacement::Answers => {}
            Replacement::Coming => waiting = true,
            Replacement::Fails => return fails(world, Stage::Evacuating, old),
            Replacement::Missing => return plan(world, old),
        }
    }
    if waiting {
        return Step::Wait("replacements are on their way");
    }
    Step::Enter(Stage::ReplacementReady, Evidence::default())
}

/// How it stands with what replaces an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replacement {
    Answers,
    Coming,
    /// As often as is tried.
    Fails,
    /// There is none, or none that stays.
    Missing,
}

fn replacement(world: &World<'_>, old: AllocationId) -> Replacement {
    let of_old = || replacements(world, old);
    let coming = |one: &Allocation| one.state.is_some_and(|state| !state.is_final() && state != State::Draining);
    if stands_in(world.replacements, old).is_some() {
        Replacement::Answers
    } else if of_old().any(coming) {
        Replacement::Coming
    } else if of_old().filter(|one| one.state == Some(State::Failed)).count() >= FAILED_REPLACEMENTS {
        Replacement::Fails
    } else {
        Replacement::Missing
    }
}

/// Which of these answers in an allocation's place; whoever tells that one to finish asserts it.
pub fn stands_in(replacements: &[Allocation], old: AllocationId) -> Option<AllocationId> {
    let answers = |one: &&Allocation| one.state == Some(State::Ready) && replaced_by(one) == Some(old);
    replacements.iter().find(answers).and_then(|one| one.planned.as_ref()).map(|planned| planned.id)
}

/// What keeps replacements from running, such as a store of artifacts that is away, is named in what ends the drain.
fn fails(world: &World<'_>, stage: Stage, old: AllocationId) -> Step {
    let failure = failure("REPLACEMENT_FAILED", "the replacements of an allocation failed");
    Step::Fail(and_what_is_left(stage, because_of(failure, replacements(world, old))))
}

fn replacements<'a>(world: &World<'a>, old: AllocationId) -> impl Iterator<Item = &'a Allocation> + use<'a> {
    world.replacements.iter().filter(move |one| replaced_by(one) == Some(old))
}

fn replaced_by(one: &Allocation) -> Option<AllocationId> {
    one.planned.as_ref().and_then(|planned| planned.replaces)
}

fn plan(world: &World<'_>, old: AllocationId) -> Step {
    let planned = world.allocations.iter().filter_map(|one| one.planned.as_ref()).find(|planned| planned.id == old);
    let room = |other: &&Standing| {
        other.host != world.drain.host
            && other.heard
            && other.state == host::State::Active
            && other.held < other.capacity
    };
    let roomiest = world.hosts.iter().filter(room).max_by_key(|other| (other.capacity - other.held, other.host));
    match (planned, roomiest) {
        (Some(planned), Some(other)) => Step::Do(Act::Plan(Planned {
            id: world.new_allocation,
            host: other.host,
            replaces: Some(old),
            ..planned.clone()
        })),
        _ => Step::Wait("no other host of the cell has room now"),
    }
}

/// What is replaced by one that answers may finish, by its own policy; what lost its replacement meanwhile gets another first.
fn empty(world: &World<'_>) -> Step {
    let mut waiting = false;
    for old in headroom::moving(world.allocations) {
        match replacement(world, old) {
            Replacement::Answers => return Step::Do(Act::Drain(old)),
            Replacement::Coming => waiting = true,
            Replacement::Fails => return fails(world, Stage::ReplacementReady, old),
            Replacement::Missing => return plan(world, old),
        }
    }
    if world.allocations.is_empty() {
        return Step::Enter(Stage::Upgrading, Evidence::default());
    }
    Step::Wait(if waiting { "replacements are on their way" } else { "sessions on the host finish" })
}

fn upgraded<'a>(world: &World<'a>, by: OperationId) -> Option<&'a host::Upgrade> {
    world.host.upgrade.as_ref().filter(|upgrade| upgrade.by == by)
}

/// The runner was heard after the upgrade, and runs nothing that was not ordered: the host takes allocations again.
fn postcheck(world: &World<'_>, requested: &Requested) -> Step {
    let heard = upgraded(world, requested.id).is_some_and(|upgrade| world.heard_at.is_some_and(|at| at > upgrade.at));
    if heard && world.allocations.is_empty() {
        let reason = because(requested, "drained, brought up to date and checked");
        return Step::Do(Act::Release(host::Command::Uncordon { reason, by: Some(requested.id) }));
    }
    if world.now >= requested.deadline { overdue(Stage::Postcheck) } else { Step::Wait("the runner is heard again") }
}

fn overdue(stage: Stage) -> Step {
    if stage == Stage::Evacuating {
        return fail(stage, "REPLACEMENT_NOT_READY", "not every replacement answered in time");
    }
    if stage == Stage::ReplacementReady {
        return fail(stage, "NOT_EMPTY", "what runs on the host did not end in time");
    }
    if stage == Stage::Upgrading {
        return fail(stage, "UPGRADE_NOT_CONFIRMED", "nobody said in time what the host runs now");
    }
    fail(stage, "POSTCHECK_FAILED", "the runner was not heard in time after the upgrade")
}

/// Past the cordon a failure leaves the host as it is, and says so: to let it go again is a person's decision.
fn fail(stage: Stage, code: &str, message: &str) -> Step {
    Step::Fail(and_what_is_left(stage, failure(code, message)))
}

fn and_what_is_left(stage: Stage, mut failure: Failure) -> Failure {
    let left = if matches!(failure.code.as_str(), "UNCORDONED" | "HOST_RETIRED") {
        "the drain ends here"
    } else if stage == Stage::Evacuating {
        "the host stays cordoned and goes on serving; replacements stay"
    } else {
        "the host stays cordoned until a person lifts it"
    };
    failure.message = format!("{}; {left}", failure.message);
    failure
}

fn failure(code: &str, message: &str) -> Failure {
    let (code, message) = (code.to_owned(), message.to_owned());
    Failure { code, message, expected: None, actual: None, route_changed: false }
}

#[cfg(test)]
pub(crate) mod tests;

//! Drain: no new work for some allocations of one deployment, while what is attached to them may finish; then they stop.
//! Owner: Rhone. Writer: the drain operation. The owner's allocations go only once as many others as are wanted are ready; the
//! scheduler starts those, because what is about to leave does not count. It says what the sessions get that are still open at
//! the deadline. Trap: claiming sessions moved when they are still attached to the old allocation.

use crate::{
    allocation::{Allocation, State},
    environment::Replicas,
    gate::{self, Code, Judged, Refusal},
    ids::{AllocationId, AppId, DeploymentId, EnvironmentId},
    numbers::seconds,
    operation::{AllocationProof, Evidence, Failure, Operation, Requested, Stage},
    process,
    route_owner::RouteOwner,
    session_fate::Fate,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long the replacements of what is to leave may take, and how long a runner may take to say that it stopped.
pub const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// What a drain operation is to do, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The app.
    pub app: AppId,
    /// Where.
    pub environment: EnvironmentId,
    /// Whose allocations.
    pub deployment: DeploymentId,
    /// Exactly which of them.
    pub allocations: Vec<AllocationId>,
    /// How long their sessions may go on.
    pub drain_seconds: u64,
    /// What the sessions get that are still open then.
    pub sessions: Fate,
}

impl Drain {
    /// When the operation ends at the latest: time for replacements, for the sessions, and for the runner's last word.
    pub fn deadline(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + MARGIN + self.span() + MARGIN
    }

    fn span(&self) -> TimeDelta {
        seconds(self.drain_seconds)
    }
}

/// What the gates look at, folded from streams whose versions the append asserts.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is asked.
    pub drain: &'a Drain,
    /// Who owns the environment's traffic.
    pub owner: &'a RouteOwner,
    /// How many of the owner's allocations are wanted.
    pub replicas: Replicas,
    /// Every allocation of that deployment in that environment, those that have ended too.
    pub allocations: &'a [Allocation],
}

/// All that the next step depends on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// What its gates look at.
    pub facts: Facts<'a>,
}

/// What a drain operation does besides going on: it tells these to drain until then, and enters `draining` in the same append.
#[derive(Clone, Debug, PartialEq)]
pub struct Tell {
    /// Which.
    pub allocations: Vec<AllocationId>,
    /// Until when their sessions may go on.
    pub deadline: DateTime<Utc>,
}

/// What to do next.
pub type Step = process::Step<Tell>;

/// The gate that a request is judged by: it is about allocations that are there.
pub fn judge(facts: &Facts<'_>) -> Vec<Judged> {
    let targets = || facts.allocations.iter().filter(|one| is_target(facts, one));
    let there = if targets().any(|one| !one.state.is_some_and(State::is_final)) {
        Judged::open("allocations", "they are there", format!("{} to drain", targets().count()))
    } else {
        let refusal = Refusal::new(Code::NothingToDrain, Some("allocationId"), "what was to be drained has ended");
        Judged::closed("allocations", refusal, "none")
    };
    let replacement = match may_leave(facts) {
        Ok(reason) => Judged::open("replacement", reason, "READY"),
        Err(_) => Judged::open("replacement", "as many as are wanted are started and awaited first", "AWAITED"),
    };
    vec![there, replacement]
}

/// Whether the owner keeps as many ready allocations as are wanted: the law that the last one never goes before another is
/// ready. Judged again in the append that tells them to drain.
pub fn may_leave(facts: &Facts<'_>) -> Result<&'static str, Refusal> {
    let Some(owner) = facts.owner.owner.as_ref().filter(|owner| owner.deployment == facts.drain.deployment) else {
        return Ok("their deployment does not own the traffic");
    };
    let stays = |one: &&Allocation| {
        let here = one.planned.as_ref().is_some_and(|planned| facts.owner.owns(planned));
        here && !is_target(facts, one) && one.state == Some(State::Ready) && one.verified == Some(owner.artifact)
    };
    let (stay, wanted) = (facts.allocations.iter().filter(stays).count(), usize::from(facts.replicas.0));
    if stay >= wanted {
        return Ok("as many others as are wanted are ready");
    }
    let mut refusal = Refusal::new(
        Code::ReplacementNotReady,
        Some("allocationId"),
        "the owner would be left with fewer ready allocations than are wanted",
    );
    refusal.expected_and_actual = Some((format!("{wanted} ready"), format!("{stay} ready")));
    Err(refusal)
}

fn is_target(facts: &Facts<'_>, one: &Allocation) -> bool {
    one.planned.as_ref().is_some_and(|planned| facts.drain.allocations.contains(&planned.id))
}

/// The next step of an operation.
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
    match stage {
        Stage::Requested if world.now >= latest(world, requested) => Step::Fail(too_late()),
        Stage::Requested => {
            let judged = judge(&world.facts);
            match gate::closed(&judged) {
                Some(refusal) => Step::Fail(refusal.failure()),
                None => {
                    let (gates, sessions) = (gate::gates(&judged), Some(world.facts.drain.sessions));
                    Step::Enter(Stage::PolicyCheck, Evidence { gates, sessions, ..Evidence::default() })
                }
            }
        }
        Stage::PolicyCheck => tell(world, requested),
        Stage::Draining => await_end(world, requested),
        _ => Step::Done,
    }
}

fn tell(world: &World<'_>, requested: &Requested) -> Step {
    let drain = world.facts.drain;
    let latest = latest(world, requested);
    match may_leave(&world.facts) {
        Ok(_) if world.now < latest => {
            let running = |one: &&Allocation| is_target(&world.facts, one) && one.is_alive();
            let allocations = world.facts.allocations.iter().filter(running);
            let allocations = allocations.filter_map(|one| Some(one.planned.as_ref()?.id)).collect();
            Step::Do(Tell { allocations, deadline: world.now + drain.span() })
        }
        Err(_) if world.now < latest => Step::Wait("as many others as are wanted are not ready yet"),
        Err(refusal) => Step::Fail(refusal.failure()),
        Ok(_) => Step::Fail(too_late()),
    }
}

/// Until when the allocations must have been told, so that their sessions still have their time.
fn latest(world: &World<'_>, requested: &Requested) -> DateTime<Utc> {
    requested.deadline - MARGIN - world.facts.drain.span()
}

fn too_late() -> Failure {
    failure("DEADLINE_PASSED", "no time was left for the sessions to finish")
}

fn await_end(world: &World<'_>, requested: &Requested) -> Step {
    let targets = || world.facts.allocations.iter().filter(|one| is_target(&world.facts, one));
    let left = targets().filter(|one| !one.state.is_some_and(State::is_final)).count();
    if left == 0 {
        let allocations = targets().filter_map(AllocationProof::of).collect();
        return Step::Enter(Stage::Verified, Evidence { allocations, ..Evidence::default() });
    }
    if world.now < requested.deadline {
        return Step::Wait("sessions finish, until the drain deadline");
    }
    let mut failure = failure("NOT_STOPPED", "a runner did not say in time that it stopped what it was told to");
    failure.expected = Some("0 left".into());
    failure.actual = Some(format!("{left} left"));
    Step::Fail(failure)
}

fn failure(code: &str, message: &str) -> Failure {
    Failure { code: code.into(), message: message.into(), expected: None, actual: None, route_changed: false }
}

#[cfg(test)]
pub(crate) mod tests;

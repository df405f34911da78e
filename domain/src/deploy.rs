//! The process manager of deploys: pure. From a commit or an image to a release that may be promoted, and on to its preview.
//! Writer: the pipeline. What is fetched and built lies on one worker's disk and may be lost with it; whoever adopts the
//! operation begins the stage again from what the request says. Trap: a build that counts because its files are there; what
//! counts is the stage in the log and the bytes in the store.

use crate::{
    deployment::Deployment,
    digest::Digest,
    gate::{self, Judged},
    ids::{ActorId, AppId, DeploymentId, EnvironmentId, OperationId},
    numbers::Fence,
    operation::{Evidence, Failure, Operation, Requested, Stage, Work},
    process,
    text::{Commit, GitReference, ImageName, Repository},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a deploy may work from its turn on, whoever works at it. Its fetch and its build have shorter times of their own; what
/// waits for a store, and what is begun again by one worker after the other, has this one. The wait before has the request's.
pub const WORK: TimeDelta = TimeDelta::hours(1);

/// What a deploy makes a release of, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// The app.
    pub app: AppId,
    /// For which environment its gates are judged.
    pub environment: EnvironmentId,
    /// The release, should there be one.
    pub deployment: DeploymentId,
    /// What it is made of.
    pub origin: Origin,
    /// Whether the environment shows it as soon as it may.
    pub then: Then,
    /// Who asks.
    pub requested_by: ActorId,
}

/// What a release is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A commit, which is built.
    Git {
        /// Where it is.
        repository: Repository,
        /// Which: a commit, or a name that is resolved once, when it is fetched.
        reference: GitReference,
    },
    /// An image, which is taken as it is.
    Image {
        /// Where it is.
        name: ImageName,
        /// Exactly which.
        digest: Digest,
    },
}

/// What follows a release that may be promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Its promotion, as an operation of its own.
    Promote,
    /// Nothing; somebody promotes it or nobody does.
    Stay,
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// By which attempt.
    pub attempt: Fence,
    /// Exactly which commit; none for an image, whose digest the request says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// How long it took.
    pub took_ms: u64,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// By which attempt.
    pub attempt: Fence,
    /// How: the kind of plan, such as `python`, or `image`.
    pub plan: String,
    /// In what: `bubblewrap`, or `process` where the machine has no user namespaces; none when nothing had to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// Bytes of the artifact.
    pub size: u64,
    /// Files in it.
    pub files: u64,
    /// How long it took.
    pub took_ms: u64,
}

/// All that the next step depends on.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// The release, as far as it is on record.
    pub deployment: &'a Deployment,
    /// The gates of its promotion to the environment; empty before it is on record.
    pub judged: &'a [Judged],
}

/// What a deploy does besides going on. Each may be done again by another worker, and then finds what it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Fetch what it is made of, and enter building.
    Fetch,
    /// Build it, keep the bytes, and enter validating with artifact and release on record.
    Build,
    /// Judge the bytes that the store holds.
    Validate,
    /// Request the promotion, and enter preview_ready in the same append.
    Promote,
}

/// What to do next.
pub type Step = process::Step<Act>;

/// When it ends, one way or the other: at the request's deadline, or before, when the time for its work is over.
pub fn ends(requested: &Requested, evidence: &Evidence) -> DateTime<Utc> {
    evidence.until.map_or(requested.deadline, |until| until.min(requested.deadline))
}

/// The next step of an operation.
#[expect(clippy::wildcard_enum_match_arm, reason = "the stages of other machines, none of which it can stand at")]
pub fn next(world: &World<'_>) -> Step {
    let (Some(requested), Some(stage)) = (&world.operation.requested, world.operation.stage) else {
        return Step::Done;
    };
    let Work::Deploy(deploy) = &requested.work else { return Step::Done };
    if stage.is_final() {
        return Step::Done;
    }
    if world.operation.cancel.is_some() && requested.machine().may_cancel(stage) {
        return Step::Cancel;
    }
    let ends = ends(requested, &world.operation.evidence);
    if world.now >= ends {
        return Step::Fail(overdue(ends, stage));
    }
    match stage {
        Stage::Queued => Step::Enter(Stage::Cloning, Evidence { until: Some(world.now + WORK), ..Evidence::default() }),
        Stage::Cloning => Step::Do(Act::Fetch),
        Stage::Building => Step::Do(Act::Build),
        Stage::Validating => validate(world, deploy),
        _ => Step::Done,
    }
}

fn validate(world: &World<'_>, deploy: &Deploy) -> Step {
    if let Some(reason) = &world.deployment.failed {
        return Step::Fail(failed("NOT_VALIDATED", reason.clone()));
    }
    if world.deployment.validated.is_none() {
        return Step::Do(Act::Validate);
    }
    let evidence = Evidence { gates: gate::gates(world.judged), ..Evidence::default() };
    match (stands_in_the_way(world.judged, deploy.then), deploy.then) {
        (true, _) => Step::Enter(Stage::Blocked, evidence),
        (false, Then::Promote) => Step::Do(Act::Promote),
        (false, Then::Stay) => Step::Enter(Stage::PreviewReady, evidence),
    }
}

/// Whether a closed gate ends the deploy. What nobody promotes yet is only stopped by what its own bytes say; an approval or a
/// freeze is a matter of its promotion.
fn stands_in_the_way(judged: &[Judged], then: Then) -> bool {
    let own = |one: &&Judged| matches!(one.gate.kind.as_str(), gate::artifact::KIND | gate::generated::KIND);
    match then {
        Then::Promote => gate::closed(judged).is_some(),
        Then::Stay => judged.iter().filter(own).any(|one| one.refusal.is_some()),
    }
}

/// What a promotion that follows is known by, so that asking twice is asking once.
pub fn evidence_of_promotion(judged: &[Judged], promotion: OperationId) -> Evidence {
    Evidence { gates: gate::gates(judged), promotion: Some(promotion), ..Evidence::default() }
}

/// A bad end in a step's own words.
pub fn failed(code: &str, message: String) -> Failure {
    Failure { code: code.into(), message, expected: None, actual: None, route_changed: false }
}

fn overdue(ends: DateTime<Utc>, stage: Stage) -> Failure {
    let waited =
        if stage == Stage::Queued { "it never had its turn (`build.at_once`, `build.per_workspace`): " } else { "" };
    let message = format!("{waited}the deadline passed at {stage}");
    Failure { expected: Some(ends.to_rfc3339()), ..failed("DEADLINE_PASSED", message) }
}

#[cfg(test)]
pub(crate) mod tests;

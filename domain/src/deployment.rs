//! Deployment: a candidate release with the evidence of its build, validation and promotions. Owner: Rhone. Writer: pipeline.
//! Durability: the log. Trap: calling it successful before validation evidence exists; only `Validated` makes it promotable.

use crate::{
    aggregate::{self, Aggregate},
    artifact_facts::ArtifactFacts,
    digest::Digest,
    ids::{AppId, ArtifactId, DeploymentId, WorkspaceId},
    numbers::EnvSet,
    text::{Commit, Repository},
    wake::ReplayContract,
};
use serde::{Deserialize, Serialize};

/// A deployment, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Deployment {
    /// What it was created as; none before it exists.
    pub created: Option<Created>,
    /// Its validated form; none before that.
    pub validated: Option<Validated>,
    /// Why it will never be promoted.
    pub failed: Option<String>,
}

/// What is known of it from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: DeploymentId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Its app.
    pub app: AppId,
    /// What it releases.
    pub artifact: ArtifactId,
    /// Exactly which bytes.
    pub digest: Digest,
    /// Where they came from, as far as the artifact says.
    pub source: Option<Source>,
    /// The variables it was made with.
    pub env_set: EnvSet,
}

/// Where bytes came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The repository.
    pub repository: Repository,
    /// The commit.
    pub commit: Commit,
}

impl Source {
    /// As an artifact's files say; none if they do not, or say it in another form.
    pub fn of(facts: &ArtifactFacts) -> Option<Self> {
        let source = facts.source.as_ref()?;
        let repository = Repository::parse("repository", &source.repository).ok()?;
        Some(Self { repository, commit: Commit::parse("commit", &source.commit).ok()? })
    }
}

/// What validation found, all of it about the exact digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validated {
    /// What was read back from the store and found to be so.
    pub digest: Digest,
    /// The process to start.
    pub command: Vec<String>,
    /// Where it answers for its health.
    pub health_path: String,
    /// What was checked, in words.
    pub checks: Vec<String>,
    /// Which unsafe requests an edge may hold while it wakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayContract>,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open a candidate release.
    Create(Created),
    /// Judge the artifact's own facts.
    Validate {
        /// What was read back from the store.
        digest: Digest,
        /// What its files say.
        facts: Box<ArtifactFacts>,
    },
}

aggregate::commands!(Command {
    Command::Create(_) => "deployment.create",
    Command::Validate { .. } => "deployment.validate",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are named by their types")]
pub enum Event {
    /// It exists.
    #[serde(rename = "deployment.created")]
    Created(Created),
    /// It may be promoted.
    #[serde(rename = "deployment.validated")]
    Validated(Validated),
    /// It will never be promoted.
    #[serde(rename = "deployment.failed")]
    Failed { reason: String },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] =
        &[("deployment.created", 1), ("deployment.validated", 1), ("deployment.failed", 1)];
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The id is taken.
    #[error("this deployment exists already")]
    Exists,
    /// There is none.
    #[error("there is no such deployment")]
    NotFound,
    /// It ended.
    #[error("this deployment has failed: {0}")]
    Failed(String),
    /// These bytes may not be promoted.
    #[error("this deployment may not be promoted: {0}")]
    NotValidated(String),
}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::Failed(_) => "DEPLOYMENT_FAILED",
            Self::NotValidated(_) => "NOT_VALIDATED",
        }
    }
}

impl Aggregate for Deployment {
    const CATEGORY: &'static str = "deployment";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match (&self.created, command) {
            (None, Command::Create(created)) => Ok(vec![Event::Created(created)]),
            (Some(same), Command::Create(created)) if *same == created => Ok(vec![]),
            (Some(_), Command::Create(_)) => Err(Rejection::Exists),
            (None, Command::Validate { .. }) => Err(Rejection::NotFound),
            (Some(created), Command::Validate { digest, facts }) => self.validate(created.digest, digest, &facts),
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created(created) => self.created = Some(created.clone()),
            Event::Validated(validated) => self.validated = Some(validated.clone()),
            Event::Failed { reason } => self.failed = Some(reason.clone()),
        }
    }
}

impl Deployment {
    fn validate(&self, wanted: Digest, found: Digest, facts: &ArtifactFacts) -> Result<Vec<Event>, Rejection> {
        if let Some(reason) = &self.failed {
            return Err(Rejection::Failed(reason.clone()));
        }
        if self.validated.is_some() {
            return Ok(vec![]);
        }
        Ok(vec![match unfit(wanted, found, facts) {
            Some(reason) => Event::Failed { reason },
            None => Event::Validated(Validated {
                digest: found,
                command: facts.command.clone(),
                health_path: facts.health_path.clone(),
                checks: checks(found, facts),
                replay: facts.wake.clone(),
            }),
        }])
    }
}

fn unfit(wanted: Digest, found: Digest, facts: &ArtifactFacts) -> Option<String> {
    if wanted != found {
        return Some(format!("the store holds {found} where {wanted} was wanted"));
    }
    if facts.command.is_empty() {
        return Some("the artifact names no process to start".into());
    }
    if !facts.health_path.starts_with('/') {
        return Some("the artifact names no health path that starts with /".into());
    }
    None
}

fn checks(found: Digest, facts: &ArtifactFacts) -> Vec<String> {
    let mut checks = vec![
        format!("the store holds exactly {found}"),
        format!("the process is `{}`", facts.command.join(" ")),
        format!("health is answered at {}", facts.health_path),
    ];
    if let Some(schema) = facts.vango.as_ref().and_then(|vango| vango.schema_hash.as_ref()) {
        checks.push(format!("the Vango state schema is {schema}"));
    }
    checks
}

#[cfg(test)]
mod tests;

//! What the tests write into the log: ACME's projects and deployments, each of them a validated one.

use crate::database::{Database, until};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::Aggregate,
    artifact_facts::ArtifactFacts,
    authorization::Authority,
    deployment::{self, Deployment},
    digest::Digest,
    ids::{ActorId, AppId, ArtifactId, CorrelationId, DeploymentId, ProjectId, WorkspaceId},
    numbers::EnvSet,
    project::{self, Project},
    text::{Name, Slug},
    workspace::Workspace,
};
use rhone_eventstore::{Bell, Clock, Context, Dispatcher, Inline, Loaded, Log as _, PgLog, Position, Recorded};
use rhone_projections::{inline::AuthorityRows, projection::Projection, runner};
use sqlx::PgPool;
use std::sync::Arc;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(crate) const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xACE));
pub(crate) const ALICE: ActorId = ActorId(Uuid::from_u128(0xA11CE));
const SHOP: AppId = AppId(Uuid::from_u128(0x5409));

/// A log and its readers.
#[derive(Clone)]
pub(crate) struct World<I = AuthorityRows> {
    pub(crate) clock: Clock,
    pub(crate) projector: PgPool,
    pub(crate) worker: PgPool,
    bell: Bell,
    door: Dispatcher<PgLog, I>,
}

/// A release that is about to be written.
pub(crate) struct Release {
    pub(crate) loaded: Loaded<Deployment>,
    pub(crate) create: deployment::Command,
    pub(crate) validate: deployment::Command,
}

impl World {
    pub(crate) async fn of(database: &Database) -> Self {
        Self::with(database, AuthorityRows).await
    }
}

impl<I: Inline> World<I> {
    /// With other authority rows.
    pub(crate) async fn with(database: &Database, inline: I) -> Self {
        let (clock, bell) = (Clock::system(), Bell::default());
        let worker = database.role("rhone_worker").await;
        let log = PgLog::new(worker.clone());
        let door = Dispatcher::new(log, clock.clone(), inline).waking(Arc::new(bell.clone()));
        Self { clock, projector: database.role("rhone_projector").await, worker, bell, door }
    }

    /// Runs a projection as a worker would.
    pub(crate) fn follow<P: Projection>(&self, owner: &str) -> JoinHandle<()> {
        let (bell, clock) = (self.bell.clone(), self.clock.clone());
        tokio::spawn(runner::run::<P>(self.projector.clone(), owner.to_owned(), bell, clock))
    }

    pub(crate) async fn load<A: Aggregate>(&self, id: impl Into<Uuid> + Send) -> Loaded<A> {
        self.door.load(id).await.expect("loads")
    }

    /// One event.
    pub(crate) async fn project(&self) -> Position {
        let id: ProjectId = self.clock.new_id();
        let slug = Slug::parse("slug", &format!("p-{id}")).expect("a slug");
        let name = Name::parse("name", "Shop").expect("a name");
        let created = project::Created { id, workspace: ACME, slug, name };
        let mut loaded = self.load::<Project>(id).await;
        self.write(&mut loaded, [project::Command::Create(created)]).await
    }

    /// Two events in one append.
    pub(crate) async fn deployment(&self) -> Position {
        let mut release = self.release().await;
        self.write(&mut release.loaded, [release.create, release.validate]).await
    }

    /// A release and what is asked of it.
    pub(crate) async fn release(&self) -> Release {
        let (id, artifact): (DeploymentId, ArtifactId) = (self.clock.new_id(), self.clock.new_id());
        let digest = Digest::of(&[b"BLUE"]);
        let created =
            deployment::Created { id, workspace: ACME, app: SHOP, artifact, digest, source: None, env_set: EnvSet(1) };
        let facts =
            ArtifactFacts { command: vec!["bin/shop".into()], health_path: "/health".into(), ..Default::default() };
        let validate = deployment::Command::Validate { digest, facts: Box::new(facts) };
        let loaded = self.load::<Deployment>(id).await;
        Release { loaded, create: deployment::Command::Create(created), validate }
    }

    /// The log's events, so many, once no transaction of another test holds its readers back any more.
    pub(crate) async fn events(&self, so_many: usize) -> Vec<Recorded> {
        let log = PgLog::new(self.projector.clone());
        let mut events = Vec::new();
        until("the events are seen", async || {
            events = log.read_all(Position::START, 100).await.expect("reads");
            events.len() == so_many
        })
        .await;
        events
    }

    pub(crate) async fn write<A: Aggregate>(
        &self,
        loaded: &mut Loaded<A>,
        commands: impl IntoIterator<Item = A::Command>,
    ) -> Position {
        let asked = [Project::CATEGORY, Workspace::CATEGORY].contains(&A::CATEGORY);
        let mut unit = self.door.unit(Context {
            actor: Actor { id: ALICE, kind: ActorKind::User, on_behalf_of: None },
            writer: if asked { Writer::Api } else { Writer::Pipeline },
            authority: Authority::itself(),
            workspace: ACME,
            correlation: CorrelationId(self.clock.new_id()),
            causation: None,
            idempotency_key: None,
            traceparent: None,
            region: None,
            cell: None,
        });
        for command in commands {
            assert!(unit.decide(loaded, command).is_ok(), "the command is not refused");
        }
        let committed = self.door.commit(unit, None, None).await.expect("appends");
        committed.position.expect("it has events")
    }
}

//! One workspace from its beginning: a project, apps with production and a preview, deployments, and what moved the traffic.

use super::{Places, Scale, gathered::Gathered};
use crate::rules::{DRAIN, facts};
use futures_util::FutureExt as _;
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::Aggregate,
    allocation::Allocation,
    app::{self, App},
    artifact::{self, Artifact},
    authorization::Authority,
    claim::{self, Claim, Kind},
    deployment::{self, Deployment},
    digest::Digest,
    envelope::StreamId,
    environment::{self, Environment},
    ids::{ActorId, AppId, ArtifactId, CorrelationId, EnvironmentId, ProjectId, WorkspaceId, derived},
    numbers::{EnvSet, Version},
    project::{self, Project},
    route_owner::{self, RouteOwner},
    text::{Name, Slug},
    workspace::{self, Workspace},
};
use rhone_eventstore::{Append, Clock, Context, Dispatcher, Loaded, Unit};
use uuid::Uuid;

/// A workspace that is being lived.
pub(super) struct Life {
    pub(super) door: Dispatcher<Gathered, Gathered>,
    pub(super) places: Places,
    pub(super) workspace: WorkspaceId,
    pub(super) owner: ActorId,
    n: u32,
}

/// An environment as it stands.
pub(super) struct Lane {
    pub(super) serving: Option<Loaded<Allocation>>,
    pub(super) environment: Loaded<Environment>,
    pub(super) owner: Loaded<RouteOwner>,
}

/// A stream that has no events yet.
pub(super) fn fresh<A: Aggregate>(id: Uuid) -> Loaded<A> {
    Loaded { stream: StreamId::new(A::CATEGORY, id), version: Version(0), state: A::default(), last_event: None }
}

impl Life {
    pub(super) fn begin(places: Places, n: u32) -> Self {
        let id = |noun: &str| derived(&["seed", noun, &n.to_string()]);
        let gathered = Gathered::default();
        Self {
            door: Dispatcher::new(gathered.clone(), Clock::system(), gathered),
            places,
            workspace: WorkspaceId(id("workspace")),
            owner: ActorId(id("owner")),
            n,
        }
    }

    /// All of it, as one append.
    pub(super) fn live(self, scale: Scale) -> Append {
        let project = self.open();
        for nth in 0..scale.apps {
            self.app(project, nth, scale.deployments);
        }
        self.door.log().take(self.workspace)
    }

    pub(super) fn unit(&self, writer: Writer, correlation: Uuid) -> Unit {
        let (id, kind) = match writer {
            Writer::Api | Writer::Pipeline => (self.owner, ActorKind::User),
            Writer::Runner => (ActorId(self.places.host.0), ActorKind::Runner),
            Writer::Scheduler
            | Writer::Promotion
            | Writer::Rollback
            | Writer::Provider
            | Writer::Platform
            | Writer::System
            | Writer::AppRuntime => (ActorId(derived(&["seed", "worker"])), ActorKind::Worker),
        };
        self.door.unit(Context {
            actor: Actor { id, kind, on_behalf_of: None },
            writer,
            authority: Authority::itself(),
            workspace: self.workspace,
            correlation: CorrelationId(correlation),
            causation: None,
            idempotency_key: None,
            traceparent: None,
            region: Some(self.places.region),
            cell: Some(self.places.cell),
        })
    }

    pub(super) fn commit(&self, unit: Unit) {
        let committed = self.door.commit(unit, None, None).now_or_never().expect("gathering never waits");
        committed.expect("gathering refuses nothing");
    }

    fn claim(unit: &mut Unit, kind: Kind, scope: Uuid, value: &str, holder: Uuid) {
        let command = claim::Command::Claim { kind, value: value.to_owned(), holder };
        unit.decide(&mut fresh::<Claim>(claim::id(kind, scope, value)), command).expect("a new name");
    }

    fn open(&self) -> ProjectId {
        let (slug, workspace) = (format!("seeded-{}", self.n), self.workspace);
        let mut unit = self.unit(Writer::Api, workspace.0);
        unit.place(None, None);
        let create = workspace::Command::Create {
            id: workspace,
            slug: Slug::parse("slug", &slug).expect("a slug"),
            name: Name::parse("name", &format!("Seeded {}", self.n)).expect("a name"),
            contact_email: None,
            owner: self.owner,
        };
        unit.decide(&mut fresh::<Workspace>(workspace.0), create).expect("a new workspace");
        Self::claim(&mut unit, Kind::WorkspaceSlug, Uuid::nil(), &slug, workspace.0);
        let id: ProjectId = self.door.clock().new_id();
        let name = Name::parse("name", "Shop").expect("a name");
        let created = project::Created { id, workspace, slug: Slug::parse("slug", "shop").expect("a slug"), name };
        unit.decide(&mut fresh::<Project>(id.0), project::Command::Create(created)).expect("a new project");
        Self::claim(&mut unit, Kind::ProjectSlug, workspace.0, "shop", id.0);
        self.commit(unit);
        id
    }

    fn app(&self, project: ProjectId, nth: u32, deployments: u32) {
        let (id, slug, workspace) = (self.door.clock().new_id::<AppId>(), format!("app-{nth}"), self.workspace);
        let mut unit = self.unit(Writer::Api, id.0);
        let (named, name) = (Slug::parse("slug", &slug), Name::parse("name", &format!("App {nth}")));
        let created =
            app::Created { id, workspace, project, slug: named.expect("a slug"), name: name.expect("a name") };
        unit.decide(&mut fresh::<App>(id.0), app::Command::Create(created)).expect("a new app");
        Self::claim(&mut unit, Kind::AppSlug, project.0, &slug, id.0);
        self.commit(unit);
        let mut production = self.environment(project, id, "production", environment::Kind::Production);
        self.environment(project, id, "preview", environment::Kind::Preview);
        let mut earlier: Vec<Loaded<Deployment>> = Vec::new();
        for nth in 0..deployments {
            let deployment = self.deployment(id, nth);
            // Every second one is promoted; the last of all is rolled back from.
            if nth % 2 == 1 {
                self.promote(&mut production, &deployment);
                earlier.push(deployment);
            }
        }
        if let [.., before, _] = earlier.as_slice() {
            self.roll_back(&mut production, before);
        }
    }

    fn environment(&self, project: ProjectId, app: AppId, slug: &str, kind: environment::Kind) -> Lane {
        let (id, workspace) = (self.door.clock().new_id::<EnvironmentId>(), self.workspace);
        let Places { region, cell, .. } = self.places;
        let mut unit = self.unit(Writer::Api, id.0);
        let named = Slug::parse("slug", slug).expect("a slug");
        let created =
            environment::Created { id, workspace, project, app, slug: named, kind, region, cell, drain: DRAIN };
        let (mut environment, mut owner) = (fresh::<Environment>(id.0), fresh::<RouteOwner>(id.0));
        unit.decide(&mut environment, environment::Command::Create(created)).expect("a new environment");
        let opened = route_owner::Opened { environment: id, workspace, app, region, cell };
        unit.decide(&mut owner, route_owner::Command::Open(opened)).expect("a new route");
        Self::claim(&mut unit, Kind::EnvironmentSlug, app.0, slug, id.0);
        self.commit(unit);
        Lane { serving: None, environment, owner }
    }

    fn deployment(&self, app: AppId, nth: u32) -> Loaded<Deployment> {
        let (id, workspace) = (self.door.clock().new_id(), self.workspace);
        let digest = Digest::of(&[app.0.as_bytes(), &nth.to_be_bytes()]);
        let mut unit = self.unit(Writer::Pipeline, Uuid::from(id));
        let artifact = ArtifactId::of(workspace, digest);
        let registered = artifact::Created { id: artifact, workspace, digest, size: 4_096, facts: facts() };
        unit.decide(&mut fresh::<Artifact>(artifact.0), artifact::Command::Create(registered)).expect("new bytes");
        let created = deployment::Created { id, workspace, app, artifact, digest, source: None, env_set: EnvSet(0) };
        let mut deployment = fresh::<Deployment>(id.0);
        unit.decide(&mut deployment, deployment::Command::Create(created)).expect("a new deployment");
        let validate = deployment::Command::Validate { digest, facts: Box::new(facts()) };
        unit.decide(&mut deployment, validate).expect("good bytes");
        self.commit(unit);
        deployment
    }
}

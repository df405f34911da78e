//! The story that the tests tell: ALICE promotes GREEN over BLUE in the production of Acme's shop, and may have to go back.
//! Only tests read it. Trap: values that mean nothing to the reader, such as `Uuid::from_u128(7)` in the middle of a test.

pub(crate) mod bindings;
mod database;

pub(crate) use database::{declared, migration, proof, ran, restored};

use crate::{
    aggregate::fold,
    allocation::{self, Allocation, Planned},
    artifact_facts::{ArtifactFacts, AssetFacts, GeneratedFacts, PersistedFacts, SourceFacts, VangoFacts},
    deployment::{self, Deployment},
    digest::Digest,
    edge_status::{EdgeMode, EdgeStatus, Observation},
    environment::{self, DrainPolicy},
    feed::{Drain, Owner},
    gate::Facts,
    ids::{
        ActorId, AllocationId, AppId, ArtifactId, CellId, DeploymentId, EdgeId, EnvironmentId, HostId, InvitationId,
        OperationId, ProjectId, RegionId, SupportId, WorkspaceId,
    },
    migrations,
    numbers::{EnvSet, Epoch, FeedSeq},
    operation::{Kind, Requested, RouteChange, Work},
    provider::{Needs, Resource, Vendor},
    route_owner,
    runtime_service::Service,
    session_fate::Fate,
    text::{Commit, Hostname, Name, Reason, Repository, Slug},
    wake::ReplayContract,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{collections::BTreeMap, sync::LazyLock};
use uuid::Uuid;

pub(crate) const ALICE: ActorId = ActorId(Uuid::from_u128(0xa11ce));
pub(crate) const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xac3e));
pub(crate) const INVITATION: InvitationId = InvitationId(Uuid::from_u128(0x1417));
pub(crate) const SUPPORT: SupportId = SupportId(Uuid::from_u128(0x5077));
pub(crate) const SITES: ProjectId = ProjectId(Uuid::from_u128(0x517e5));
pub(crate) const SHOP: AppId = AppId(Uuid::from_u128(0x5409));
pub(crate) const PRODUCTION: EnvironmentId = EnvironmentId(Uuid::from_u128(0x940d));
pub(crate) const LYON: RegionId = RegionId(Uuid::from_u128(0x1704));
pub(crate) const BERGEN: RegionId = RegionId(Uuid::from_u128(0xbe46));
pub(crate) const CELL_1: CellId = CellId(Uuid::from_u128(0xce11));
pub(crate) const FJORD: CellId = CellId(Uuid::from_u128(0xf704));
pub(crate) const HOST_1: HostId = HostId(Uuid::from_u128(0x4057));
pub(crate) const HOST_2: HostId = HostId(Uuid::from_u128(0x4058));
pub(crate) const BLUE: DeploymentId = DeploymentId(Uuid::from_u128(0xb1));
pub(crate) const GREEN: DeploymentId = DeploymentId(Uuid::from_u128(0x62));
pub(crate) const BLUE_BYTES: Digest = Digest([0xb1; 32]);
pub(crate) const GREEN_BYTES: Digest = Digest([0x62; 32]);
pub(crate) const FIRST: OperationId = OperationId(Uuid::from_u128(0x0f1));
pub(crate) const SECOND: OperationId = OperationId(Uuid::from_u128(0x0f2));
pub(crate) const THIRD: OperationId = OperationId(Uuid::from_u128(0x0f3));
pub(crate) const NORTH_EDGE: EdgeId = EdgeId(Uuid::from_u128(0xed6e_0001));
pub(crate) const SOUTH_EDGE: EdgeId = EdgeId(Uuid::from_u128(0xed6e_0002));
pub(crate) const ADDRESS: &str = "127.0.0.1:7001";

/// Some seconds after the story began.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a time") + TimeDelta::seconds(seconds)
}

pub(crate) fn because(why: &str) -> Reason {
    Reason::parse("reason", why).expect("a reason")
}

pub(crate) fn host(name: &str) -> Hostname {
    Hostname::parse("host", name).expect("a host")
}

pub(crate) fn slug(text: &str) -> Slug {
    Slug::parse("slug", text).expect("a slug")
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse("name", text).expect("a name")
}

/// The bytes that a deployment of the story releases.
pub(crate) fn bytes_of(deployment: DeploymentId) -> Digest {
    if deployment == BLUE { BLUE_BYTES } else { GREEN_BYTES }
}

pub(crate) fn owner(deployment: DeploymentId) -> Owner {
    Owner {
        deployment,
        artifact: bytes_of(deployment),
        env_set: EnvSet(1),
        health_path: "/health".into(),
        replay: Some(replay()),
    }
}

/// What the app of the story promises about requests that are held while it wakes.
pub(crate) fn replay() -> ReplayContract {
    ReplayContract::read(vec!["POST /webhooks/...".to_owned()], None).expect("a contract")
}

pub(crate) fn facts() -> ArtifactFacts {
    ArtifactFacts {
        command: vec!["bin/shop".into(), "--serve".into()],
        health_path: "/health".into(),
        socket_paths: vec!["/_vango/ws".into()],
        routes: vec!["/".into()],
        drain_seconds: Some(10),
        assets: Some(AssetFacts { count: 3, manifest: GREEN_BYTES }),
        vango: Some(VangoFacts {
            manifest_version: "1.0".into(),
            build_schema: "bs:v1:e3b0c44298fc".into(),
            schema_hash: Some("sh:v1:1".into()),
            persisted: [("cart".to_owned(), "fp:1".to_owned())].into(),
            session_keys: [("user".to_owned(), "fp:2".to_owned())].into(),
            schema_version: Some("1.0".into()),
            details: [("cart".to_owned(), cart())].into(),
        }),
        source: Some(SourceFacts { repository: "https://example.com/shop".into(), commit: "a".repeat(40) }),
        wake: Some(replay()),
        ..ArtifactFacts::default()
    }
}

/// What the shop says it needs.
pub(crate) fn needs() -> Needs {
    Needs {
        providers: [(Resource::Database, Some(Vendor::Postgres))].into(),
        services: [(Service::SessionStore, None)].into(),
        ..Needs::default()
    }
}

pub(crate) fn created(deployment: DeploymentId) -> deployment::Created {
    let digest = bytes_of(deployment);
    deployment::Created {
        id: deployment,
        workspace: ACME,
        app: SHOP,
        artifact: ArtifactId::of(ACME, digest),
        digest,
        source: Some(deployment::Source {
            repository: Repository::parse("repository", "https://example.com/shop").expect("a repository"),
            commit: Commit::parse("commit", &"a".repeat(40)).expect("a commit"),
        }),
        env_set: EnvSet(1),
    }
}

pub(crate) fn validated(deployment: DeploymentId) -> deployment::Validated {
    deployment::Validated {
        digest: bytes_of(deployment),
        command: facts().command,
        health_path: "/health".into(),
        checks: vec!["the store holds exactly these bytes".into()],
        replay: Some(replay()),
    }
}

/// A deployment that may be promoted.
pub(crate) fn promotable(deployment: DeploymentId) -> Deployment {
    fold(&[deployment::Event::Created(created(deployment)), deployment::Event::Validated(validated(deployment))])
}

pub(crate) fn production() -> environment::Created {
    environment::Created {
        id: PRODUCTION,
        workspace: ACME,
        project: SITES,
        app: SHOP,
        slug: slug("production"),
        kind: environment::Kind::Production,
        region: LYON,
        cell: CELL_1,
        drain: DrainPolicy::default(),
    }
}

/// Where production is served after a failover.
pub(crate) fn bergen() -> route_owner::Place {
    route_owner::Place { region: BERGEN, cell: FJORD }
}

/// The traffic goes from LYON to BERGEN, while BLUE owns it.
pub(crate) fn moved() -> route_owner::Moved {
    route_owner::Moved {
        by: SECOND,
        epoch: Epoch(2),
        from: opened().place(),
        to: bergen(),
        at: at(100),
        drain: Drain { deployment: BLUE, deadline: at(130) },
        sessions: Fate::StartFresh,
    }
}

/// BERGEN, as an operation enabled it for production.
pub(crate) fn enabled() -> environment::Enabled {
    let topology = environment::DataTopology::Replicated;
    environment::Enabled { region: BERGEN, cell: FJORD, by: THIRD, topology }
}

pub(crate) fn opened() -> route_owner::Opened {
    route_owner::Opened { environment: PRODUCTION, workspace: ACME, app: SHOP, region: LYON, cell: CELL_1 }
}

pub(crate) fn allocation(n: u128) -> AllocationId {
    AllocationId(Uuid::from_u128(0xa110_0000 + n))
}

/// The order of an allocation, as an operation decided on `expected` gives it.
pub(crate) fn planned(id: AllocationId, deployment: DeploymentId, expected: Epoch) -> Planned {
    Planned {
        id,
        workspace: ACME,
        app: SHOP,
        environment: PRODUCTION,
        deployment,
        env_set: EnvSet(1),
        artifact: bytes_of(deployment),
        region: LYON,
        cell: CELL_1,
        host: HOST_1,
        min_epoch: expected.next(),
        command: facts().command,
        health_path: "/health".into(),
        ready_timeout_ms: 30_000,
        drain_timeout_ms: 30_000,
        replaces: None,
        proves: None,
    }
}

/// An allocation after its order and these events.
pub(crate) fn allocated(planned: Planned, then: &[allocation::Event]) -> Allocation {
    let mut all = vec![allocation::Event::Planned(planned)];
    all.extend_from_slice(then);
    fold(&all)
}

pub(crate) fn ready(deployment: DeploymentId) -> allocation::Event {
    allocation::Event::Ready { digest: bytes_of(deployment), address: ADDRESS.into() }
}

pub(crate) fn crashed() -> allocation::Event {
    allocation::Event::Failed { reason: "exit 1".into(), cause: Some(allocation::Cause::AppExited) }
}

/// What ALICE asks for: 60 seconds for GREEN's promotion, or to go back to BLUE.
pub(crate) fn requested(kind: Kind, expected: Epoch) -> Requested {
    let deployment = if kind == Kind::Promotion { GREEN } else { BLUE };
    let change = RouteChange {
        requested_by: None,
        acknowledgements: vec![],
        app: SHOP,
        environment: PRODUCTION,
        deployment,
        artifact: bytes_of(deployment),
        env_set: EnvSet(1),
        expected_epoch: expected,
        drain: DrainPolicy::default(),
    };
    Requested {
        id: THIRD,
        workspace: ACME,
        region: LYON,
        cell: Some(CELL_1),
        reason: (kind == Kind::Rollback).then(|| because("checkout is broken")),
        deadline: at(60),
        work: if kind == Kind::Rollback { Work::Rollback(change) } else { Work::Promotion(change) },
    }
}

pub(crate) fn saw(deployment: DeploymentId, epoch: Epoch) -> Observation {
    Observation {
        environment: PRODUCTION,
        epoch,
        deployment,
        allocation: Some(allocation(1)),
        digest: Some(bytes_of(deployment)),
        status: Some(200),
        elsewhere: None,
        at: at(0),
    }
}

pub(crate) fn edge(edge: EdgeId, observations: Vec<Observation>) -> EdgeStatus {
    EdgeStatus {
        activity: vec![],
        activity_since: None,
        closed: vec![],
        edge,
        boot: Uuid::from_u128(0xb007),
        region: LYON,
        incarnation: None,
        applied: FeedSeq(9),
        digest: Digest::ZERO,
        mode: EdgeMode::Synced,
        public_url: "http://127.0.0.1:8080".into(),
        sessions: vec![],
        lost_sessions: 0,
        quarantined: vec![],
        observations,
        at: at(0),
    }
}

/// Where the shop declares its cart.
pub(crate) fn cart() -> PersistedFacts {
    PersistedFacts {
        anchor: Some("github.com/acme/shop/app.Cart#setup0.shared.signal@0".into()),
        kind: Some("signal".into()),
        schema_id: Some("cart-1".into()),
        aliases: vec!["basket".into()],
    }
}

/// What was generated for the shop, as it is packed.
pub(crate) fn generated() -> BTreeMap<String, GeneratedFacts> {
    let file = GeneratedFacts { declared: GREEN_BYTES, packed: Some(GREEN_BYTES) };
    [("app/routes/routes_gen.go".to_owned(), file)].into()
}

/// An approval of GREEN's promotion over BLUE at epoch 1.
pub(crate) fn approval(by: ActorId) -> environment::Approval {
    environment::Approval {
        by,
        environment: PRODUCTION,
        deployment: GREEN,
        artifact: GREEN_BYTES,
        expected_epoch: Epoch(1),
    }
}

static ENVIRONMENT: LazyLock<environment::Environment> = LazyLock::new(environment::Environment::default);
static MIGRATIONS: LazyLock<migrations::Migrations> = LazyLock::new(migrations::Migrations::default);
static PROVIDERS: LazyLock<crate::provider_binding::ProviderBindings> = LazyLock::new(Default::default);
static SERVICES: LazyLock<crate::runtime_service_binding::RuntimeServices> = LazyLock::new(Default::default);
static VARIABLES: LazyLock<crate::variables::Variables> = LazyLock::new(Default::default);
static FACTS: LazyLock<ArtifactFacts> = LazyLock::new(facts);

/// The gates of a promotion and of a rollback, in the order in which they are judged.
pub(crate) const GATES: [&str; 13] = [
    "artifact",
    "route_epoch",
    "route_policy",
    "residency",
    "generated",
    "vango_state",
    "database",
    "provider_bindings",
    "variables",
    "runtime_services",
    "wake_replay",
    "approval",
    "allocations",
];

/// What gates look at: a production without a policy, a database that nobody touched, and artifacts that keep the same.
pub(crate) fn gate_facts<'a>(
    requested: &'a Requested,
    change: &'a RouteChange,
    owner: &'a route_owner::RouteOwner,
    deployment: &'a Deployment,
) -> Facts<'a> {
    Facts {
        requested,
        change,
        owner,
        deployment,
        environment: &ENVIRONMENT,
        migrations: &MIGRATIONS,
        next: Some(&FACTS),
        present: Some(&FACTS),
        providers: &PROVIDERS,
        services: &SERVICES,
        variables: &VARIABLES,
        allocations: &[],
    }
}

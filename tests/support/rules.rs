//! The rules as simulations and benchmarks meet them: a small world's words, and the one place that knows how the process
//! manager of promotions and rollbacks is asked. The trap avoided: a proof about a copy of the rules; everything here calls
//! the real decide, apply and next.

use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    aggregate::{Aggregate, fold},
    allocation::{Allocation, Planned},
    artifact_facts::{ArtifactFacts, MigrationFacts},
    deploy::{Deploy, Origin, Then},
    deployment::{self, Deployment},
    digest::Digest,
    edge_status::{EdgeMode, EdgeStatus, Observation},
    environment::{DrainPolicy, Environment},
    feed::Owner,
    gate::{self, Facts, Judged},
    ids::{
        ActorId, AllocationId, AppId, ArtifactId, CellId, DeploymentId, EdgeId, EnvironmentId, HostId, OperationId,
        RegionId, WorkspaceId,
    },
    migrations::Migrations,
    numbers::{EnvSet, Epoch, FeedSeq},
    operation::{Evidence, Failure, Kind, Operation, Requested, RouteChange, Stage, Work},
    promotion::{self, Act, Step, World},
    provider::Needs,
    provider_binding::ProviderBindings,
    route_owner::{self, RouteOwner},
    runtime_service_binding::RuntimeServices,
    text::{GitReference, Reason, Repository},
    variables::Variables,
};
use uuid::Uuid;

/// The tenant of the small world.
pub const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xac3e));
/// Its app.
pub const SHOP: AppId = AppId(Uuid::from_u128(0x5409));
/// Where it runs.
pub const LYON: RegionId = RegionId(Uuid::from_u128(0x1704));
/// Where in the region.
pub const CELL: CellId = CellId(Uuid::from_u128(0xce11));
/// On what.
pub const HOST: HostId = HostId(Uuid::from_u128(0x4057));
/// How every session of the small world ends.
pub const DRAIN: DrainPolicy = DrainPolicy { drain_seconds: 30, standby_seconds: 60 };

/// Some seconds after the small world began.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a time") + TimeDelta::seconds(seconds)
}

/// The nth environment.
pub fn environment(n: usize) -> EnvironmentId {
    EnvironmentId(Uuid::from_u128(0xe000 + n as u128))
}

/// The nth deployment.
pub fn deployment(n: usize) -> DeploymentId {
    DeploymentId(Uuid::from_u128(0xd000 + n as u128))
}

/// Which of the deployments it is.
pub fn number(deployment: DeploymentId) -> usize {
    usize::try_from(deployment.0.as_u128() - 0xd000).expect("few deployments")
}

/// The nth edge.
pub fn edge(n: usize) -> EdgeId {
    EdgeId(Uuid::from_u128(0xed00 + n as u128))
}

/// The bytes of the nth deployment; each has its own.
pub fn bytes(n: usize) -> Digest {
    Digest([u8::try_from(n + 1).expect("few deployments"); 32])
}

/// A reason.
pub fn because(why: &str) -> Reason {
    Reason::parse("reason", why).expect("a reason")
}

/// The route of the nth environment, as it is opened.
pub fn opened(n: usize) -> route_owner::Opened {
    route_owner::Opened { environment: environment(n), workspace: ACME, app: SHOP, region: LYON, cell: CELL }
}

/// Who owns the traffic once the nth deployment does.
pub fn owner(n: usize) -> Owner {
    let (deployment, artifact) = (deployment(n), bytes(n));
    Owner { deployment, artifact, env_set: EnvSet(0), health_path: "/health".into(), replay: None }
}

/// What an artifact says of itself that needs nothing.
pub fn facts() -> ArtifactFacts {
    ArtifactFacts { command: vec!["bin/shop".into()], health_path: "/health".into(), ..ArtifactFacts::default() }
}

/// How the nth deployment comes to be.
pub fn created(n: usize) -> deployment::Created {
    deployment::Created {
        id: deployment(n),
        workspace: ACME,
        app: SHOP,
        artifact: ArtifactId::of(ACME, bytes(n)),
        digest: bytes(n),
        source: None,
        env_set: EnvSet(0),
    }
}

/// The nth deployment, created and validated with the bytes found.
pub fn validated(n: usize, found: Digest) -> Deployment {
    let mut deployment = Deployment::default();
    let facts = Box::new(facts());
    for command in [deployment::Command::Create(created(n)), deployment::Command::Validate { digest: found, facts }] {
        let events = deployment.decide(command).expect("a new deployment");
        deployment = events.iter().fold(deployment, |mut deployment, event| {
            deployment.apply(event);
            deployment
        });
    }
    deployment
}

/// A change of owner that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Under which id.
    pub id: OperationId,
    /// A promotion or a rollback.
    pub kind: Kind,
    /// Of which environment.
    pub environment: usize,
    /// To which deployment.
    pub deployment: usize,
    /// With which variables.
    pub env_set: EnvSet,
    /// Decided on which epoch.
    pub expected: Epoch,
    /// Until when.
    pub deadline: DateTime<Utc>,
}

/// The request in full.
pub fn requested(ask: &Ask) -> Requested {
    let change = RouteChange {
        app: SHOP,
        environment: environment(ask.environment),
        deployment: deployment(ask.deployment),
        artifact: bytes(ask.deployment),
        env_set: ask.env_set,
        expected_epoch: ask.expected,
        drain: DRAIN,
        requested_by: None,
        acknowledgements: Vec::new(),
    };
    let is_rollback = ask.kind == Kind::Rollback;
    Requested {
        id: ask.id,
        workspace: ACME,
        region: LYON,
        cell: Some(CELL),
        reason: is_rollback.then(|| because("it is broken")),
        deadline: ask.deadline,
        work: if is_rollback { Work::Rollback(change) } else { Work::Promotion(change) },
    }
}

/// A deploy of the nth deployment for an environment; the first is production, and every other one a preview.
pub fn deploy(id: OperationId, environment: usize, deployment: usize, deadline: DateTime<Utc>) -> Requested {
    let origin = Origin::Git {
        repository: Repository::parse("repository", "https://git.example.com/acme/shop.git").expect("a repository"),
        reference: GitReference::parse("reference", "main").expect("a reference"),
    };
    let work = Work::Deploy(Box::new(Deploy {
        app: SHOP,
        environment: self::environment(environment),
        deployment: self::deployment(deployment),
        origin,
        then: if environment == 0 { Then::Stay } else { Then::Promote },
        requested_by: ActorId(Uuid::from_u128(9)),
    }));
    Requested { id, workspace: ACME, region: LYON, cell: Some(CELL), reason: None, deadline, work }
}

/// What the process manager wants to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// Go on to this stage.
    Enter(Stage, Evidence),
    /// Start an allocation.
    Plan(Planned),
    /// Change the route and go on, in one append.
    ChangeRoute(route_owner::Command),
    /// End badly.
    Fail(Failure),
    /// End early.
    Cancel,
    /// Come back later.
    Wait(&'static str),
    /// It has ended.
    Done,
}

/// What the process manager looks at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The moment.
    pub now: DateTime<Utc>,
    /// The operation.
    pub operation: &'a Operation,
    /// The route it is about.
    pub owner: &'a RouteOwner,
    /// The deployment it is about.
    pub deployment: &'a Deployment,
    /// Every allocation of that deployment in that environment.
    pub allocations: &'a [Allocation],
    /// Hosts that reported lately.
    pub hosts: &'a [HostId],
    /// Edges that reported lately, of the region that it is about.
    pub edges: &'a [EdgeStatus],
    /// The same of the region that a failover leaves.
    pub left: &'a [EdgeStatus],
    /// What ran against the database.
    pub migrations: &'a Migrations,
    /// What the artifact needs, and what the environment is and has.
    pub attached: &'a Attached,
    /// The id of an allocation, should one be needed.
    pub new_allocation: AllocationId,
}

/// What an artifact needs outside its process, and what an environment is and has of that.
#[derive(Clone, Debug, Default)]
pub struct Attached {
    /// As the artifact says.
    pub needs: Needs,
    /// The migrations that it counts on.
    pub declared: Vec<MigrationFacts>,
    /// Those that the present owner counts on.
    pub present: Vec<MigrationFacts>,
    /// What the environment wants, and where it may be.
    pub environment: Environment,
    /// Outside resources.
    pub providers: ProviderBindings,
    /// Runtime services.
    pub services: RuntimeServices,
}

/// Hands the gates what they look at: artifacts that keep nothing, in an environment without variables.
fn with_facts<T>(look: &Look<'_>, ask: impl FnOnce(Facts<'_>) -> T) -> Option<T> {
    let requested = look.operation.requested.as_ref()?;
    let variables = Variables::default();
    let says = |migrations: &[MigrationFacts]| ArtifactFacts {
        needs: look.attached.needs.clone(),
        migrations: migrations.to_vec(),
        ..facts()
    };
    let (next, present) = (says(&look.attached.declared), says(&look.attached.present));
    Some(ask(Facts {
        requested,
        change: requested.work.route_change()?,
        owner: look.owner,
        deployment: look.deployment,
        environment: &look.attached.environment,
        migrations: look.migrations,
        next: Some(&next),
        present: Some(&present),
        providers: &look.attached.providers,
        services: &look.attached.services,
        variables: &variables,
        allocations: look.allocations,
    }))
}

/// Asks the real gates.
pub fn judged(look: &Look<'_>) -> Vec<Judged> {
    with_facts(look, |facts| gate::judge(&facts)).unwrap_or_default()
}

/// Asks the real process manager.
pub fn next(look: &Look<'_>) -> Move {
    with_facts(look, |facts| next_on(look, facts)).unwrap_or(Move::Done)
}

fn next_on(look: &Look<'_>, facts: Facts<'_>) -> Move {
    match promotion::next(&World {
        now: look.now,
        operation: look.operation,
        facts,
        hosts: look.hosts,
        edges: look.edges,
        left: look.left,
        new_allocation: look.new_allocation,
    }) {
        Step::Enter(stage, evidence) => Move::Enter(stage, evidence),
        Step::Do(Act::Plan(planned)) => Move::Plan(planned),
        Step::Do(Act::ChangeRoute(command, _)) => Move::ChangeRoute(command),
        Step::Fail(failure) => Move::Fail(failure),
        Step::Cancel => Move::Cancel,
        Step::Wait(what) => Move::Wait(what),
        Step::Done => Move::Done,
    }
}

/// Whose traffic an operation moves, to which deployment, decided on which epoch.
pub fn change_of(operation: &Operation) -> Option<(EnvironmentId, DeploymentId, Epoch)> {
    let requested = operation.requested.as_ref()?;
    let change = requested.work.route_change()?;
    Some((change.environment, change.deployment, change.expected_epoch))
}

/// What the nth edge reports once these were observed.
pub fn reported(n: usize, observations: Vec<Observation>, now: DateTime<Utc>) -> EdgeStatus {
    EdgeStatus {
        edge: edge(n),
        boot: Uuid::from_u128(0xb007),
        region: LYON,
        incarnation: None,
        applied: FeedSeq(1),
        digest: Digest::ZERO,
        mode: EdgeMode::Synced,
        public_url: "http://127.0.0.1:8080".into(),
        sessions: vec![],
        lost_sessions: 0,
        quarantined: vec![],
        observations,
        at: now,
        activity: vec![],
        activity_since: None,
        closed: vec![],
    }
}

/// A state after these events.
pub fn folded<A: Aggregate>(events: &[A::Event]) -> A {
    fold(events)
}

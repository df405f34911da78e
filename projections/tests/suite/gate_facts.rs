//! On what a change of route rests when a host was retired and nobody has given up yet what ran there: not on that, and on the
//! hosts of the rest as they were read. Trap: a row that says `ready`, of a machine that is scrap.

use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::Aggregate,
    allocation::{Allocation, Planned, State},
    authorization::Authority,
    deployment::{self, Deployment},
    digest::Digest,
    envelope::StreamId,
    environment::DrainPolicy,
    host::{self, Host, Silence},
    ids::{
        ActorId, AllocationId, AppId, ArtifactId, CellId, CorrelationId, DeploymentId, EnvironmentId, HostId,
        OperationId, PLATFORM, RegionId, WorkspaceId,
    },
    numbers::{EnvSet, Epoch, Version},
    operation::{AllocationProof, Kind, Requested},
    promotion::Ask,
    route_owner::{self, RouteOwner},
    text::{Reason, Slug},
};
use rhone_eventstore::{Clock, Context, Dispatcher, NoInline, Unit, memory::MemoryLog};
use rhone_projections::{
    authority::allocations::assert_proof,
    gate_facts::{GateFacts, Rows},
};
use uuid::Uuid;

const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xACE));
const SHOP: AppId = AppId(Uuid::from_u128(0x5409));
const PRODUCTION: EnvironmentId = EnvironmentId(Uuid::from_u128(0x940d));
const GREEN: DeploymentId = DeploymentId(Uuid::from_u128(0x62));
const LYON: RegionId = RegionId(Uuid::from_u128(0x1704));
const CELL: CellId = CellId(Uuid::from_u128(0xce11));
const HOSTS: [HostId; 2] = [HostId(Uuid::from_u128(1)), HostId(Uuid::from_u128(2))];

struct Stage(Dispatcher<MemoryLog>);

impl Stage {
    /// GREEN may own the traffic of PRODUCTION, and both hosts are there.
    async fn set() -> Self {
        let clock = Clock::system();
        let stage = Self(Dispatcher::new(MemoryLog::new(clock.clone()), clock, NoInline));
        let (environment, workspace, app) = (PRODUCTION, ACME, SHOP);
        let opened = route_owner::Opened { environment, workspace, app, region: LYON, cell: CELL };
        stage.tell::<RouteOwner>(PRODUCTION, Writer::Api, route_owner::Command::Open(opened)).await;
        let (id, digest, artifact) = (GREEN, Digest::of(&[b"GREEN"]), ArtifactId(Uuid::from_u128(0xa47)));
        let created = deployment::Created { id, workspace, app, artifact, digest, source: None, env_set: EnvSet(1) };
        stage.tell::<Deployment>(GREEN, Writer::Pipeline, deployment::Command::Create(created)).await;
        for (id, slug) in HOSTS.into_iter().zip(["host-1", "host-2"]) {
            let slug = Slug::parse("slug", slug).expect("a slug");
            let created = host::Created { id, region: LYON, cell: CELL, slug };
            stage.tell::<Host>(id, Writer::Platform, host::Command::Create(created)).await;
        }
        stage
    }

    fn unit(&self, writer: Writer) -> Unit {
        self.0.unit(Context {
            actor: Actor { id: ActorId(Uuid::from_u128(0xA11CE)), kind: ActorKind::User, on_behalf_of: None },
            writer,
            authority: Authority::itself(),
            workspace: if writer == Writer::Platform { PLATFORM } else { ACME },
            correlation: CorrelationId(Uuid::from_u128(1)),
            causation: None,
            idempotency_key: None,
            traceparent: None,
            region: None,
            cell: None,
        })
    }

    async fn tell<A: Aggregate>(&self, id: impl Into<Uuid> + Send, writer: Writer, command: A::Command) {
        let mut loaded = self.0.load::<A>(id).await.expect("loads");
        let mut unit = self.unit(writer);
        assert!(unit.decide(&mut loaded, command).is_ok(), "the command is not refused");
        self.0.commit(unit, None, None).await.expect("appends");
    }

    async fn facts(&self, rows: Rows) -> GateFacts {
        GateFacts::load(&self.0, PRODUCTION, GREEN, rows).await.expect("loads")
    }

    async fn retire(&self, host: HostId) {
        let reason = Reason::parse("reason", "its board burnt").expect("a reason");
        self.tell::<Host>(host, Writer::Platform, host::Command::Retire { reason, silence: Silence::default() }).await;
    }
}

fn promotion(facts: &GateFacts) -> Requested {
    let ask = Ask {
        kind: Kind::Promotion,
        reason: None,
        expected: None,
        drain: DrainPolicy::default(),
        by: None,
        acknowledgements: Vec::new(),
    };
    facts.requested(&ask, OperationId(Uuid::from_u128(1)), Clock::system().now()).expect("there is a route")
}

/// One allocation on each host, ready with what is asked for.
fn ready(requested: &Requested) -> Rows {
    let change = requested.work.route_change().expect("a change of owner");
    let on = |host: HostId| Planned {
        id: AllocationId(host.0),
        workspace: ACME,
        app: SHOP,
        environment: PRODUCTION,
        deployment: GREEN,
        env_set: change.env_set,
        artifact: change.artifact,
        region: LYON,
        cell: CELL,
        host,
        min_epoch: Epoch(1),
        command: vec!["bin/shop".into()],
        health_path: "/health".into(),
        ready_timeout_ms: 1,
        drain_timeout_ms: 1,
        replaces: None,
        proves: None,
    };
    let verified = Some(change.artifact);
    let ready =
        |host| Allocation { planned: Some(on(host)), state: Some(State::Ready), verified, ..Allocation::default() };
    HOSTS.map(|host| (ready(host), Version(4))).into()
}

/// Which allocations the append that changes the route asserts, and which hosts.
fn asserted(stage: &Stage, facts: &GateFacts, requested: &Requested) -> ([bool; 2], [bool; 2]) {
    let mut unit = stage.unit(Writer::Promotion);
    facts.assert_ready(requested, &mut unit);
    let asserts = |category: &str| HOSTS.map(|id| unit.judged_at(&StreamId::new(category, id.0)).is_some());
    (asserts(Allocation::CATEGORY), asserts(Host::CATEGORY))
}

#[tokio::test]
async fn a_change_of_route_rests_on_no_host_that_was_retired_and_asserts_the_others() {
    let stage = Stage::set().await;
    let requested = promotion(&stage.facts(Vec::new()).await);
    let both = stage.facts(ready(&requested)).await.with_hosts(&stage.0).await.expect("loads");
    assert_eq!(asserted(&stage, &both, &requested), ([true, false], [true, false]), "one replica is wanted");
    stage.retire(HOSTS[0]).await;
    let left = stage.facts(ready(&requested)).await.with_hosts(&stage.0).await.expect("loads");
    assert_eq!(left.allocations.len(), 1, "the gates see the other one alone");
    assert_eq!(asserted(&stage, &left, &requested), ([false, true], [false, true]));
    // The sin: whoever believes the row, and asks no host.
    let sin = stage.facts(ready(&requested)).await;
    assert_eq!(asserted(&stage, &sin, &requested), ([true, false], [false, false]), "it is caught above");
    // Retired between the look and the append: that is refused, and judged again.
    let mut unit = stage.unit(Writer::Promotion);
    left.assert_ready(&requested, &mut unit);
    stage.retire(HOSTS[1]).await;
    let now = stage.0.load::<Host>(HOSTS[1]).await.expect("loads");
    assert!(unit.judged_at(&now.stream).is_some_and(|read| read < now.version), "the append finds it gone on");
}

#[tokio::test]
async fn what_is_put_on_record_as_a_proof_is_asserted_as_it_was_read_and_nothing_else() {
    let stage = Stage::set().await;
    let rows = ready(&promotion(&stage.facts(Vec::new()).await));
    let proof = AllocationProof::of(&rows[1].0).expect("it was planned");
    let asserted = |proof: &[AllocationProof]| {
        let mut unit = stage.unit(Writer::Scheduler);
        assert_proof(proof, &rows, &mut unit);
        HOSTS.map(|id| unit.judged_at(&StreamId::new(Allocation::CATEGORY, id.0)))
    };
    assert_eq!(asserted(&[proof]), [None, Some(Version(4))]);
    // The sin: what asserts nothing puts on record what has failed meanwhile.
    assert_eq!(asserted(&[]), [None, None], "it is caught above");
}

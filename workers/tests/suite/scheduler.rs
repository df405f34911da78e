//! What the scheduler gives up for lost, and that nothing stands in its way.

use crate::world::{World, until};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::Aggregate,
    allocation::{self, Allocation, Planned},
    authorization::Authority,
    digest::Digest,
    host::{self, Host, Silence},
    ids::{
        ActorId, AllocationId, AppId, CellId, CorrelationId, DeploymentId, EnvironmentId, HostId, RegionId, WorkspaceId,
    },
    numbers::{EnvSet, Epoch},
    text::{Reason, Slug},
};
use rhone_eventstore::{Context, Dispatcher, PgLog};
use rhone_projections::inline::AuthorityRows;
use uuid::Uuid;

pub(crate) const HOST: HostId = HostId(Uuid::from_u128(0x4057));
pub(crate) const LYON: RegionId = RegionId(Uuid::from_u128(1));
pub(crate) const CELL: CellId = CellId(Uuid::from_u128(2));
const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xACE));

/// Rows without a stream, so that nothing can be said of them; before every real one, and more than two pages.
const NOBODYS: &str = "
    INSERT INTO authority.allocations (allocation, workspace, app, environment, deployment, region, cell, host, state, ended,
        generation, version, body)
    SELECT lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
        gen_random_uuid(), gen_random_uuid(), lpad('4057', 32, '0')::uuid, 'planned', false, 1, 1, '{}'
    FROM generate_series(1, 450) n";

pub(crate) async fn write<A: Aggregate>(
    world: &World,
    id: impl Into<Uuid> + Send,
    writer: Writer,
    command: A::Command,
) {
    let config = &world.config;
    let door = Dispatcher::new(PgLog::new(config.pool.clone()), config.clock.clone(), AuthorityRows);
    let mut loaded = door.load::<A>(id).await.expect("loads");
    let mut unit = door.unit(Context {
        actor: Actor { id: ActorId(Uuid::from_u128(7)), kind: ActorKind::Worker, on_behalf_of: None },
        writer,
        authority: Authority::itself(),
        workspace: ACME,
        correlation: CorrelationId(config.clock.new_id()),
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: None,
        cell: None,
    });
    unit.place(Some(LYON), Some(CELL));
    assert!(unit.decide(&mut loaded, command).is_ok(), "the command is not refused");
    door.commit(unit, None, None).await.expect("appends");
}

pub(crate) fn planned(id: AllocationId) -> Planned {
    Planned {
        id,
        workspace: ACME,
        app: AppId(Uuid::from_u128(3)),
        environment: EnvironmentId(Uuid::from_u128(4)),
        deployment: DeploymentId(Uuid::from_u128(5)),
        env_set: EnvSet(1),
        artifact: Digest::of(&[b"BLUE"]),
        region: LYON,
        cell: CELL,
        host: HOST,
        min_epoch: Epoch(1),
        command: vec!["bin/shop".to_owned()],
        health_path: "/health".to_owned(),
        ready_timeout_ms: 1_000,
        drain_timeout_ms: 1_000,
        replaces: None,
        proves: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allocations_that_cannot_be_given_up_keep_no_later_one_from_it() {
    let mut world = World::new().await;
    world.config.nats = None;
    let slug = Slug::parse("slug", "host-1").expect("a slug");
    let created = host::Created { id: HOST, region: LYON, cell: CELL, slug };
    write::<Host>(&world, HOST, Writer::Platform, host::Command::Create(created)).await;
    let id: AllocationId = world.config.clock.new_id();
    write::<Allocation>(&world, id, Writer::Scheduler, allocation::Command::Plan(planned(id))).await;
    let reason = Reason::parse("reason", "its disk is gone").expect("a reason");
    let retire = host::Command::Retire { reason, silence: Silence::default() };
    write::<Host>(&world, HOST, Writer::Platform, retire).await;
    world.run(NOBODYS).await;
    let worker = world.work();
    until("the one that can be given up is", async || {
        world.number("SELECT count(*) FROM authority.allocations WHERE ended").await == 1
    })
    .await;
    assert_eq!(world.number("SELECT count(*) FROM authority.allocations WHERE NOT ended").await, 450);
    worker.abort();
    world.end().await;
}

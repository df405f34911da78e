//! How many allocations a host holds: no more than it may, also when several order at the same moment and each has read that
//! there is room. Trap: a number that is read and believed, when the order itself changes nothing that anybody asserts.

use crate::database::{Database, until};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    aggregate::Aggregate,
    allocation::{self, Allocation, Planned},
    authorization::Authority,
    digest::Digest,
    host::{self, Host},
    ids::{
        ActorId, AllocationId, AppId, CellId, CorrelationId, DeploymentId, EnvironmentId, HostId, RegionId, WorkspaceId,
    },
    numbers::{EnvSet, Epoch},
    text::Slug,
};
use rhone_eventstore::{AppendError, Clock, Committed, Context, Dispatcher, PgLog};
use rhone_projections::{authority::allocations::HOST_FULL, inline::AuthorityRows};
use sqlx::AssertSqlSafe;
use std::sync::Arc;
use tokio::task::JoinSet;
use uuid::Uuid;

const HOST: HostId = HostId(Uuid::from_u128(0x4057));
const REGION: RegionId = RegionId(Uuid::from_u128(0x1704));
const CELL: CellId = CellId(Uuid::from_u128(0xce11));
const CAPACITY: u32 = 2;

#[derive(Clone)]
struct Door(Arc<Dispatcher<PgLog, AuthorityRows>>, Clock);

impl Door {
    async fn of(database: &Database) -> Self {
        let clock = Clock::system();
        let log = PgLog::new(database.role("rhone_worker").await);
        Self(Arc::new(Dispatcher::new(log, clock.clone(), AuthorityRows)), clock)
    }

    async fn tell<A: Aggregate>(
        &self,
        writer: Writer,
        id: Uuid,
        commands: Vec<A::Command>,
    ) -> Result<Committed, AppendError> {
        let mut loaded = self.0.load::<A>(id).await.expect("loads");
        let mut unit = self.0.unit(Context {
            actor: Actor { id: ActorId(Uuid::from_u128(1)), kind: ActorKind::Worker, on_behalf_of: None },
            writer,
            authority: Authority::itself(),
            workspace: WorkspaceId(Uuid::from_u128(0xACE)),
            correlation: CorrelationId(id),
            causation: None,
            idempotency_key: None,
            traceparent: None,
            region: None,
            cell: None,
        });
        for command in commands {
            assert!(unit.decide(&mut loaded, command).is_ok(), "the command is not refused");
        }
        self.0.commit(unit, None, None).await
    }

    async fn register(&self) {
        let slug = Slug::parse("slug", "host-1").expect("a slug");
        let create = host::Command::Create(host::Created { id: HOST, region: REGION, cell: CELL, slug });
        let capacity = host::Command::SetCapacity { allocations: CAPACITY };
        self.tell::<Host>(Writer::Platform, HOST.0, vec![create, capacity]).await.expect("appends");
    }

    /// So many order at the same moment; those that were placed.
    async fn order(&self, so_many: usize) -> Vec<AllocationId> {
        let mut orders = JoinSet::new();
        for _ in 0..so_many {
            let door = self.clone();
            orders.spawn(async move {
                let planned = planned(door.1.new_id());
                let id = planned.id;
                let plan = vec![allocation::Command::Plan(planned)];
                (id, door.tell::<Allocation>(Writer::Scheduler, id.0, plan).await)
            });
        }
        let mut placed = Vec::new();
        for (id, answer) in orders.join_all().await {
            match answer {
                Ok(_) => placed.push(id),
                Err(AppendError::Refused { code, .. }) => assert_eq!(code, HOST_FULL),
                Err(error) => panic!("{error:?}"),
            }
        }
        placed
    }
}

fn planned(id: AllocationId) -> Planned {
    Planned {
        id,
        workspace: WorkspaceId(Uuid::from_u128(0xACE)),
        app: AppId(Uuid::from_u128(2)),
        environment: EnvironmentId(Uuid::from_u128(3)),
        deployment: DeploymentId(Uuid::from_u128(4)),
        env_set: EnvSet(1),
        artifact: Digest::ZERO,
        region: REGION,
        cell: CELL,
        host: HOST,
        min_epoch: Epoch(1),
        command: vec!["bin/shop".into()],
        health_path: "/health".into(),
        ready_timeout_ms: 1_000,
        drain_timeout_ms: 1_000,
        replaces: None,
        proves: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_orders_at_the_same_moment_a_host_takes_as_many_as_it_may_hold() {
    let database = Database::new().await;
    let door = Door::of(&database).await;
    door.register().await;
    let placed = door.order(8).await;
    assert_eq!(placed.len(), 2);
    assert_eq!(door.order(1).await, []);
    // What has ended makes room; what is told of those that live is no order.
    let failed = allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None };
    door.tell::<Allocation>(Writer::Runner, placed[0].0, vec![failed]).await.expect("appends");
    let pulling = vec![allocation::Command::ReportPulling];
    door.tell::<Allocation>(Writer::Runner, placed[1].0, pulling).await.expect("appends");
    assert_eq!(door.order(3).await.len(), 1);
}

#[tokio::test]
async fn a_host_that_may_hold_fewer_now_keeps_what_it_holds_and_takes_nothing() {
    let database = Database::new().await;
    let door = Door::of(&database).await;
    door.register().await;
    let placed = door.order(2).await;
    let fewer = vec![host::Command::SetCapacity { allocations: 1 }];
    door.tell::<Host>(Writer::Platform, HOST.0, fewer).await.expect("appends");
    // Told again, as it is on record.
    database.run("SELECT authority.apply_allocation(row_to_json(a)) FROM authority.allocations a").await;
    let pulling = vec![allocation::Command::ReportPulling];
    door.tell::<Allocation>(Writer::Runner, placed[0].0, pulling).await.expect("appends");
    assert_eq!(door.order(1).await, []);
    assert_eq!(database.number("SELECT count(*) FROM authority.allocations WHERE NOT ended").await, 2);
}

#[tokio::test]
async fn nothing_is_ordered_on_a_host_that_is_not_there() {
    let database = Database::new().await;
    let door = Door::of(&database).await;
    let planned = planned(door.1.new_id());
    let answer =
        door.tell::<Allocation>(Writer::Scheduler, planned.id.0, vec![allocation::Command::Plan(planned)]).await;
    assert!(matches!(&answer, Err(AppendError::Refused { code, .. }) if code == "RH023"), "{answer:?}");
}

/// An order for the only place of a host.
const ORDER: &str =
    "SELECT authority.apply_allocation(json_build_object('allocation', gen_random_uuid(), 'state', 'planned',
    'ended', false, 'generation', 1, 'version', 1, 'body', '{}'::json, 'host', lpad('4057', 32, '0')::uuid,
    'workspace', lpad('0', 32, '0'), 'app', lpad('0', 32, '0'), 'environment', lpad('0', 32, '0'),
    'deployment', lpad('0', 32, '0'), 'region', lpad('0', 32, '0'), 'cell', lpad('0', 32, '0')))";

const WAITS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// How many live there, once two have ordered for the only place, of which the first commits when the second has come as far as
/// it comes.
async fn held_after_two_at_once(database: &Database) -> i64 {
    let (mut first, mut second) = (database.admin().await, database.admin().await);
    sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {ORDER}"))).execute(&mut first).await.expect("there is one place");
    let other = tokio::spawn(async move { sqlx::raw_sql(ORDER).execute(&mut second).await.is_ok() });
    until("it waits, or has not", async || other.is_finished() || database.number(WAITS).await > 0).await;
    sqlx::raw_sql("COMMIT").execute(&mut first).await.expect("commits");
    let both = other.await.expect("ends");
    let held = database.number("SELECT count(*) FROM authority.allocations WHERE NOT ended").await;
    assert_eq!(held, if both { 2 } else { 1 });
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_both_saw_the_last_place_free_one_gets_it() {
    let database = Database::new().await;
    let door = Door::of(&database).await;
    door.register().await;
    let one = vec![host::Command::SetCapacity { allocations: 1 }];
    door.tell::<Host>(Writer::Platform, HOST.0, one).await.expect("appends");
    assert_eq!(held_after_two_at_once(&database).await, 1);
    // The sin: it counts, and holds nothing while it does.
    database.run("DELETE FROM authority.allocations").await;
    let text = "SELECT pg_get_functiondef('authority.apply_allocation'::regproc)";
    let whole: String = sqlx::query_scalar(text).fetch_one(&mut database.admin().await).await.expect("its text");
    let holds_nothing = whole.replace(" FOR NO KEY UPDATE", "");
    assert_ne!(holds_nothing, whole, "there was a lock to leave out");
    sqlx::raw_sql(AssertSqlSafe(holds_nothing)).execute(&mut database.admin().await).await.expect("the sin");
    assert_eq!(held_after_two_at_once(&database).await, 2, "it is caught above");
}

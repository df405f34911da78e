//! What a failover writes in one append: the route's row at its new place, and the same words into the feed of the region that
//! serves it and of the region that did. Trap: an edge of the former region that is never told.

use crate::{database::Database, world::World};
use ed25519_dalek::SigningKey;
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    authorization::Authority,
    digest::Digest,
    feed::{Content, Owner, Route},
    ids::{ActorId, AppId, CellId, CorrelationId, DeploymentId, EnvironmentId, OperationId, RegionId, WorkspaceId},
    numbers::{EnvSet, Epoch},
    route_owner::{Change, Command, Opened, Place, Relocation, RouteOwner},
    session_fate::Fate,
};
use rhone_eventstore::{Context, Dispatcher, PgLog};
use rhone_projections::{
    authority::{feed, route_owners},
    inline::AuthorityRows,
};
use uuid::Uuid;

const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(0xACE));
const PRODUCTION: EnvironmentId = EnvironmentId(Uuid::from_u128(0x940d));
const LYON: Place = Place { region: RegionId(Uuid::from_u128(0x1704)), cell: CellId(Uuid::from_u128(0xce11)) };
const BERGEN: Place = Place { region: RegionId(Uuid::from_u128(0xbe46)), cell: CellId(Uuid::from_u128(0xf704)) };

struct Stage {
    world: World,
    door: Dispatcher<PgLog, AuthorityRows>,
}

impl Stage {
    async fn of(database: &Database) -> Self {
        let world = World::of(database).await;
        let door = Dispatcher::new(PgLog::new(world.worker.clone()), world.clock.clone(), AuthorityRows);
        Self { world, door }
    }

    async fn write(&self, writer: Writer, command: Command) {
        let mut unit = self.door.unit(Context {
            actor: Actor { id: ActorId(Uuid::from_u128(0xA11CE)), kind: ActorKind::User, on_behalf_of: None },
            writer,
            authority: Authority::itself(),
            workspace: ACME,
            correlation: CorrelationId(self.world.clock.new_id()),
            causation: None,
            idempotency_key: None,
            traceparent: None,
            region: None,
            cell: None,
        });
        let mut loaded = self.door.load::<RouteOwner>(PRODUCTION).await.expect("loads");
        assert!(unit.decide(&mut loaded, command).is_ok(), "the command is not refused");
        self.door.commit(unit, None, None).await.expect("appends");
    }

    /// BLUE owns the traffic, in LYON, at epoch 1.
    async fn serving(&self) {
        let opened = Opened {
            environment: PRODUCTION,
            workspace: ACME,
            app: AppId(Uuid::from_u128(0x5409)),
            region: LYON.region,
            cell: LYON.cell,
        };
        self.write(Writer::Api, Command::Open(opened)).await;
        let owner = Owner {
            deployment: DeploymentId(Uuid::from_u128(0xb1)),
            artifact: Digest::of(&[b"BLUE"]),
            env_set: EnvSet(1),
            health_path: "/health".into(),
            replay: None,
        };
        let now = self.world.clock.now();
        let by = OperationId(Uuid::from_u128(1));
        let change = Change { by, expected: Epoch(0), owner, at: now, drain_until: now };
        self.write(Writer::Promotion, Command::Promote(change)).await;
    }

    async fn go(&self, expected: u64, to: Place) {
        let now = self.world.clock.now();
        let by: OperationId = self.world.clock.new_id();
        let wish =
            Relocation { by, expected: Epoch(expected), to, at: now, drain_until: now, sessions: Fate::StartFresh };
        self.write(Writer::Promotion, Command::Move(wish)).await;
    }

    /// The route as a signed snapshot of this region's feed has it.
    async fn told(&self, region: RegionId) -> Option<Route> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let snapshot = feed::snapshot(&self.world.worker, &key, region).await.expect("reads")?;
        let contents = snapshot.verified(&key.verifying_key()).expect("it is signed");
        assert_eq!(contents.len(), 1);
        contents.into_iter().find_map(|content| match content {
            Content::Route(route) => Some(route),
            Content::Allocation(_) => None,
        })
    }
}

#[tokio::test]
async fn one_append_tells_the_edges_of_both_regions_and_moves_the_row() {
    let database = Database::new().await;
    let stage = Stage::of(&database).await;
    stage.serving().await;
    assert_eq!(stage.told(BERGEN.region).await, None, "nobody there has heard of it");
    stage.go(1, BERGEN).await;
    let (there, here) = (stage.told(BERGEN.region).await, stage.told(LYON.region).await);
    assert_eq!(there, here, "the same words");
    let route = there.expect("the new region was told");
    assert_eq!((route.region, route.cell, route.epoch), (BERGEN.region, BERGEN.cell, Epoch(2)));
    assert_eq!(database.number("SELECT count(*) FROM authority.feed WHERE key LIKE 'route:%'").await, 4);
    let mut connection = stage.world.worker.acquire().await.expect("connects");
    let (owner, _) = route_owners::by_environment(&mut connection, PRODUCTION).await.expect("asks").expect("a row");
    assert_eq!(owner.place(), Some(BERGEN));
    let moved = "SELECT count(*) FROM authority.route_owners
        WHERE region = lpad('be46', 32, '0')::uuid AND cell = lpad('f704', 32, '0')::uuid";
    assert_eq!(database.number(moved).await, 1, "the row's own columns say so too");
    stage.go(2, LYON).await;
    let (home, away) = (stage.told(LYON.region).await, stage.told(BERGEN.region).await);
    assert_eq!(home, away);
    assert_eq!(home.map(|route| (route.region, route.epoch)), Some((LYON.region, Epoch(3))), "epochs only rise");
}

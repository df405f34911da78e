//! The stage of every test: a control plane, an edge in a folder of its own, and the values of the story.

use crate::{
    app::{App, artifact},
    client::{self, Reply},
    control::{Control, REGION, TOKEN},
};
use chrono::TimeDelta;
use rhone_domain::{
    feed::{Content, Drain, EndpointState, Owner, Posture, Route},
    ids::{AppId, CellId, DeploymentId, EnvironmentId, WorkspaceId},
    numbers::{EnvSet, Epoch, Revision},
};
use rhone_edge::{Config, HoldBudget, Running, Secret, Shrink, Timing};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::Once,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::sleep;
use uuid::Uuid;

pub(crate) const BLUE: DeploymentId = DeploymentId(Uuid::from_u128(0xb1));
pub(crate) const GREEN: DeploymentId = DeploymentId(Uuid::from_u128(0x9e));
pub(crate) const PRODUCTION: EnvironmentId = EnvironmentId(Uuid::from_u128(0x50));
pub(crate) const PREVIEW: EnvironmentId = EnvironmentId(Uuid::from_u128(0x51));
pub(crate) const SHOP: &str = "shop.example";

pub(crate) fn route(epoch: u64, owner: DeploymentId) -> Route {
    Route {
        environment: PRODUCTION,
        workspace: WorkspaceId(Uuid::from_u128(2)),
        app: AppId(Uuid::from_u128(3)),
        region: REGION,
        cell: CellId(Uuid::from_u128(4)),
        epoch: Epoch(epoch),
        revision: Revision(0),
        hosts: vec![SHOP.into()],
        owner: Some(Owner {
            deployment: owner,
            artifact: artifact(owner),
            env_set: EnvSet(1),
            health_path: "/health".into(),
            replay: None,
        }),
        drain: None,
        posture: Posture::Serve,
    }
}

pub(crate) fn draining(route: Route, former: DeploymentId, left: TimeDelta) -> Route {
    Route { drain: Some(Drain { deployment: former, deadline: crate::control::now() + left }), ..route }
}

pub(crate) fn ready(app: &App) -> Content {
    Content::Allocation(app.endpoint(1, EndpointState::Ready))
}

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
}

impl World {
    pub(crate) async fn new() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let _ = tracing_subscriber::fmt()
                .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
                .with_test_writer()
                .try_init();
        });
        let control = Control::start().await;
        let folder = TempDir::new().expect("a folder");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            data_dir: folder.path().into(),
            listen: any,
            admin: any,
            public_url: None,
            control_url: format!("http://{}", control.address),
            token: Secret::new(TOKEN),
            region: REGION,
            feed_key: control.with(|plane| plane.key.verifying_key()),
            nats_url: None,
            shrink: Shrink::Refuse,
            timing: Timing {
                drain_spread: Duration::from_millis(200),
                shutdown_grace: Duration::from_secs(2),
                ..Timing::default()
            },
            holds: HoldBudget::default(),
        };
        Self { control, folder, config }
    }

    /// A control plane on which blue serves the shop.
    pub(crate) async fn serving() -> (Self, App, Running) {
        let world = Self::new().await;
        let blue = App::start("blue", 0xa1, PRODUCTION, BLUE).await;
        world.control.append(&ready(&blue));
        world.control.append(&Content::Route(route(1, BLUE)));
        let edge = world.start().await;
        world.applied(&edge, 2).await;
        (world, blue, edge)
    }

    pub(crate) async fn start(&self) -> Running {
        rhone_edge::start(self.config.clone()).await.expect("an edge")
    }

    pub(crate) async fn applied(&self, edge: &Running, seq: u64) {
        until("the edge has applied it", async || (table(edge).await["applied"] == seq).then_some(())).await;
    }
}

pub(crate) async fn table(edge: &Running) -> Value {
    client::get(edge.admin, "localhost", "/table").await.json()
}

pub(crate) async fn counter(edge: &Running, name: &str) -> u64 {
    table(edge).await["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
}

pub(crate) async fn shop(edge: &Running) -> Reply {
    client::get(edge.address, SHOP, "/").await
}

/// Long enough for anything that is not broken, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

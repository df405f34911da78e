//! Promotions and rollbacks to and fro between two deployments, each timed from the moment the request is sent until every
//! live edge answers a new visitor under the new epoch. One connection an edge, asked again every two milliseconds.

use rhone_tests::{
    artifacts::Version,
    graphql::http,
    platform::Platform,
    story::{Deployed, Tenant},
};
use std::time::{Duration, Instant};
use tokio::{task::JoinSet, time::sleep};

/// An app with two deployments, and the edges that serve it.
pub(crate) struct Lane {
    tenant: Tenant,
    deployed: [Deployed; 2],
    edges: Vec<String>,
    epoch: std::sync::atomic::AtomicU64,
}

/// What was measured.
pub(crate) struct Moves {
    /// From the request to every edge serving.
    pub(crate) served: Vec<Duration>,
    /// From the request to the operation's good end, as far as it was seen.
    pub(crate) ended: Vec<Duration>,
}

impl Lane {
    /// Opens it, with both deployments started in production once, as after a day of work.
    pub(crate) async fn open(platform: &Platform) -> Self {
        let tenant = Tenant::open(platform, platform.developer()).await;
        let deployed = [tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await];
        for one in &deployed {
            let operation = tenant.promote(one).await;
            tenant.succeeds(&operation).await;
        }
        let epoch = tenant.owner().await["epoch"].as_u64().expect("an owner has an epoch");
        let edges = platform.report().urls.edges;
        Self { tenant, deployed, edges, epoch: epoch.into() }
    }

    fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1
    }

    /// The deployment that does not own production at this epoch, once it has moved.
    fn other(&self, epoch: u64) -> &Deployed {
        &self.deployed[usize::from(epoch.is_multiple_of(2))]
    }

    async fn serving(&self, epoch: u64) {
        let mut edges = JoinSet::new();
        for edge in &self.edges {
            edges.spawn(serving(http(), edge.clone(), self.tenant.production.host.clone(), epoch));
        }
        edges.join_all().await;
    }
}

async fn serving(client: reqwest::Client, edge: String, host: String, epoch: u64) {
    loop {
        let answer = client.get(format!("{edge}/sessions")).header("host", &host).send().await;
        let served = answer.ok().filter(|answer| answer.status().is_success()).and_then(|answer| {
            answer.headers().get("rhone-epoch").and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        });
        if served.is_some_and(|served| served >= epoch) {
            return;
        }
        sleep(Duration::from_millis(2)).await;
    }
}

impl Moves {
    /// Promotes one deployment after the other.
    pub(crate) async fn promotions(lane: &Lane, many: usize) -> Self {
        let mut moves = Self { served: Vec::with_capacity(many), ended: Vec::with_capacity(many) };
        for _ in 0..many {
            let epoch = lane.next_epoch();
            let sent = Instant::now();
            let operation = lane.tenant.promote(lane.other(epoch)).await;
            lane.serving(epoch).await;
            moves.served.push(sent.elapsed());
            lane.tenant.succeeds(&operation).await;
            moves.ended.push(sent.elapsed());
        }
        moves
    }

    /// Rolls back to one deployment after the other; what each rollback quarantines is let back in before the next.
    pub(crate) async fn rollbacks(lane: &Lane, many: usize) -> Self {
        let mut moves = Self { served: Vec::with_capacity(many), ended: Vec::with_capacity(many) };
        for _ in 0..many {
            let epoch = lane.next_epoch();
            let sent = Instant::now();
            let operation = lane.tenant.roll_back(lane.other(epoch), "the benchmark goes to and fro").await;
            lane.serving(epoch).await;
            moves.served.push(sent.elapsed());
            lane.tenant.succeeds(&operation).await;
            moves.ended.push(sent.elapsed());
            lane.tenant.lift_quarantine(&lane.other(epoch + 1).digest).await;
        }
        lane.tenant.release_pin().await;
        moves
    }
}

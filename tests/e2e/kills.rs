//! Step 8: every part is killed without warning, in turn, with a hundred sockets open and a promotion on its way. The trap
//! avoided: an acknowledgement that nobody kept; the test keeps its own ledger and reads the log itself.

use rhone_tests::{
    artifacts::Version,
    database::administrator,
    edge,
    graphql::unique,
    platform::{Platform, database_is_foreign},
    program, signals,
    sockets::{all_answer, ended, open_many},
    story::{Deployed, Tenant},
    wait::{PATIENCE, until},
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const SOCKETS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_socket_closes_no_operation_hangs_and_no_event_is_lost_or_doubled_when_parts_are_killed() {
    let platform = Platform::start().await;
    let tenant = Tenant::open_draining(&platform, platform.developer(), 900).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let sockets = open_many(&tenant.edge, &tenant.production.host, SOCKETS).await;
    let ledger = Ledger::default();
    let disasters = async {
        let mut next = [&green, &blue].into_iter().cycle();
        for part in ["serve", "work", "runner", "nats", "postgres"] {
            if part == "postgres" && database_is_foreign() {
                eprintln!("SKIPPED: PostgreSQL is not ours (DATABASE_URL): it was not killed");
                continue;
            }
            let deployed = next.next().expect("a cycle has no end");
            a_promotion_survives_the_death_of(&platform, &tenant, deployed, part).await;
            assert_eq!(ended(&sockets), 0, "sockets that closed when {part} was killed");
            all_answer(&sockets, &format!("after {part} was killed")).await;
        }
        ledger.closed.store(true, Ordering::SeqCst);
    };
    tokio::join!(ledger.keep(&tenant), disasters);
    ledger.is_in_the_log_exactly_once(&platform).await;
    let verified = platform.rhone(&["verify"]).await;
    assert!(verified.status.success(), "{}{}", program::text(&verified.stdout), program::text(&verified.stderr));
}

async fn a_promotion_survives_the_death_of(platform: &Platform, tenant: &Tenant, deployed: &Deployed, part: &str) {
    let operation = tenant.promote(deployed).await;
    let begun = Instant::now();
    let old = platform.kill(part).await;
    platform.runs_again(part, old).await;
    let ended = tenant.succeeds(&operation).await;
    assert_eq!(ended["healthyDigest"], deployed.digest.as_str(), "{ended:#}");
    eprintln!("{part} killed: the promotion on its way ended well after {} ms", begun.elapsed().as_millis());
    let owner = tenant.owner().await;
    assert_eq!((&owner["deploymentId"], &owner["operationId"]), (&json!(deployed.id), &json!(operation)), "{owner:#}");
}

/// What was acknowledged, by the key it was asked under.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<Vec<(String, String)>>,
    closed: AtomicBool,
}

impl Ledger {
    /// Writes until it is closed; whatever gets no answer is asked again under the same key.
    async fn keep(&self, tenant: &Tenant) {
        while !self.closed.load(Ordering::SeqCst) {
            let key = unique("ledger");
            let input =
                json!({ "workspaceId": tenant.workspace, "slug": unique("p"), "name": "P", "idempotencyKey": key });
            // Without the object: reading it back waits for read models, whose worker may be the one that is dead.
            let ask = async || {
                let answer = tenant.client.try_mutate("projectCreate", "__typename", &input).await.ok()?;
                answer["data"]["projectCreate"]["position"].as_str().map(str::to_owned)
            };
            let position = until("a write is acknowledged", PATIENCE * 2, ask).await;
            self.acknowledged.lock().expect("nobody panicked").push((key, position));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_in_the_log_exactly_once(&self, platform: &Platform) {
        let acknowledged = self.acknowledged.lock().expect("nobody panicked").clone();
        assert!(acknowledged.len() > 20, "only {} writes were acknowledged", acknowledged.len());
        let found: Vec<(String, String)> = sqlx::query_as(
            "SELECT idempotency_key, era || '-' || tx || '-' || pos FROM log.events
             WHERE event_type = 'project.created' AND idempotency_key LIKE 'ledger-%'",
        )
        .fetch_all(&mut administrator(platform).await)
        .await
        .expect("the log can be read");
        let keys: BTreeSet<_> = found.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), found.len(), "no event is doubled");
        let asked: BTreeSet<_> = acknowledged.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, asked, "every acknowledged event is there, and no other");
        eprintln!("{} acknowledged writes, each in the log once", acknowledged.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_app_and_a_killed_edge_come_back_while_everything_else_is_dead() {
    let platform = Platform::start().await;
    let tenant = Tenant::open(&platform, platform.developer()).await;
    tenant.deploy(Version::Blue).await;
    let preview = &tenant.preview.host;
    let sockets = open_many(&tenant.edge, preview, SOCKETS).await;
    // The count on the edge's disk may be a tenth of a second late.
    let noted = async || fs::read_to_string(platform.data().join("edge-1/sockets")).ok()?.contains("100").then_some(());
    until("the edge has noted its open sockets", PATIENCE, noted).await;
    let before = edge::table(&platform).await["lost_sessions"].as_u64().unwrap_or_default();
    let supervisor = platform.unsupervised().await;
    let others: &[&str] =
        if database_is_foreign() { &["serve", "work", "nats"] } else { &["serve", "work", "nats", "postgres"] };
    for part in others {
        platform.kill(part).await;
    }

    let millis = the_edge_comes_back_from_its_own_disk(&platform, &tenant).await;
    eprintln!("edge started -> serving from its own disk, alone: {millis} ms");
    until("sockets of a killed edge end", PATIENCE, async || (ended(&sockets) == SOCKETS).then_some(())).await;

    let [app] = platform.apps()[..] else { panic!("one app runs, not {:?}", platform.apps()) };
    let begun = Instant::now();
    signals::kill(app);
    let again = async || platform.apps().into_iter().find(|new| *new != app);
    until("the app was started again", PATIENCE, again).await;
    drop(supervisor);
    edge::serves(&tenant.edge, preview, "blue").await;
    eprintln!("app killed -> served again: {} ms", begun.elapsed().as_millis());

    let counted = async || {
        let lost = edge::table(&platform).await["lost_sessions"].as_u64()?;
        (lost >= before + SOCKETS as u64).then_some(())
    };
    until("the lost sockets are counted", PATIENCE, counted).await;
    let told = async || {
        let allocations = tenant.allocations_now(&tenant.preview).await?;
        (allocations.iter().any(|allocation| allocation["restarts"] == 1)).then_some(())
    };
    until("the restart is told, late and once", PATIENCE, told).await;
}

/// With nobody there to start it or to be asked; how long it took.
async fn the_edge_comes_back_from_its_own_disk(platform: &Platform, tenant: &Tenant) -> u128 {
    platform.kill("edge-1").await;
    let mut edge = Started::new(platform);
    let begun = Instant::now();
    edge::serves(&tenant.edge, &tenant.preview.host, "blue").await;
    let millis = begun.elapsed().as_millis();
    assert!(edge.0.try_wait().expect("it can be asked").is_none(), "it runs");
    millis
}

/// An edge that this test started; it gives its port back to the platform's own.
struct Started(Child);

impl Started {
    fn new(platform: &Platform) -> Self {
        let mut edge = Command::new(program::path("rhone"));
        edge.arg("--data").arg(platform.data()).args(["edge", "--name", "edge-1"]);
        Self(edge.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("an edge starts"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! Scenario 5: a host is emptied for an upgrade, with a second host beside it. Without headroom the drain refuses to evacuate
//! and everything goes on serving; with headroom nothing is told to stop before its replacement answers. The trap avoided:
//! taking a cordon for a drain.

use crate::versions::is_held;
use rhone_tests::{
    artifacts::Version,
    database::uuid,
    edge,
    graphql::Client,
    hosts::{self, Host},
    platform::Platform,
    sockets::Watched,
    story::{Environment, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// How long open sessions live on when their allocation is told to go: long enough to be asked before it, on any machine.
const DRAIN_SECONDS: u32 = 30;

struct Scene {
    platform: Platform,
    operator: Client,
    tenant: Tenant,
    first: String,
}

/// One host, on which a preview and a production run.
async fn scene() -> Scene {
    let platform = Platform::start().await;
    let operator = platform.developer();
    let tenant = Tenant::open_draining(&platform, platform.developer(), DRAIN_SECONDS).await;
    let blue = tenant.deploy(Version::Blue).await;
    tenant.succeeds(&tenant.promote(&blue).await).await;
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let first = format!("host_{}", platform.report().ids.host.simple());
    Scene { platform, operator, tenant, first }
}

impl Scene {
    fn input(&self) -> Value {
        json!({ "hostId": self.first, "reason": "a new kernel", "timeoutSeconds": 120 })
    }

    async fn drain(&self) -> String {
        text(&self.operator.done("hostDrain", "host { state }", self.input()).await["operation"]["id"])
    }

    /// The refusal of a drain of it.
    async fn refused(&self) -> Value {
        self.operator.refused("hostDrain", "__typename", self.input()).await
    }

    /// What a drain of it would come to now.
    async fn readiness(&self) -> Value {
        let query = "query($id: ID!) { node(id: $id) { ... on Host { drainReadiness(timeoutSeconds: 120) { allowed code \
            gates { kind state reason } } } } }";
        self.operator.data(query, json!({ "id": self.first })).await["node"]["drainReadiness"].clone()
    }

    /// The same, as it says of a drain that is refused: the code, and the reason of the first gate that is closed.
    async fn told(&self) -> (Value, Value) {
        let said = self.readiness().await;
        let mut closed = said["gates"].as_array().expect("gates").iter().filter(|gate| gate["state"] == "fail");
        let reason = closed.next().map(|gate| gate["reason"].clone()).unwrap_or_default();
        assert_eq!(said["allowed"] == true, said["code"].is_null() && reason.is_null(), "{said:#}");
        (said["code"].clone(), reason)
    }

    async fn room(&self, host: &str, capacity: u32) {
        let input = json!({ "hostId": host, "capacity": capacity });
        self.operator.done("hostCapacitySet", "host { capacity }", input).await;
    }

    async fn state(&self) -> Value {
        hosts::look(&self.operator, &self.first).await["state"].clone()
    }

    async fn stands_at(&self, operation: &str, stage: &str) -> Value {
        let look = async || {
            let now = self.tenant.operation(operation).await?;
            assert!(now["ended"] == false || now["stage"] == stage, "it ended otherwise: {now:#}");
            (now["stage"] == stage).then_some(now)
        };
        until(&format!("the drain is at {stage}"), PATIENCE, look).await
    }

    /// Ids and hosts of the allocations that are ready.
    async fn ready(&self, environment: &Environment) -> Vec<(String, String)> {
        let all = self.tenant.allocations(environment).await;
        let ready = all.iter().filter(|one| one["state"] == "READY");
        ready.map(|one| (text(&one["id"]), text(&one["hostId"]))).collect()
    }

    /// The events of a stream, by type, as the log itself has them.
    async fn events(&self, stream: String) -> Vec<String> {
        let mut database = rhone_tests::database::administrator(&self.platform).await;
        sqlx::query_scalar("SELECT event_type FROM log.events WHERE stream = $1 ORDER BY version")
            .bind(stream)
            .fetch_all(&mut database)
            .await
            .expect("the log can be read")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_headroom_a_drain_refuses_to_evacuate_also_behind_a_cordon_and_everything_goes_on_serving() {
    let scene = scene().await;
    let second = Host::start(&scene.platform).await;
    scene.room(&second.id, 1).await;
    let socket = Watched::open(&scene.tenant.edge, &scene.tenant.production.host).await.expect("a socket opens");
    let before = (scene.ready(&scene.tenant.preview).await, scene.ready(&scene.tenant.production).await);
    let epoch = scene.tenant.owner().await["epoch"].clone();

    let told = scene.told().await;
    // The sin: it is accepted, and its operation fails once the host is cordoned.
    let refused = scene.refused().await;
    assert_eq!((refused["code"].clone(), refused["message"].clone()), told, "it was told before");
    let said = (&refused["code"], &refused["expected"], &refused["actual"]);
    assert_eq!(said, (&json!("NO_HEADROOM"), &json!("2 places"), &json!("1 places")), "{refused:#}");
    let host = scene.events(format!("host:{}", uuid(&scene.first))).await;
    assert_eq!(host, ["host.registered"], "nothing was done to it");
    assert_eq!(scene.state().await, "ACTIVE");

    let cordon = json!({ "hostId": scene.first, "reason": "by hand" });
    scene.operator.done("hostCordon", "host { state }", cordon).await;
    assert_eq!(scene.told().await, told, "a cordon alone frees no place, and that is told");
    let refused = scene.refused().await;
    assert_eq!(refused["code"], "NO_HEADROOM", "a cordon alone frees no place: {refused:#}");
    assert_eq!(scene.state().await, "CORDONED", "a person's cordon is a person's");

    let after = (scene.ready(&scene.tenant.preview).await, scene.ready(&scene.tenant.production).await);
    assert_eq!(after, before, "the same allocations serve, where they did");
    assert!(socket.answers().await, "and the open session is where it was");
    assert_eq!(edge::version(&scene.tenant.edge, &scene.tenant.production.host).await.as_deref(), Some("blue"));
    assert_eq!(scene.tenant.owner().await["epoch"], epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_headroom_replacements_answer_first_and_the_host_comes_back_after_its_postcheck() {
    let scene = scene().await;
    let second = Host::start(&scene.platform).await;
    let (tenant, host) = (&scene.tenant, scene.tenant.production.host.clone());
    let socket = Watched::open(&tenant.edge, &host).await.expect("a socket opens");
    let old = scene.ready(&tenant.production).await;
    let [(old, _)] = &old[..] else { panic!("one allocation, not {old:?}") };
    let epoch = tenant.owner().await["epoch"].clone();

    assert_eq!(scene.told().await, (Value::Null, Value::Null), "nothing stands in its way");
    is_held(&scene.operator, "hostDrain", scene.input()).await;
    let operation = scene.drain().await;
    scene.stands_at(&operation, "REPLACEMENT_READY").await;
    let again = json!({ "hostId": scene.first, "reason": "once more" });
    let again = scene.operator.refused("hostDrain", "__typename", again).await;
    assert_eq!((again["code"].clone(), again["message"].clone()), scene.told().await, "another drain holds it");
    assert!(socket.answers().await, "a session that is open lives on");
    assert_eq!(scene.state().await, "DRAINING");
    edge::serves(&tenant.edge, &host, "blue").await;
    lives_until_its_deadline(&scene, &socket, old).await;

    scene.stands_at(&operation, "UPGRADING").await;
    for environment in [&tenant.preview, &tenant.production] {
        let ready = scene.ready(environment).await;
        assert!(ready.len() == 1 && ready[0].1 == second.id, "served by the other host: {ready:?}");
    }
    the_replacement_answered_first(&scene, old).await;
    let done = json!({ "hostId": scene.first, "operationId": operation, "osVersion": "debian 13.2",
        "runnerVersion": "2", "note": "new kernel, checked by hand" });
    is_held(&scene.operator, "hostUpgradeDone", done.clone()).await;
    scene.operator.done("hostUpgradeDone", "host { state }", done).await;
    let ended = tenant.succeeds(&operation).await;
    assert_eq!(ended["stage"], "UNCORDONED", "{ended:#}");
    assert_eq!(scene.state().await, "ACTIVE");
    let stages = scene.events(format!("host:{}", uuid(&scene.first))).await;
    let told = ["host.registered", "host.cordoned", "host.drain_begun", "host.upgrade_confirmed", "host.uncordoned"];
    assert_eq!(stages, told);
    assert_eq!(tenant.owner().await["epoch"], epoch, "who owns the traffic has not changed");
    assert_eq!(edge::version(&tenant.edge, &host).await.as_deref(), Some("blue"));
}

/// The session is ended at the deadline of its allocation, and not before.
async fn lives_until_its_deadline(scene: &Scene, socket: &Watched, old: &str) {
    let deadline = async || {
        let all = scene.tenant.allocations(&scene.tenant.production).await;
        let one = all.into_iter().find(|one| one["id"] == old)?;
        chrono::DateTime::parse_from_rfc3339(one["drainDeadline"].as_str()?).ok()
    };
    let deadline = until("the old allocation is told its deadline", PATIENCE, deadline).await;
    let ended = async || socket.has_ended().then(|| rhone_eventstore::Clock::system().now());
    let at = until("the session has ended", PATIENCE, ended).await;
    let early = (deadline.to_utc() - at).num_milliseconds();
    assert!(early <= 100, "the session was ended {early} ms before its deadline");
    let told = async || {
        let all = scene.tenant.allocations(&scene.tenant.production).await;
        all.into_iter().find(|one| one["id"] == old && one["state"] == "STOPPED")
    };
    let stopped = until("the old allocation has stopped", PATIENCE, told).await;
    assert_eq!(stopped["sessionsEnded"], 1, "and it is said how many were ended: {stopped:#}");
}

/// The log's order: a replacement is ready before what it replaces is told to go.
async fn the_replacement_answered_first(scene: &Scene, old: &str) {
    let mut database = rhone_tests::database::administrator(&scene.platform).await;
    let order: Vec<String> = sqlx::query_scalar(
        "SELECT e.event_type FROM log.events e
         WHERE (e.stream = $1 AND e.event_type = 'allocation.draining')
            OR (e.event_type = 'allocation.ready' AND e.stream IN
                (SELECT stream FROM log.events WHERE event_type = 'allocation.planned' AND payload->>'replaces' = $2))
         ORDER BY e.pos",
    )
    .bind(format!("allocation:{}", uuid(old)))
    .bind(uuid(old).to_string())
    .fetch_all(&mut database)
    .await
    .expect("the log can be read");
    assert_eq!(order, ["allocation.ready", "allocation.draining"]);
}

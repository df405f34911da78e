//! Gates as people meet them: a cold deploy is acknowledged or does not happen, four eyes see exactly what two approve, and a
//! route does not go back behind a destructive migration. The traps avoided: presenting a cold deploy as a normal zero-risk
//! promotion, and taking a warm deploy for a safe rollback.

use crate::versions::is_held;
use rhone_tests::{
    artifacts::{Version, push_with},
    database::person,
    edge,
    platform::Platform,
    story::{Deployed, Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// What promoting a deployment to production would come to.
async fn promotion_of(tenant: &Tenant, deployment: &str) -> Value {
    let query = "query($id: ID!, $deployment: ID!) { environment(id: $id) { promotion(deploymentId: $deployment) { allowed \
        routeEpoch toAcknowledge gates { kind state reason evidence } impact { word reasons state stateReasons database \
        databaseReason migrations } } } }";
    let variables = json!({ "id": tenant.production.id, "deployment": deployment });
    tenant.client.data(query, variables).await["environment"]["promotion"].clone()
}

/// What rolling production back to each earlier owner would come to.
async fn ways_back(tenant: &Tenant) -> Vec<Value> {
    let query = "query($id: ID!) { environment(id: $id) { rollbackPlan { deploymentId allowed toAcknowledge \
        gates { kind state reason } impact { word state database databaseReason migrations } } } }";
    let answer = tenant.client.data(query, json!({ "id": tenant.production.id })).await;
    answer["environment"]["rollbackPlan"].as_array().cloned().expect("a list of plans")
}

fn gate<'a>(plan: &'a Value, kind: &str) -> &'a Value {
    let gates = plan["gates"].as_array().expect("gates");
    gates.iter().find(|gate| gate["kind"] == kind).unwrap_or_else(|| panic!("no gate {kind}: {plan:#}"))
}

fn promote(tenant: &Tenant, deployment: &str, acknowledged: &[&str]) -> Value {
    let taken: Vec<_> =
        acknowledged.iter().map(|gate| json!({ "gate": gate, "reason": "everybody was told" })).collect();
    json!({ "deploymentId": deployment, "environmentId": tenant.production.id, "acknowledgements": taken })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_presenting_a_cold_deploy_as_a_normal_zero_risk_promotion() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open_draining(platform, platform.developer(), 120).await;
    let green = tenant.deploy(Version::Green).await;
    let blue = tenant.deploy(Version::Blue).await;
    let first = tenant.client.done("deploymentPromote", "__typename", promote(&tenant, &green.id, &[])).await;
    tenant.succeeds(&text(&first["operation"]["id"])).await;

    let shown = promotion_of(&tenant, &blue.id).await;
    assert_eq!((&shown["allowed"], &shown["toAcknowledge"]), (&json!(false), &json!(["vango_state"])), "{shown:#}");
    assert_eq!((&shown["impact"]["word"], &shown["impact"]["state"]), (&json!("COLD"), &json!("INCOMPATIBLE")));
    assert_eq!(gate(&shown, "vango_state")["state"], "needs_acknowledgement");
    assert_eq!(gate(&shown, "database")["state"], "pass", "the database is another gate");
    let awaited = gate(&shown, "allocations");
    assert_eq!(awaited["state"], "awaited", "it closes no button: {awaited}");
    assert!(text(&awaited["reason"]).starts_with("0 of 1 ready"), "{awaited}");

    let refused = tenant.client.refused("deploymentPromote", "__typename", promote(&tenant, &blue.id, &[])).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("NEEDS_ACKNOWLEDGEMENT"), &json!("acknowledgements")));
    let mut dry = promote(&tenant, &blue.id, &[]);
    dry["dryRun"] = json!(true);
    let would = tenant.client.refused("deploymentPromote", "__typename", dry).await;
    assert_eq!(would["code"], refused["code"], "a dry run says the same");
    for said in [&refused, &would] {
        assert_eq!(gate(said, "vango_state")["state"], "needs_acknowledgement", "and by which gate: {said:#}");
    }
    let other = promote(&tenant, &blue.id, &["database"]);
    let refused = tenant.client.refused("deploymentPromote", "__typename", other).await;
    assert_eq!(refused["code"], "NEEDS_ACKNOWLEDGEMENT", "another gate was acknowledged");
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;

    let taken = promote(&tenant, &blue.id, &["vango_state"]);
    let accepted = tenant.client.done("deploymentPromote", "__typename", taken).await;
    let operation = tenant.succeeds(&text(&accepted["operation"]["id"])).await;
    assert_eq!(gate(&operation, "vango_state")["state"], "acknowledged", "and it is on record: {operation:#}");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    allocations_are_judged_on_the_digest_that_their_runner_observed(&tenant, &operation, (&green.id, &blue.digest))
        .await;
}

/// Judged again where the route changed, and on record as it was then; what stands by makes the way back a matter of no start.
async fn allocations_are_judged_on_the_digest_that_their_runner_observed(
    tenant: &Tenant,
    operation: &Value,
    (former, digest): (&str, &str),
) {
    let judged = gate(operation, "allocations");
    let warm = "1 of 1 ready with exactly these bytes; nothing is started";
    assert_eq!((&judged["state"], &judged["reason"]), (&json!("pass"), &json!(warm)), "{operation:#}");
    assert!(text(&judged["evidence"]).starts_with(&format!("{digest} observed by ")), "{judged}");
    let plans = ways_back(tenant).await;
    let plan = plans.iter().find(|plan| plan["deploymentId"] == former).expect("every earlier owner has its plan");
    let back = gate(plan, "allocations");
    assert_eq!((&back["state"], &back["reason"]), (&json!("pass"), &json!(warm)), "{plan:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_eyes_approve_exactly_one_promotion() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let colleague = person(platform).await;
    let input = json!({ "workspaceId": tenant.workspace, "memberId": colleague.actor, "role": "ADMIN" });
    tenant.client.done("memberAdd", "__typename", input).await;
    let blue = tenant.deploy(Version::Blue).await;
    let policy = json!({ "environmentId": tenant.production.id, "approvalsRequired": 1, "reason": "four eyes" });
    tenant.client.done("environmentPolicySet", "__typename", policy).await;

    let approve = |epoch: u64| {
        json!({ "environmentId": tenant.production.id, "deploymentId": blue.id, "artifactDigest": blue.digest,
            "expectedRouteEpoch": epoch })
    };
    let ask = || tenant.client.refused("deploymentPromote", "__typename", promote(&tenant, &blue.id, &[]));
    assert_eq!(ask().await["code"], "APPROVAL_MISSING");
    let stale = colleague.client.refused("promotionApprove", "__typename", approve(7)).await;
    assert_eq!(stale["code"], "STALE_EPOCH", "nobody approves what is not so");
    tenant.client.done("promotionApprove", "__typename", approve(0)).await;
    assert_eq!(ask().await["code"], "APPROVAL_MISSING", "nobody approves their own request");
    assert_eq!(gate(&promotion_of(&tenant, &blue.id).await, "approval")["state"], "fail");

    colleague.client.done("promotionApprove", "__typename", approve(0)).await;
    let accepted = tenant.client.done("deploymentPromote", "__typename", promote(&tenant, &blue.id, &[])).await;
    let operation = tenant.succeeds(&text(&accepted["operation"]["id"])).await;
    assert_eq!(gate(&operation, "approval")["state"], "pass", "{operation:#}");
    let again = promotion_of(&tenant, &blue.id).await;
    assert_eq!(gate(&again, "approval")["state"], "fail", "an approval is of one epoch: {again:#}");
}

pub(crate) const FIRST: &str =
    "[[migrations]]\nid = \"0001_orders\"\nfile = \"migrations/1.sql\"\nimpact = \"additive\"\n";
const SECOND: &str =
    "[[migrations]]\nid = \"0002_drop_notes\"\nfile = \"migrations/2.sql\"\nimpact = \"destructive\"\n";
pub(crate) const FILES: &[(&str, &str)] = &[
    ("migrations/1.sql", "CREATE TABLE orders (note text);"),
    ("migrations/2.sql", "ALTER TABLE orders DROP COLUMN note;"),
];

/// A deployment whose artifact declares these migrations; nothing shows it yet.
pub(crate) async fn migrating(tenant: &Tenant, version: Version, toml: String) -> Deployed {
    let digest = push_with(&tenant.client, &tenant.workspace, version, toml, FILES).await;
    let input = json!({ "appId": tenant.app, "artifactDigest": digest, "idempotencyKey": digest });
    let look = async || {
        let made = tenant.client.done("deploymentCreate", "deployment { id }", input.clone()).await;
        made["deployment"]["id"].is_string().then_some(made)
    };
    let made = until("the deployment can be read", PATIENCE, look).await;
    Deployed { id: text(&made["deployment"]["id"]), digest, operation: String::new() }
}

pub(crate) fn ran(tenant: &Tenant, deployment: &str, migration: &str, acknowledged: &[&str]) -> Value {
    let taken: Vec<_> =
        acknowledged.iter().map(|gate| json!({ "gate": gate, "reason": "nobody reads notes" })).collect();
    json!({ "environmentId": tenant.production.id, "deploymentId": deployment, "migrationId": migration,
        "evidence": "psql said so", "acknowledgements": taken })
}

pub(crate) async fn recorded(tenant: &Tenant, input: Value) {
    let accepted = tenant.client.done("migrationRecord", "__typename", input).await;
    let operation = tenant.succeeds(&text(&accepted["operation"]["id"])).await;
    assert_eq!((&operation["kind"], &operation["stage"]), (&json!("MIGRATION"), &json!("VERIFIED")), "{operation:#}");
}

async fn promoted(tenant: &Tenant, deployment: &str, acknowledged: &[&str]) {
    let input = promote(tenant, deployment, acknowledged);
    let accepted = tenant.client.done("deploymentPromote", "__typename", input).await;
    tenant.succeeds(&text(&accepted["operation"]["id"])).await;
}

/// Scenario 3, whole: also the trap "warm deploy equals safe rollback".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_does_not_go_back_behind_a_destructive_migration() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let old = migrating(&tenant, Version::Blue, FIRST.to_owned()).await;
    let new = migrating(&tenant, Version::Green, format!("{FIRST}{SECOND}")).await;

    let pending = tenant.client.refused("deploymentPromote", "__typename", promote(&tenant, &old.id, &[])).await;
    assert_eq!(pending["code"], "MIGRATION_PENDING", "{pending:#}");
    let ran_first = ran(&tenant, &old.id, "0001_orders", &[]);
    is_held(&tenant.client, "migrationRecord", ran_first.clone()).await;
    recorded(&tenant, ran_first).await;
    promoted(&tenant, &old.id, &[]).await;

    let silent = ran(&tenant, &new.id, "0002_drop_notes", &[]);
    let refused = tenant.client.refused("migrationRecord", "__typename", silent).await;
    assert_eq!(refused["code"], "NEEDS_ACKNOWLEDGEMENT", "{refused:#}");
    recorded(&tenant, ran(&tenant, &new.id, "0002_drop_notes", &["database"])).await;
    let refused = tenant.client.refused("deploymentPromote", "__typename", promote(&tenant, &new.id, &[])).await;
    assert_eq!(refused["code"], "NEEDS_ACKNOWLEDGEMENT", "it closes the way back: {refused:#}");
    promoted(&tenant, &new.id, &["database"]).await;

    the_way_back_is_closed_and_explained(&tenant, &old.id).await;
    let fix = migrating(&tenant, Version::Green, format!("# fixed\n{FIRST}{SECOND}")).await;
    promoted(&tenant, &fix.id, &["database"]).await;
    the_way_back_is_closed_and_explained(&tenant, &old.id).await;

    let restore = json!({ "environmentId": tenant.production.id, "migrationId": "0002_drop_notes",
        "evidence": "backup 7 was restored", "reason": "notes are needed after all" });
    is_held(&tenant.client, "migrationRestore", restore.clone()).await;
    tenant.client.done("migrationRestore", "__typename", restore).await;
    let refused = tenant.client.refused("deploymentPromote", "__typename", promote(&tenant, &old.id, &[])).await;
    assert_eq!(refused["code"], "NEEDS_ACKNOWLEDGEMENT", "by this name it is a way back, too: {refused:#}");
    let back = json!({ "environmentId": tenant.production.id, "deploymentId": old.id, "reason": "back to the notes" });
    let refused = tenant.client.refused("environmentRollBack", "__typename", back.clone()).await;
    assert_eq!(refused["code"], "NEEDS_ACKNOWLEDGEMENT", "what was written since is lost: {refused:#}");
    let mut taken = back;
    taken["acknowledgements"] = json!([{ "gate": "database", "reason": "a day of notes is lost" }]);
    let accepted = tenant.client.done("environmentRollBack", "__typename", taken).await;
    let operation = tenant.succeeds(&text(&accepted["operation"]["id"])).await;
    assert_eq!(operation["stage"], "ROLLED_BACK");
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    what_was_acknowledged_is_kept_with_the_request(&tenant).await;
}

/// Exactly which record, and no other one of its name.
async fn what_was_acknowledged_is_kept_with_the_request(tenant: &Tenant) {
    let asked = async || {
        let lines = tenant.timeline(None).await;
        lines.into_iter().find(|line| line["type"] == "operation.requested" && line["payload"]["kind"] == "rollback")
    };
    let asked = until("the timeline tells of the rollback", PATIENCE, asked).await;
    let covers = text(&asked["payload"]["acknowledgements"][0]["covers"]);
    assert!(covers.starts_with("destructive: 0002_drop_notes recorded by "), "{asked:#}");
}

async fn the_way_back_is_closed_and_explained(tenant: &Tenant, old: &str) {
    let plans = ways_back(tenant).await;
    let plan = plans.iter().find(|plan| plan["deploymentId"] == old).expect("every earlier owner has its plan");
    assert_eq!((&plan["allowed"], &plan["impact"]["word"]), (&json!(false), &json!("BLOCKED")), "{plan:#}");
    assert_eq!(gate(plan, "database")["state"], "fail");
    assert_ne!(gate(plan, "vango_state")["state"], "fail", "the state is another gate, and says nothing of it");
    assert_eq!(plan["impact"]["migrations"], json!(["0002_drop_notes"]));
    let mut back = json!({ "environmentId": tenant.production.id, "deploymentId": old, "reason": "green is broken" });
    back["acknowledgements"] = json!([{ "gate": "database", "reason": "we are in a hurry" }]);
    let refused = tenant.client.refused("environmentRollBack", "__typename", back).await;
    assert_eq!(refused["code"], "DATABASE_BLOCKS_ROLLBACK", "no acknowledgement opens it: {refused:#}");
    let promoted = tenant
        .client
        .refused("deploymentPromote", "__typename", promote(tenant, old, &["vango_state", "database"]))
        .await;
    assert_eq!(promoted["code"], "DATABASE_BLOCKS_ROLLBACK", "nor is it another way to promote it again: {promoted:#}");
    for words in ["Forward-fix:", "Data restore:", "0002_drop_notes"] {
        assert!(text(&refused["message"]).contains(words), "{words}: {refused:#}");
        assert!(text(&plan["impact"]["databaseReason"]).contains(words), "{words}: {plan:#}");
    }
}

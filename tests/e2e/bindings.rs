//! Provider and runtime service bindings on the running platform, with its own PostgreSQL and NATS as the resources: what is
//! declared counts for nothing, what is proven counts, and one database serves one kind of environment. The trap avoided: a
//! credential that is anywhere but in the vault.

use rhone_tests::{
    artifacts::Version,
    database::{administrator, person},
    platform::Platform,
    program,
    services::database,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};

/// Asks for something, and waits for the end of its operation.
async fn ended(tenant: &Tenant, mutation: &str, input: Value) -> Value {
    let made = tenant.client.done(mutation, "__typename", input).await;
    tenant.ends(&text(&made["operation"]["id"])).await
}

async fn bindings(tenant: &Tenant, environment: &str) -> Value {
    let query = "query($id: ID!) { environment(id: $id) {
        providerBindings { resource vendor binding { id state endpoint identity evidence failureCode credentialGeneration } }
        runtimeServiceBindings { service backend binding { id state failureCode } }
        one: scaleReadiness(replicas: 1) { allowed }
        two: scaleReadiness(replicas: 2) { allowed missing { service reason } present { service backend } } } }";
    // Read models may be late, and then there is no environment yet.
    let look = async || {
        let shown = tenant.client.data(query, json!({ "id": environment })).await["environment"].clone();
        shown.is_object().then_some(shown)
    };
    until("the environment can be read", PATIENCE, look).await
}

fn postgres(environment: &str, url: &str) -> Value {
    json!({ "environmentId": environment, "resource": "DATABASE", "vendor": "POSTGRES", "url": url })
}

async fn a_tenant(platform: &Platform) -> Tenant {
    Tenant::open(platform, person(platform).await.client).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_counts_once_it_is_proven_and_its_credential_is_nowhere() {
    let platform = Platform::shared().await;
    let tenant = a_tenant(platform).await;
    let (preview, url) = (tenant.preview.id.as_str(), database(platform).await);
    let operation = ended(&tenant, "providerBindingCreate", postgres(preview, &url)).await;
    assert_eq!((&operation["stage"], &operation["kind"]), (&json!("VERIFIED"), &json!("PROVIDER_BINDING")));
    let shown = bindings(&tenant, preview).await;
    let binding = &shown["providerBindings"][0]["binding"];
    assert_eq!(binding["state"], "VERIFIED", "{shown:#}");
    assert_eq!(binding["evidence"][1], "a row was written, read and dropped");

    let (_, rest) = url.split_once("://").expect("a scheme");
    let (credential, _) = rest.split_once('@').expect("a credential");
    let (_, password) = credential.split_once(':').expect("a password");
    let seen = json!([shown, tenant.timeline(None).await]).to_string();
    assert!(!seen.contains(password), "the password is shown");
    let held: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE payload::text LIKE '%' || $1 || '%'")
        .bind(password)
        .fetch_one(&mut administrator(platform).await)
        .await
        .expect("the log can be searched");
    assert_eq!(held, 0, "the password is in the log");

    let id = text(&binding["id"]);
    let which = json!({ "environmentId": preview, "providerBindingId": id });
    assert_eq!(ended(&tenant, "providerBindingVerify", which.clone()).await["stage"], "VERIFIED");
    let mut rotate = which.clone();
    rotate["url"] = json!(url);
    assert_eq!(ended(&tenant, "providerBindingRotate", rotate.clone()).await["stage"], "VERIFIED");
    let shown = bindings(&tenant, preview).await;
    assert_eq!(shown["providerBindings"][0]["binding"]["credentialGeneration"], 2);
    rotate["url"] = json!(database(platform).await);
    let other = ended(&tenant, "providerBindingRotate", rotate).await;
    assert_eq!(other["failure"]["code"], "IDENTITY_CHANGED", "{other:#}");
    let mut disable = which;
    disable["reason"] = json!("moved to another provider");
    assert_eq!(ended(&tenant, "providerBindingDisable", disable).await["stage"], "VERIFIED");
    assert_eq!(bindings(&tenant, preview).await["providerBindings"][0]["binding"]["state"], "DISABLED");
}

/// The trap of the ProviderBinding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_assuming_app_declared_config_proves_hosted_readiness() {
    let platform = Platform::shared().await;
    let tenant = a_tenant(platform).await;
    let preview = tenant.preview.id.as_str();
    let missing = format!("{}_is_not_there", database(platform).await);
    for (url, code) in
        [(missing.as_str(), "DATABASE_MISSING"), ("postgres://user:password@169.254.169.254/shop", "INWARD_ADDRESS")]
    {
        let operation = ended(&tenant, "providerBindingCreate", postgres(preview, url)).await;
        assert_eq!((&operation["stage"], &operation["failure"]["code"]), (&json!("FAILED"), &json!(code)));
    }
    let shown = bindings(&tenant, preview).await;
    for binding in shown["providerBindings"].as_array().expect("a list") {
        assert_eq!(binding["binding"]["state"], "FAILED", "{shown:#}");
    }
    let odd =
        json!({ "environmentId": preview, "resource": "DATABASE", "vendor": "HTTP", "url": "https://example.org" });
    let refused = tenant.client.refused("providerBindingCreate", "__typename", odd).await;
    assert_eq!(refused["field"], "vendor", "{refused:#}");
}

/// The trap of the Environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_preview_and_production_the_same_mutable_database() {
    let platform = Platform::shared().await;
    let tenant = a_tenant(platform).await;
    let url = database(platform).await;
    let first = ended(&tenant, "providerBindingCreate", postgres(&tenant.production.id, &url)).await;
    assert_eq!(first["stage"], "VERIFIED", "{first:#}");
    // Another name for the same database changes nothing.
    let alias = url.replace("127.0.0.1", "localhost");
    let second = ended(&tenant, "providerBindingCreate", postgres(&tenant.preview.id, &alias)).await;
    assert_eq!(second["failure"]["code"], "SHARED_DATABASE", "{second:#}");
    let message = text(&second["failure"]["message"]);
    assert!(message.contains("production environment production"), "{message}");
    let them = [("RHONE_TOKEN", tenant.client.token()), ("RHONE_URL", tenant.client.url())];
    let watch = ["operation", "watch", &text(&second["id"])];
    let watched = program::rhone_in(program::root(), &platform.data(), &them, &watch).await;
    assert_eq!(watched.status.code(), Some(4), "a rule refused it: {}", program::text(&watched.stderr));
    let mut meant = postgres(&tenant.preview.id, &alias);
    meant["sharedBecause"] = json!("a rehearsal on real data");
    assert_eq!(ended(&tenant, "providerBindingCreate", meant.clone()).await["stage"], "VERIFIED");

    let stranger = a_tenant(platform).await;
    meant["environmentId"] = json!(stranger.production.id);
    let foreign = ended(&stranger, "providerBindingCreate", meant).await;
    assert_eq!(foreign["failure"]["code"], "SHARED_DATABASE");
    assert_eq!(foreign["failure"]["message"], "this database is bound outside of this workspace");
}

/// The same database for two environments at once: whoever comes second is refused, however close it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_for_one_database_has_one_winner() {
    let platform = Platform::shared().await;
    let tenant = a_tenant(platform).await;
    let url = database(platform).await;
    let (preview, production) = tokio::join!(
        ended(&tenant, "providerBindingCreate", postgres(&tenant.preview.id, &url)),
        ended(&tenant, "providerBindingCreate", postgres(&tenant.production.id, &url)),
    );
    let mut ends = [text(&preview["stage"]), text(&production["stage"])];
    ends.sort();
    assert_eq!(ends, ["FAILED", "VERIFIED"], "{preview:#} {production:#}");
}

/// The trap of the RuntimeServiceBinding: scale-out without a broadcast backend is blocked, naming what is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_allowing_horizontal_scale_while_required_runtime_services_are_missing() {
    let platform = Platform::shared().await;
    let tenant = a_tenant(platform).await;
    let production = tenant.production.id.as_str();
    let bind = async |service: &str, backend: &str, url: Option<&str>| {
        let input = json!({ "environmentId": production, "service": service, "backend": backend, "url": url });
        let operation = ended(&tenant, "runtimeServiceBindingCreate", input).await;
        assert_eq!(operation["stage"], "VERIFIED", "{operation:#}");
    };
    let shown = bindings(&tenant, production).await;
    assert_eq!(shown["one"]["allowed"], true, "one allocation needs nothing that the app does not ask for");
    assert_eq!(shown["two"]["allowed"], false);
    bind("SESSION_STORE", "POSTGRES", Some(&database(platform).await)).await;
    let shown = bindings(&tenant, production).await;
    assert_eq!(
        shown["two"]["missing"],
        json!([{ "service": "BROADCAST", "reason": "no broadcast backend is bound" }]),
        "{shown:#}"
    );
    bind("BROADCAST", "NATS", Some(&platform.addresses().bus.url)).await;
    let shown = bindings(&tenant, production).await;
    assert_eq!(shown["two"]["allowed"], true, "{shown:#}");
    assert_eq!(shown["two"]["present"][1], json!({ "service": "BROADCAST", "backend": "NATS" }));
    bind("OBJECT_STORAGE", "FS", None).await;
    bind("CACHE", "MEMORY", None).await;
}

/// Binds a runtime service of production: its binding.
async fn bound(tenant: &Tenant, service: &str, backend: &str, url: &str) -> String {
    let production = tenant.production.id.as_str();
    let input = json!({ "environmentId": production, "service": service, "backend": backend, "url": url });
    let operation = ended(tenant, "runtimeServiceBindingCreate", input).await;
    assert_eq!(operation["stage"], "VERIFIED", "{operation:#}");
    let shown = bindings(tenant, production).await;
    let all = shown["runtimeServiceBindings"].as_array().expect("a list");
    let one = all.iter().find(|one| one["service"] == service).expect("it was bound");
    text(&one["binding"]["id"])
}

async fn refused(tenant: &Tenant, mutation: &str, input: Value) -> (String, String, String) {
    let refused = tenant.client.refused(mutation, "__typename", input).await;
    (text(&refused["code"]), text(&refused["field"]), text(&refused["message"]))
}

/// Scenario 4, whole, and each other way to several allocations without what they share: detach it under them, or promote
/// once it is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_allocations_never_run_without_what_they_share() {
    let platform = Platform::shared().await;
    let tenant = Tenant::open(platform, platform.developer()).await;
    let production = tenant.production.id.as_str();
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    tenant.succeeds(&tenant.promote(&blue).await).await;
    let url = database(platform).await;
    let store = bound(&tenant, "SESSION_STORE", "POSTGRES", &url).await;

    let scale = |replicas: u8| json!({ "environmentId": production, "replicas": replicas });
    let (code, field, message) = refused(&tenant, "environmentScale", scale(2)).await;
    assert_eq!((code.as_str(), field.as_str()), ("RUNTIME_SERVICE_MISSING", "replicas"));
    assert!(message.contains("no broadcast backend is bound"), "{message}");
    let bus = bound(&tenant, "BROADCAST", "NATS", &platform.addresses().bus.url).await;
    assert_eq!(ended(&tenant, "environmentScale", scale(2)).await["stage"], "VERIFIED");

    let which = |binding: &str| json!({ "environmentId": production, "runtimeServiceBindingId": binding });
    let disable = |binding: &str| {
        let mut input = which(binding);
        input["reason"] = json!("nobody needs it");
        input
    };
    for binding in [&store, &bus] {
        let (code, field, message) = refused(&tenant, "runtimeServiceBindingDisable", disable(binding)).await;
        assert_eq!((code.as_str(), field.as_str()), ("RUNTIME_SERVICE_NEEDED", "runtimeServiceBindingId"));
        assert!(message.contains("2 allocations serve the environment"), "{message}");
    }

    let (_, name) = url.rsplit_once('/').expect("a URL names a database");
    let lost = format!("DROP DATABASE {name} WITH (FORCE)");
    administrator(platform).await.execute(AssertSqlSafe(lost)).await.expect("it is gone");
    let probed = ended(&tenant, "runtimeServiceBindingVerify", which(&store)).await;
    assert_eq!((&probed["stage"], &probed["failure"]["code"]), (&json!("FAILED"), &json!("DATABASE_MISSING")));
    let promote = json!({ "deploymentId": green.id, "environmentId": production });
    let (code, _, message) = refused(&tenant, "deploymentPromote", promote).await;
    assert_eq!(code, "RUNTIME_SERVICE_MISSING", "{message}");
    assert!(message.contains("the session store (postgres) is bound, and no probe has proven it"), "{message}");

    assert_eq!(ended(&tenant, "environmentScale", scale(1)).await["stage"], "VERIFIED");
    for binding in [&store, &bus] {
        assert_eq!(ended(&tenant, "runtimeServiceBindingDisable", disable(binding)).await["stage"], "VERIFIED");
    }
    tenant.succeeds(&tenant.promote(&green).await).await;
}

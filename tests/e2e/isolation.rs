//! One tenant and another: by every id that an argument takes, and by row-level security alone. The trap avoided: an answer
//! that differs by whether a foreign thing exists, and a check in the database that nobody would miss.

use rhone_tests::{
    database::{administrator, connect, person, uuid},
    inputs::{Owner, unknown_id},
    platform::Platform,
    schema::Schema,
    story::Tenant,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_answered_as_an_unknown_one_by_every_mutation() {
    let platform = Platform::shared().await;
    let (owner, other) = (Owner::new(platform).await, Owner::new(platform).await);
    let schema = Schema::checked_in();
    let mut compared = 0;
    for mutation in &schema.mutations {
        let fields = schema.fields(mutation);
        for field in fields.iter().filter(|field| field.kind.starts_with("ID")) {
            let Some(foreign) = other.id(&field.name) else { continue };
            let good = owner.good_input(&fields);
            let mut answers = Vec::new();
            for id in [foreign.to_owned(), unknown_id(foreign)] {
                let mut input = good.clone();
                input[&field.name] = json!(id);
                let answer = owner.tenant.client.try_mutate(&mutation.name, "__typename", &input).await;
                answers.push(plain(&answer.expect("the API answers"), &id));
            }
            assert_eq!(answers[0], answers[1], "{}.{}", mutation.name, field.name);
            assert!(answers[0]["errors"][0].is_object(), "{}.{}: {:#}", mutation.name, field.name, answers[0]);
            compared += 1;
        }
    }
    eprintln!("S2: {compared}/{compared} ids of mutations tell nothing of a foreign thing");
    assert!(compared >= 15, "only {compared}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_answered_as_an_unknown_one_by_every_query() {
    let platform = Platform::shared().await;
    let (owner, other) = (Owner::new(platform).await, Owner::new(platform).await);
    let own = |field: &str| owner.id(field).expect("they have one").to_owned();
    let (app, deployment) = (own("appId"), own("deploymentId"));
    let roots = ["workspace", "project", "app", "environment", "deployment", "operation"];
    let mut questions: Vec<(String, String)> =
        roots.map(|noun| (format!("query($id: ID!) {{ {noun}(id: $id) {{ id }} }}"), format!("{noun}Id"))).to_vec();
    questions.extend(roots.map(|noun| ("query($id: ID!) { node(id: $id) { id } }".to_owned(), format!("{noun}Id"))));
    for nested in [
        format!(
            "query($id: ID!) {{ app(id: \"{app}\") {{ operations(environmentId: $id, first: 5) {{ nodes {{ id }} }} }} }}"
        ),
        format!(
            "query($id: ID!) {{ app(id: \"{app}\") {{ timeline(environmentId: $id, first: 5) {{ nodes {{ type }} }} }} }}"
        ),
        format!(
            "query($id: ID!) {{ deployment(id: \"{deployment}\") {{ promotion(environmentId: $id) {{ allowed routeEpoch gates {{ kind state reason }} }} }} }}"
        ),
        format!(
            "query($id: ID!) {{ deployment(id: \"{deployment}\") {{ rollbackPlan(environmentId: $id) {{ allowed routeEpoch gates {{ kind state reason }} }} }} }}"
        ),
    ] {
        questions.push((nested, "environmentId".to_owned()));
    }
    let workspace = own("workspaceId");
    let lines = |field: &str| {
        format!(
            "query($id: ID!) {{ workspace(id: \"{workspace}\") {{ timeline(first: 5, filter: {{ {field}: $id }}) {{ nodes {{ type }} }} }} }}"
        )
    };
    for (question, field) in [
        (lines("environmentId"), "environmentId"),
        (lines("appId"), "appId"),
        (lines("projectId"), "projectId"),
        (lines("operationId"), "operationId"),
        (lines("objectId"), "deploymentId"),
        ("query($id: ID!) { replay(stream: $id) { version } }".to_owned(), "environmentId"),
        ("query($id: ID!) { replay(stream: $id) { version } }".to_owned(), "workspaceId"),
        ("query($id: ID!) { why(stream: $id, path: \"/created/slug\") { value } }".to_owned(), "appId"),
        ("query($id: ID!) { causationTree(operationId: $id) { truncated } }".to_owned(), "operationId"),
    ] {
        questions.push((question, field.to_owned()));
    }
    for (question, field) in questions {
        let foreign = other.id(&field).expect("they have one").to_owned();
        let seen = plain(&owner.tenant.client.ask(&question, json!({ "id": foreign })).await, &foreign);
        let unknown = unknown_id(&foreign);
        assert_eq!(
            seen,
            plain(&owner.tenant.client.ask(&question, json!({ "id": unknown })).await, &unknown),
            "{question}"
        );
        let mine = plain(&owner.tenant.client.ask(&question, json!({ "id": own(&field) })).await, &own(&field));
        assert_ne!(seen, mine, "one's own is seen: {question}");
    }
}

/// Without what differs by request, and without the id that was asked for.
fn plain(answer: &Value, id: &str) -> Value {
    let mut answer: Value = serde_json::from_str(&answer.to_string().replace(id, "ID")).expect("still JSON");
    // A refusal that was put on record a moment ago is not put there again; where the log stands tells nothing of an id.
    for (_, payload) in answer["data"].as_object_mut().into_iter().flatten() {
        payload.as_object_mut().map(|payload| payload.remove("position"));
    }
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        for own in ["requestId", "traceId"] {
            error["extensions"].as_object_mut().map(|details| details.remove(own));
        }
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_every_kind_is_found_by_its_id_and_a_foreign_one_is_not_there() {
    let platform = Platform::shared().await;
    let (owner, other) = (Owner::new(platform).await, Owner::new(platform).await);
    let question = "query($id: ID!) { node(id: $id) { __typename id } }";
    for (field, kind) in [
        ("providerBindingId", "ProviderBinding"),
        ("runtimeServiceBindingId", "RuntimeServiceBinding"),
        ("accessId", "SupportAccess"),
        ("invitationId", "Invitation"),
    ] {
        let (own, foreign) = (owner.good_value(field), other.good_value(field));
        let seen = owner.tenant.client.data(question, json!({ "id": own })).await;
        assert_eq!(seen["node"], json!({ "__typename": kind, "id": own }), "{field}");
        let foreign = foreign.as_str().expect("an id").to_owned();
        let hidden = plain(&owner.tenant.client.ask(question, json!({ "id": foreign })).await, &foreign);
        let unknown = unknown_id(&foreign);
        let nothing = plain(&owner.tenant.client.ask(question, json!({ "id": unknown })).await, &unknown);
        assert_eq!((&hidden, &hidden["data"]["node"]), (&nothing, &Value::Null), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security_alone_hides_every_row_of_another_tenant() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let stranger = person(platform).await;
    let mut api = connect(&platform.addresses().database.api_url).await;
    let mut transaction = api.begin().await.expect("a transaction begins");
    act_as(&mut transaction, stranger.actor).await;
    let whose = (uuid(&owner.tenant.workspace), owner.person.actor);
    let leaked = visible(&mut transaction, whose).await;
    eprintln!("S3: rows leaked in {} of {} tables and views", leaked.len(), readable(&mut transaction).await.len());
    assert_eq!(leaked, Vec::<String>::new(), "rows of another tenant");
    act_as(&mut transaction, owner.person.actor).await;
    let own = visible(&mut transaction, whose).await;
    for table in
        ["authority.route_owners", "authority.operations", "authority.allocations", "log.events", "timeline.entries"]
    {
        assert!(own.contains(&table.to_owned()), "one's own rows of {table} are seen: {own:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_its_policy_is_found() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    let tenant = Tenant::open(platform, owner.client.clone()).await;
    let stranger = person(platform).await;
    let mut admin = administrator(platform).await;
    let mut transaction = admin.begin().await.expect("a transaction begins");
    transaction.execute("SET LOCAL lock_timeout = '20s'").await.expect("a setting");
    transaction.execute("ALTER TABLE authority.route_owners DISABLE ROW LEVEL SECURITY").await.expect("may do all");
    transaction.execute("SET LOCAL ROLE rhone_api").await.expect("may do all");
    act_as(&mut transaction, stranger.actor).await;
    let seen = visible(&mut transaction, (uuid(&tenant.workspace), owner.actor)).await;
    transaction.rollback().await.expect("nothing stays");
    assert_eq!(seen, ["authority.route_owners"], "the mutant must be found, and only it");
}

async fn act_as(database: &mut PgConnection, actor: Uuid) {
    sqlx::query("SELECT set_config('rhone.actor', $1, true), set_config('rhone.workspace', '', true)")
        .bind(actor.to_string())
        .execute(database)
        .await
        .expect("a setting");
}

/// Tables that the API's role may read and that hold nothing of any tenant.
const NOBODYS: [&str; 6] =
    ["log.eras", "log.leases", "log.checkpoints", "status.edges", "status.hosts", "authority.feed_identity"];

/// Every table and view that this role may read, with the column that says whose a row is.
async fn readable(database: &mut PgConnection) -> Vec<(String, Option<String>)> {
    sqlx::query_as(
        "SELECT n.nspname || '.' || c.relname, (SELECT max(a.attname::text) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attname IN ('workspace', 'actor') AND NOT a.attisdropped)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
           AND has_schema_privilege(current_user, n.oid, 'USAGE') AND has_table_privilege(current_user, c.oid, 'SELECT')
         ORDER BY 1",
    )
    .fetch_all(database)
    .await
    .expect("the catalogue can be read")
}

/// The tables in which this role sees rows of a workspace or of an actor.
async fn visible(database: &mut PgConnection, (workspace, actor): (Uuid, Uuid)) -> Vec<String> {
    let mut seen = Vec::new();
    for (table, column) in readable(database).await {
        let Some(column) = column.filter(|_| !NOBODYS.contains(&table.as_str())) else {
            assert!(NOBODYS.contains(&table.as_str()), "{table} says of no row whose it is");
            continue;
        };
        // Claims are global by nature: a name that is taken is taken for everybody.
        let but = match table.as_str() {
            "log.events" | "log.heads" | "log.recorded" => "AND stream NOT LIKE 'claim:%'",
            _ => "",
        };
        let count = format!("SELECT count(*) FROM {table} WHERE {column} = $1 {but}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count))
            .bind(if column == "workspace" { workspace } else { actor })
            .fetch_one(&mut *database)
            .await
            .unwrap_or_else(|error| panic!("{table}: {error}"));
        if rows > 0 {
            seen.push(table);
        }
    }
    seen
}

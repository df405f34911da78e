//! Row-level security alone: whatever the API's role may read, table by table and row by row, with every check of the programs
//! left out. The traps avoided: a check in the database that nobody would miss, a table that is nobody's by mistake, and one that
//! shows nothing because there is nothing in it.

use super::things::Things;
use rhone_tests::{
    database::{Person, administrator, connect, person, uuid},
    platform::Platform,
    story::Tenant,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

/// Rows that everybody may see, since they are no tenant's: the table, which of its rows, and why.
const NOBODYS: [(&str, &str, &str); 6] = [
    ("log.eras", "true", "the lives of the log"),
    ("log.checkpoints", "true", "how far the read models are; what made one stop is not readable"),
    ("log.events", REGIONS, "the places that an environment can be opened in"),
    ("log.recorded", REGIONS, "the same events"),
    ("log.heads", REGIONS, "their versions"),
    ("catalogue.entries", "workspace IS NULL AND kind IN ('region', 'cell')", "their list"),
];

/// Written by those who run the platform, in its own workspace.
const REGIONS: &str =
    "workspace = '00000000-0000-7000-8000-000000000001' AND split_part(stream, ':', 1) IN ('region', 'cell')";

/// Who looks, and which rows are theirs.
struct Eyes {
    who: &'static str,
    actor: Option<Uuid>,
    workspace: Option<Uuid>,
}

impl Eyes {
    /// Which rows of a table with these columns are their own.
    fn own(&self, columns: &[String]) -> String {
        match (columns.iter().map(String::as_str).max(), self.workspace, self.actor) {
            (Some("workspace"), Some(workspace), _) => format!("workspace = '{workspace}'"),
            (Some("actor"), _, Some(actor)) => format!("actor = '{actor}'"),
            _ => "false".to_owned(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security_alone_hides_every_row_of_another_tenant() {
    let platform = Platform::shared().await;
    let things = Things::new(platform).await;
    let owner = &things.owner;
    let (stranger, neighbour) = (person(platform).await, person(platform).await);
    let other = Tenant::open(platform, neighbour.client.clone()).await;
    let looking = [
        Eyes { who: "nobody", actor: None, workspace: None },
        Eyes { who: "a stranger", actor: Some(stranger.actor), workspace: None },
        Eyes { who: "another tenant", actor: Some(neighbour.actor), workspace: Some(uuid(&other.workspace)) },
    ];
    let mut api = connect(&platform.addresses().database.api_url).await;
    let mut transaction = api.begin().await.expect("a transaction begins");
    let tables = readable(&mut transaction).await;
    let (actor, workspace) = (Some(owner.person.actor), Some(uuid(&owner.tenant.workspace)));
    let theirs = Eyes { who: "the owner", actor, workspace };
    assert_eq!(empty(platform, &tables, &theirs).await, Vec::<&str>::new(), "nothing of the owner's could leak there");
    assert!(empty(platform, &tables, &looking[1]).await.contains(&"vault.values"), "who has nothing is found");
    for eyes in &looking {
        act_as(&mut transaction, eyes.actor).await;
        let leaked = leaked(&mut transaction, &tables, eyes).await;
        let rows: i64 = leaked.iter().map(|(_, rows)| rows).sum();
        eprintln!("S3: as {}: {rows} rows leaked, in {} of {} tables and views", eyes.who, leaked.len(), tables.len());
        assert_eq!(leaked, [], "rows of others, as {}", eyes.who);
    }
    for (table, which, why) in NOBODYS {
        assert!(tables.iter().any(|(name, _)| name == table), "{table} is not readable any more: {why}");
        assert!(count(&mut transaction, table, which).await > 0, "{table} holds no row of nobody: {why}");
    }
    act_as(&mut transaction, Some(owner.person.actor)).await;
    for table in
        ["authority.route_owners", "authority.operations", "authority.allocations", "log.events", "timeline.entries"]
    {
        let own = format!("workspace = '{}'", uuid(&owner.tenant.workspace));
        assert!(count(&mut transaction, table, &own).await > 0, "one's own rows of {table} are seen");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_its_policy_is_found() {
    let platform = Platform::shared().await;
    let owner = person(platform).await;
    Tenant::open(platform, owner.client.clone()).await;
    for (mutant, expected) in [
        ("ALTER TABLE authority.route_owners DISABLE ROW LEVEL SECURITY", &["authority.route_owners"][..]),
        (
            "ALTER POLICY api_reads_its_tenants ON log.heads USING (workspace = ANY ((SELECT authority.workspaces())::uuid[])
             OR split_part(stream, ':', 1) IN ('claim', 'region', 'cell'))",
            &["log.heads"],
        ),
        ("GRANT SELECT (name) ON log.leases TO rhone_api", &["log.leases"]),
    ] {
        let stranger = person(platform).await;
        assert_eq!(seen_with(platform, mutant, &stranger).await, expected, "the mutant is found, and only it: {mutant}");
    }
}

/// In which tables a stranger sees what is not theirs while the database is so much worse.
async fn seen_with(platform: &Platform, mutant: &'static str, stranger: &Person) -> Vec<String> {
    let mut admin = administrator(platform).await;
    let mut transaction = admin.begin().await.expect("a transaction begins");
    transaction.execute("SET LOCAL lock_timeout = '20s'").await.expect("a setting");
    transaction.execute(mutant).await.expect("may do all");
    transaction.execute("SET LOCAL ROLE rhone_api").await.expect("may do all");
    act_as(&mut transaction, Some(stranger.actor)).await;
    let tables = readable(&mut transaction).await;
    let eyes = Eyes { who: "a stranger", actor: Some(stranger.actor), workspace: None };
    let leaked = leaked(&mut transaction, &tables, &eyes).await;
    transaction.rollback().await.expect("nothing stays");
    leaked.into_iter().map(|(table, _)| table).collect()
}

async fn act_as(database: &mut PgConnection, actor: Option<Uuid>) {
    sqlx::query("SELECT set_config('rhone.actor', $1, true), set_config('rhone.workspace', '', true)")
        .bind(actor.map(|actor| actor.to_string()).unwrap_or_default())
        .execute(database)
        .await
        .expect("a setting");
}

/// Every table and view of which this role may read anything, with the columns that say whose a row is; but for what a rebuild of
/// another test makes beside the live one, by the same function, and takes away again.
async fn readable(database: &mut PgConnection) -> Vec<(String, Vec<String>)> {
    sqlx::query_as(
        "SELECT n.nspname || '.' || c.relname, ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attname IN ('workspace', 'actor') AND NOT a.attisdropped ORDER BY 1)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%'
           AND n.nspname <> 'information_schema' AND n.nspname !~ '_(next|old)$'
           AND has_schema_privilege(current_user, n.oid, 'USAGE') AND has_any_column_privilege(current_user, c.oid, 'SELECT')
         ORDER BY 1",
    )
    .fetch_all(database)
    .await
    .expect("the catalogue can be read")
}

/// How many rows of each table are seen that are neither these eyes' own nor nobody's. A table without a column that says
/// whose a row is has no row of one's own.
async fn leaked(database: &mut PgConnection, tables: &[(String, Vec<String>)], eyes: &Eyes) -> Vec<(String, i64)> {
    let mut leaked = Vec::new();
    for (table, columns) in tables {
        let nobodys = NOBODYS.iter().find(|(name, ..)| name == table).map_or("false", |(_, which, _)| which);
        let own = eyes.own(columns);
        let rows = count(database, table, &format!("(({nobodys}) OR ({own})) IS NOT TRUE")).await;
        leaked.extend((rows > 0).then(|| (table.clone(), rows)));
    }
    leaked
}

/// The tables that hold nothing of theirs, whoever may see it, but for those that are nobody's altogether.
async fn empty<'a>(platform: &Platform, tables: &'a [(String, Vec<String>)], eyes: &Eyes) -> Vec<&'a str> {
    let (mut admin, mut empty) = (administrator(platform).await, Vec::new());
    for (table, columns) in tables {
        let is_nobodys = NOBODYS.iter().any(|(name, which, _)| name == table && *which == "true");
        if !is_nobodys && count(&mut admin, table, &eyes.own(columns)).await == 0 {
            empty.push(table.as_str());
        }
    }
    empty
}

async fn count(database: &mut PgConnection, table: &str, which: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table} WHERE {which}");
    sqlx::query_scalar(AssertSqlSafe(count))
        .fetch_one(&mut *database)
        .await
        .unwrap_or_else(|error| panic!("{table} where {which}: {error}"))
}

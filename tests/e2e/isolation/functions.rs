//! Functions that run as the database's owner pass by row-level security: every one that a program's role may execute is asked for
//! what is another's, or stands in a table with the reason why there is no such thing. The trap avoided: a function that
//! believes the id that it is given.

mod table;

use rhone_domain::claim::{self, Kind};
use rhone_tests::{
    database::{administrator, connect, person, uuid},
    graphql::unique,
    inputs::Owner,
    platform::Platform,
    story::Tenant,
    wait::{PATIENCE, until},
};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::collections::BTreeSet;
use table::{How, OF_THE_API, OF_THE_OTHERS};
use uuid::Uuid;

/// What a refusal looks like: no right to it, and no writing there.
const REFUSALS: [&str; 2] = ["42501", "RH007"];

/// Who asks, and with which key.
#[derive(Clone, Copy)]
struct Eyes<'a> {
    who: &'static str,
    actor: Option<Uuid>,
    key: &'a str,
}

/// Somebody with one of everything that a function takes, and what opens it.
struct Things {
    owner: Owner,
    key: String,
    words: Vec<(&'static str, String)>,
}

impl Things {
    async fn new(platform: &Platform) -> Self {
        let (owner, key) = (Owner::new(platform).await, unique("key"));
        let mut database = administrator(platform).await;
        let machine = "SELECT token FROM identity.tokens WHERE kind = 'runner' AND revoked_at IS NULL LIMIT 1";
        let machine: Uuid = sqlx::query_scalar(machine).fetch_one(&mut database).await.expect("there is a runner");
        let workspace = uuid(&owner.tenant.workspace);
        let id = || Uuid::from_slice(&Sha256::digest(unique("id"))[..16]).expect("16 bytes").to_string();
        let words = vec![
            ("workspace", workspace.to_string()),
            ("environment", uuid(&owner.tenant.preview.id).to_string()),
            ("claim", claim::id(Kind::ProjectSlug, workspace, "shop").to_string()),
            ("access", uuid(owner.good_value("accessId").as_str().expect("an id")).to_string()),
            ("invitation", uuid(owner.good_value("invitationId").as_str().expect("an id")).to_string()),
            ("session", id()),
            ("token", id()),
            ("new", id()),
            ("machine", machine.to_string()),
            ("host", platform.report().ids.host.to_string()),
            ("code", unique("c")),
            ("subject", unique("subject")),
        ];
        let things = Self { owner, key, words };
        let made = things.filled(MADE, things.eyes());
        sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut database).await.expect("the administrator may do all");
        things
    }

    /// The one whose they are.
    fn eyes(&self) -> Eyes<'_> {
        Eyes { who: "the owner", actor: Some(self.owner.person.actor), key: &self.key }
    }

    fn filled(&self, statement: &str, eyes: Eyes<'_>) -> String {
        let me = eyes.actor.map_or("NULL".to_owned(), |actor| format!("'{actor}'"));
        let filled = statement.replace("{me}", &me).replace("{key}", eyes.key);
        self.words.iter().fold(filled, |filled, (word, value)| filled.replace(&format!("{{{word}}}"), value))
    }
}

/// A session, one that ended, a token, sign-ins, a device and an account of the owner's, and an invitation of theirs, that the key opens.
const MADE: &str = "
    SELECT set_config('rhone.actor', {me}, false);
    SELECT identity.open_session('{session}', sha256('{key}'), 'a browser', '127.0.0.1', 3600, 3600, NULL);
    SELECT identity.open_session(gen_random_uuid(), sha256('{key}-ended'), 'a browser', '127.0.0.1', 3600, 3600, NULL);
    SELECT identity.end_session(sha256('{key}-ended'));
    SELECT identity.issue('{token}', sha256('{key}'), 'token', {me}, NULL, NULL, NULL, 'walked', NULL);
    SELECT identity.begin_sign_in(sha256('{key}'), sha256('{key}'), '/', 600);
    SELECT identity.begin_sign_in(sha256('{key}-taken'), sha256('{key}'), '/', 600);
    SELECT identity.take_sign_in(sha256('{key}-taken'), sha256('{key}'));
    SELECT identity.begin_device(sha256('{key}'), '{code}', 'a program', '127.0.0.1', 600, 5);
    INSERT INTO identity.users (actor, provider, subject, login) VALUES ({me}, 'github', '{subject}', 'ada');
    UPDATE authority.invitations SET secret = sha256('{key}') WHERE invitation = '{invitation}'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_function_tells_or_changes_what_is_another_persons_or_tenants() {
    let platform = Platform::shared().await;
    let things = Things::new(platform).await;
    let (stranger, neighbour) = (person(platform).await, person(platform).await);
    Tenant::open(platform, neighbour.client.clone()).await;
    let mut api = connect(&platform.addresses().database.api_url).await;
    let mut transaction = api.begin().await.expect("a transaction begins");
    assert_eq!(without_a_row(&mut transaction).await, Vec::<String>::new(), "functions without a row in the table");
    let asked = asked();
    for (function, statement) in &asked {
        let statement = things.filled(statement, things.eyes());
        // What is in the log is seen once everything before it is.
        let look = async || {
            let mut api = connect(&platform.addresses().database.api_url).await;
            let mut transaction = api.begin().await.expect("a transaction begins");
            (rows(&mut transaction, things.eyes(), &statement).await > 0).then_some(())
        };
        until(&format!("their owner is told what is theirs by {function}"), PATIENCE, look).await;
    }
    for eyes in [
        Eyes { who: "nobody", actor: None, key: "no key" },
        Eyes { who: "a stranger", actor: Some(stranger.actor), key: "no key" },
        Eyes { who: "another tenant", actor: Some(neighbour.actor), key: "no key" },
    ] {
        let leaking = leaking(&mut transaction, &things, eyes).await;
        let right = asked.len() - leaking.len();
        eprintln!("S3: {right}/{} questions to functions answered with nothing, as {}", asked.len(), eyes.who);
        assert_eq!(leaking, BTreeSet::new(), "functions that tell or change what is another's, as {}", eyes.who);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_roles_execute_nothing_that_nobody_gave_a_reason_for() {
    let platform = Platform::shared().await;
    let mut admin = administrator(platform).await;
    let roles = "SELECT rolname::text FROM pg_roles WHERE NOT rolsuper AND rolname LIKE 'rhone\\_%' AND rolname NOT IN ('rhone_owner', 'rhone_api')
                 ORDER BY 1 DESC";
    let roles: Vec<String> = sqlx::query_scalar(roles).fetch_all(&mut admin).await.expect("roles can be read");
    assert_eq!(roles, OF_THE_OTHERS.map(|(role, _)| role), "edges and runners have no role; whose is the new one?");
    for (role, reasons) in OF_THE_OTHERS {
        let may = executable(&mut admin, role).await;
        let named = |function: &String| reasons.iter().any(|(name, _)| function.starts_with(&format!("{name}(")));
        let without: Vec<_> = may.iter().filter(|function| !named(function)).collect();
        assert_eq!(without, Vec::<&String>::new(), "functions of {role} without a reason");
        for (name, reason) in reasons {
            let there = may.iter().any(|function| function.starts_with(&format!("{name}(")));
            assert!(there, "{role} does not execute {name} any more: {reason}");
        }
    }
}

/// The function, what is taken out of it, what stands there instead.
const MUTANTS: [(&str, &str, &str); 22] = [
    (
        "authority.memberships(uuid,uuid)",
        "m.actor = p_actor;\nEND\n$function$",
        "true;\nEND\n$function$ SECURITY DEFINER",
    ),
    ("authority.workspaces()", "m.actor = nullif(current_setting('rhone.actor', true), '')::uuid", "true"),
    ("authority.opened(bytea)", "i.secret = p_secret AND", ""),
    ("identity.authenticate(bytea)", "t.hash = p_hash AND", ""),
    ("identity.decide_device(uuid,text,text)", "AND s.actor = identity.asking()", ""),
    ("identity.ended_sessions()", "s.actor = identity.asking() AND", ""),
    ("identity.person()", "WHERE u.actor = identity.asking()", ""),
    ("identity.revoke_other_sessions(uuid,uuid)", "s.actor = identity.asking() AND", ""),
    ("identity.revoke_session(uuid,uuid)", "AND s.actor = identity.asking()", ""),
    ("identity.rotate_session(uuid,bytea,bytea)", "AND s.hash = p_hash", ""),
    ("identity.session(bytea)", "s.hash = p_hash OR", "true OR"),
    ("identity.session_stands(uuid)", "AND s.actor = identity.asking()", ""),
    ("identity.sessions_of()", "s.actor = identity.asking() AND", ""),
    // Of several that came back at this moment one, whosever it is: the same account twice would be an error and no leak.
    (
        "identity.signed_in(bytea,uuid,text,text,text,text,text)",
        "state = p_state AND",
        "state = (SELECT state FROM identity.sign_ins WHERE taken LIMIT 1) AND",
    ),
    ("identity.supported_until(uuid)", "WHERE identity.runs_the_platform()", ""),
    ("identity.token(uuid)", "t.actor = identity.asking() AND", ""),
    ("identity.token(uuid)", "AND identity.runs_the_platform()", ""),
    ("identity.tokens_of(uuid,boolean,bigint)", "t.actor = identity.asking() AND", ""),
    ("log.read_claim(uuid,uuid,uuid)", "IN ('workspace_slug', 'hostname')", "IS NOT NULL"),
    ("log.read_streams(uuid,uuid,text[])", "LANGUAGE plpgsql", "LANGUAGE plpgsql SECURITY DEFINER"),
    ("status.emptied_hosts(uuid[],double precision)", "AND identity.runs_the_platform()", ""),
    (
        "status.used_environments(uuid[],double precision,double precision)",
        "AND r.workspace = ANY (authority.workspaces())",
        "",
    ),
];

/// Once more a function that takes whom it is told.
const UNLISTED: &str = "
    CREATE FUNCTION identity.person(p_actor uuid) RETURNS TABLE (login text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS
    'SELECT u.login FROM identity.users u WHERE u.actor = p_actor';
    GRANT EXECUTE ON FUNCTION identity.person(uuid) TO rhone_api";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_unbound_again_is_found() {
    let platform = Platform::shared().await;
    let things = Things::new(platform).await;
    let stranger = person(platform).await;
    let eyes = Eyes { who: "a stranger", actor: Some(stranger.actor), key: "no key" };
    let mut admin = administrator(platform).await;
    for (function, from, to) in MUTANTS {
        let mut transaction = admin.begin().await.expect("a transaction begins");
        let sound: String = sqlx::query_scalar("SELECT pg_get_functiondef($1::text::regprocedure)")
            .bind(function)
            .fetch_one(&mut *transaction)
            .await
            .expect("there is such a function");
        let broken = sound.replace(from, to);
        assert_ne!(broken, sound, "{function}: {from} is not in it");
        become_the_api(&mut transaction, &broken).await;
        let found = leaking(&mut transaction, &things, eyes).await;
        assert!(found.contains(function), "{function} without {from}: {found:?}");
        transaction.rollback().await.expect("nothing stays");
    }
    let mut transaction = admin.begin().await.expect("a transaction begins");
    become_the_api(&mut transaction, UNLISTED).await;
    assert_eq!(without_a_row(&mut transaction).await, ["identity.person(uuid)"]);
    transaction.rollback().await.expect("nothing stays");
    let caught = MUTANTS.len() + 1;
    eprintln!("S3 mutants: {caught}/{caught} functions caught");
}

/// The database so much worse, as the API meets it.
async fn become_the_api(transaction: &mut PgConnection, worse: &str) {
    transaction.execute("SET LOCAL lock_timeout = '20s'").await.expect("a setting");
    sqlx::raw_sql(AssertSqlSafe(worse.to_owned())).execute(&mut *transaction).await.expect("it is SQL");
    transaction.execute("SET LOCAL SESSION AUTHORIZATION rhone_api").await.expect("may do all");
}

/// Every question of the table, with the function that it is asked of.
fn asked() -> Vec<(&'static str, &'static str)> {
    let questions = OF_THE_API.iter().filter_map(|(function, how)| match how {
        How::Asked(questions) => Some(questions.iter().map(|question| (*function, *question))),
        How::Because(reason) => {
            assert!(reason.len() > 10, "{function}: that is no reason");
            None
        }
    });
    questions.flatten().collect()
}

/// Which functions tell or change what is another's when these eyes ask.
async fn leaking(transaction: &mut PgConnection, things: &Things, eyes: Eyes<'_>) -> BTreeSet<&'static str> {
    let mut leaking = BTreeSet::new();
    for (function, statement) in asked() {
        if rows(&mut *transaction, eyes, &things.filled(statement, eyes)).await > 0 {
            leaking.insert(function);
        }
    }
    leaking
}

/// How many rows come of it; a refusal is none. Nothing of it stays.
async fn rows(transaction: &mut PgConnection, eyes: Eyes<'_>, statement: &str) -> i64 {
    let mut tried = transaction.begin().await.expect("a savepoint");
    sqlx::query("SELECT set_config('rhone.actor', $1, true), set_config('rhone.workspace', '', true)")
        .bind(eyes.actor.map(|actor| actor.to_string()).unwrap_or_default())
        .execute(&mut *tried)
        .await
        .expect("a setting");
    let counted = format!("SELECT count(*) FROM ({statement}) AS told");
    let rows = sqlx::query_scalar(AssertSqlSafe(counted)).fetch_one(&mut *tried).await;
    tried.rollback().await.expect("nothing stays");
    rows.unwrap_or_else(|error| {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        assert!(code.is_some_and(|code| REFUSALS.contains(&code.as_ref())), "{statement}: {error}");
        0
    })
}

/// Functions that the API's role may execute and that the table does not know, and the other way round.
async fn without_a_row(database: &mut PgConnection) -> Vec<String> {
    let may = executable(database, "rhone_api").await;
    let gone = OF_THE_API.iter().filter(|(name, _)| !may.iter().any(|function| function == name));
    let gone = gone.map(|(name, _)| format!("{name} is not there any more")).collect::<Vec<_>>();
    may.into_iter().filter(|function| !OF_THE_API.iter().any(|(name, _)| function == name)).chain(gone).collect()
}

/// Every function of ours that a role may execute.
async fn executable(database: &mut PgConnection, role: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
           AND has_schema_privilege($1, n.oid, 'USAGE') AND has_function_privilege($1, p.oid, 'EXECUTE')
         ORDER BY 1",
    )
    .bind(role)
    .fetch_all(database)
    .await
    .expect("the catalogue can be read")
}

//! What the programs' roles cannot do, tried one statement after the other. A statement that fails because it is wrong
//! would prove nothing: each must fail for want of rights, and as the superuser nearly all of them work.

use crate::{
    database::{API, Database, PROJECTOR, WORKER},
    story::{append, stream},
};
use rhone_eventstore::{AppendError, Log as _, PgLog};
use sqlx::PgConnection;

const DENIED: &str = "42501";
const APPEND_ONLY: &str = "RH006";

/// Against everybody.
const FORBIDDEN: &[&str] = &[
    // Events: forged, changed, taken away.
    "INSERT INTO log.events (era, stream, version, event_id, event_type, schema_version, workspace, actor, actor_kind,
        writer, correlation, occurred_at, payload, hash)
     VALUES (1, 'tally:00000000-0000-0000-0000-000000000001', 900, gen_random_uuid(), 'tally.added', 1,
        gen_random_uuid(), gen_random_uuid(), 'user', 'api', gen_random_uuid(), now(), '{}', sha256('x'))",
    "INSERT INTO log.events (era, tx, pos, stream, version, event_id, event_type, schema_version, workspace, actor,
        actor_kind, writer, correlation, occurred_at, recorded_at, payload, hash) OVERRIDING SYSTEM VALUE
     VALUES (1, '1', 1000000, 'tally:00000000-0000-0000-0000-000000000001', 1, gen_random_uuid(), 'tally.added', 1,
        gen_random_uuid(), gen_random_uuid(), 'user', 'api', gen_random_uuid(), now(), '2000-01-01', '{}', sha256('x'))",
    "UPDATE log.events SET payload = '{}'",
    "UPDATE log.events SET tx = '1', pos = DEFAULT",
    "UPDATE log.events SET recorded_at = '2000-01-01'",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "MERGE INTO log.events e USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
    "SELECT stream FROM log.events FOR UPDATE",
    "DO $$ BEGIN LOCK TABLE log.events IN ACCESS EXCLUSIVE MODE; END $$",
    "COPY log.events FROM PROGRAM 'true'",
    "COPY log.events TO '/dev/null'",
    "DELETE FROM log.recorded",
    "UPDATE log.recorded SET writer = 'system'",
    "SELECT setval('log.events_pos_seq', 1)",
    "SELECT nextval('log.events_pos_seq')",
    "ALTER SEQUENCE log.events_pos_seq RESTART",
    // The other tables of the log.
    "INSERT INTO log.heads (stream, workspace, version) VALUES ('x', gen_random_uuid(), 9)",
    "UPDATE log.heads SET version = 0",
    "DELETE FROM log.heads",
    "INSERT INTO diagnostics.log_chunks (workspace, app, operation, source, first_at, last_at, first_line, lines, bytes, digest)
     VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'build', now(), now(), 0, 1, 1, sha256('x'))",
    "UPDATE diagnostics.log_chunks SET workspace = gen_random_uuid()",
    "DELETE FROM diagnostics.log_chunks",
    "TRUNCATE diagnostics.log_chunks",
    "SELECT nextval('diagnostics.log_chunks_pos_seq')",
    "TRUNCATE log.heads",
    "INSERT INTO log.requests (workspace, actor, key, fingerprint, answer, era, tx)
     VALUES (gen_random_uuid(), gen_random_uuid(), 'k', sha256('x'), '1', 1, '1')",
    "SELECT answer FROM log.requests",
    "UPDATE log.requests SET answer = '1'",
    "DELETE FROM log.requests",
    "INSERT INTO log.leases (name, owner, fence, until) VALUES ('x', 'y', 99, now())",
    "UPDATE log.leases SET fence = 99",
    "DELETE FROM log.leases",
    "INSERT INTO log.checkpoints (projection, version, era, tx, pos, fence) VALUES ('x', 1, 0, '0', 0, 0)",
    "UPDATE log.checkpoints SET pos = 0",
    "DELETE FROM log.checkpoints",
    "INSERT INTO log.eras (era, reason) VALUES (2, 'mine')",
    "UPDATE log.eras SET era = 2",
    "DELETE FROM log.eras",
    "SELECT wrapped_key FROM log.subject_keys",
    "UPDATE log.subject_keys SET wrapped_key = NULL, destroyed_at = now()",
    "DELETE FROM log.subject_keys",
    // The vault: nothing in it is changed or taken away.
    "UPDATE vault.app_keys SET kek = 'mine'",
    "DELETE FROM vault.app_keys",
    "UPDATE vault.values SET environment = gen_random_uuid()",
    "UPDATE vault.values SET ciphertext = ciphertext",
    "DELETE FROM vault.values",
    "TRUNCATE vault.values CASCADE",
    "ALTER TABLE vault.values DISABLE ROW LEVEL SECURITY",
    // People: nobody is made, signed in or let in but through the functions, and nobody is listed.
    "SELECT email FROM identity.users",
    "UPDATE identity.users SET actor = gen_random_uuid()",
    "DELETE FROM identity.users",
    "SELECT hash FROM identity.sessions",
    "INSERT INTO identity.sessions (session, actor, hash, privileges, idle, expires_at, agent, address)
     VALUES (gen_random_uuid(), gen_random_uuid(), sha256('x'), '', '1 day', now() + '1 day', 'x', 'x')",
    "UPDATE identity.sessions SET revoked_at = NULL",
    "SELECT state FROM identity.sign_ins",
    "DELETE FROM identity.sign_ins",
    "SELECT user_code FROM identity.device_codes",
    "UPDATE identity.device_codes SET state = 'approved', actor = gen_random_uuid()",
    "SELECT identity.privileges(gen_random_uuid())",
    // Tokens: neither read nor widened.
    "SELECT hash FROM identity.tokens",
    "UPDATE identity.tokens SET grants = NULL, workspace = NULL",
    "UPDATE identity.tokens SET expires_at = NULL, revoked_at = NULL",
    // The guards themselves.
    "ALTER TABLE log.events DISABLE TRIGGER ALL",
    "ALTER TABLE log.events NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE log.events DISABLE ROW LEVEL SECURITY",
    "DROP TRIGGER events_are_append_only ON log.events",
    "DROP POLICY owner_all ON log.events",
    "CREATE POLICY mine ON log.events USING (true)",
    "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE OR REPLACE FUNCTION authority.workspaces() RETURNS uuid[] LANGUAGE sql AS 'SELECT ARRAY[]::uuid[]'",
    "CREATE TRIGGER mine BEFORE INSERT ON log.events FOR EACH ROW EXECUTE FUNCTION log.refuse_change()",
    "SELECT log.reseal('mine', NULL)",
    "SELECT log.lock_stream('tally:00000000-0000-0000-0000-000000000001', 0, true, gen_random_uuid())",
    "SELECT authority.apply('[]', 1)",
    "SELECT authority.feed_extend(gen_random_uuid(), ARRAY['k'], ARRAY['{}'], ARRAY[false])",
    "SELECT authority.may_write('rhone_worker', gen_random_uuid(), gen_random_uuid())",
    // Invitations: made, moved to one's own secret, read with another's.
    "INSERT INTO authority.invitations (invitation, workspace, role, secret, invited_by, since, until)
     VALUES (gen_random_uuid(), gen_random_uuid(), 'owner', sha256('x'), gen_random_uuid(), now(), now() + interval '1 day')",
    "UPDATE authority.invitations SET secret = sha256('x')",
    "DELETE FROM authority.invitations",
    "SELECT authority.apply_workspace('{}')",
    "SELECT authority.apply_membership('{}')",
    "SELECT authority.apply_support('{}')",
    "SELECT authority.apply_invitations('{}')",
    // Shape.
    "CREATE TABLE log.mine (n int)",
    "CREATE TABLE public.mine (n int)",
    "CREATE TEMPORARY TABLE mine (n int)",
    "CREATE SCHEMA mine",
    "CREATE INDEX mine ON log.events (writer)",
    "ALTER TABLE log.events ADD COLUMN mine int",
    "DROP TABLE log.events CASCADE",
    "DROP SCHEMA log CASCADE",
    "COMMENT ON TABLE log.events IS 'mine'",
    // Rights.
    "SET ROLE rhone_owner",
    "SET SESSION AUTHORIZATION rhone_owner",
    "GRANT rhone_owner TO rhone_api",
    "GRANT INSERT ON log.requests TO rhone_api",
    "ALTER TABLE log.events OWNER TO rhone_api",
    "ALTER ROLE rhone_api BYPASSRLS",
    "ALTER ROLE rhone_worker SUPERUSER",
    "CREATE ROLE mine",
    "SET session_replication_role = replica",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
];

/// Against one role: what another may.
const NOT_ITS_OWN: &[(&str, &[&str])] = &[
    (
        API,
        &[
            "SELECT authority.apply_token('{}')",
            "SELECT identity.is_person(gen_random_uuid())",
            "SELECT identity.issue(gen_random_uuid(), sha256('x'), 'user', gen_random_uuid(), NULL, NULL, NULL, 'x', NULL)",
            "SELECT identity.runs_the_platform()",
            "SELECT log.claim_lease('operation:1', 'api', 10)",
            "SELECT log.take_checkpoint('x', 1, 1)",
            "SELECT log.forget_requests('8 days', 1)",
            "SELECT name FROM log.leases",
            "SELECT error FROM log.checkpoints",
            "SELECT failed_event FROM log.checkpoints",
            "SELECT log.subject_key(gen_random_uuid())",
            "SELECT log.create_subject_key(gen_random_uuid(), gen_random_uuid(), 'k', decode('00', 'hex'))",
            "SELECT log.destroy_subject_key(gen_random_uuid())",
        ],
    ),
    (
        WORKER,
        &[
            "INSERT INTO vault.app_keys (workspace, app, purpose, generation, kek, wrapped)
           VALUES (gen_random_uuid(), gen_random_uuid(), 'data', 1, 'k', decode(repeat('00', 60), 'hex'))",
            "SELECT outcome FROM identity.poll_device(sha256('x'), gen_random_uuid())",
            "SELECT name FROM identity.token(gen_random_uuid())",
            "SELECT identity.supported_until(gen_random_uuid())",
        ],
    ),
    (
        PROJECTOR,
        &[
            "SELECT log.read_claim(gen_random_uuid(), NULL, gen_random_uuid())",
            "SELECT wrapped FROM vault.app_keys",
            "SELECT ciphertext FROM vault.values",
            "SELECT log.subject_key(gen_random_uuid())",
            "SELECT log.destroy_subject_key(gen_random_uuid())",
            "SELECT log.forget_requests('8 days', 1)",
        ],
    ),
];

/// The code it failed with, if it failed.
async fn code(connection: &mut PgConnection, statement: &'static str) -> Option<String> {
    let error = sqlx::raw_sql(statement).execute(connection).await.err()?;
    Some(
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).expect("the server said why").into_owned(),
    )
}

#[tokio::test]
async fn no_role_of_a_program_changes_the_log_its_guards_or_its_own_rights() {
    let database = Database::new().await;
    let tally = stream();
    let log = database.log().await;
    log.append(append(&tally, 0, 3)).await.expect("appends");
    let before = log.read_stream(&tally, rhone_domain::numbers::Version(0)).await.expect("reads");

    let (mut tried, mut done) = (0, Vec::new());
    for (role, others) in NOT_ITS_OWN {
        let pool = database.role(role, 1).await;
        let mut connection = pool.acquire().await.expect("connects");
        for statement in FORBIDDEN.iter().chain(*others) {
            let code = code(&mut connection, statement).await;
            if code.as_deref() != Some(DENIED) {
                done.push(format!("{role}: {statement}: {code:?}"));
            }
            tried += 1;
        }
    }
    assert_eq!(log.read_stream(&tally, rhone_domain::numbers::Version(0)).await.expect("reads"), before);
    println!("S5: {}/{tried} statements by three roles refused for want of rights", tried - done.len());
    assert_eq!(done, Vec::<String>::new());
    // Granting what one only has for oneself is a warning; it must also be without effect.
    let pool = database.role(API, 1).await;
    sqlx::raw_sql("GRANT ALL ON log.events TO PUBLIC").execute(&pool).await.expect("is only warned about");
    let granted = "SELECT count(*) FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS right_to
                   WHERE has_table_privilege('rhone_projector', 'log.events', right_to)";
    assert_eq!(database.number(granted).await, 0);

    let projector = PgLog::new(database.role(PROJECTOR, 1).await);
    let refused = projector.append(append(&stream(), 0, 1)).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn the_same_statements_work_for_whoever_has_the_rights() {
    let database = Database::new().await;
    let mut admin = database.admin().await;
    let mut worked = 0;
    for statement in FORBIDDEN {
        sqlx::raw_sql("BEGIN").execute(&mut admin).await.expect("begins");
        match code(&mut admin, statement).await.as_deref() {
            None => worked += 1,
            Some(APPEND_ONLY) => assert!(statement.contains(" log."), "{statement}"),
            Some(other) => assert_ne!(other, "42601", "{statement} is not SQL"),
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut admin).await.expect("rolls back");
        sqlx::raw_sql("RESET SESSION AUTHORIZATION").execute(&mut admin).await.expect("is the administrator again");
    }
    println!("{worked} of {} work for the superuser", FORBIDDEN.len());
    assert!(worked >= FORBIDDEN.len() - 15, "only {worked} of {} could have succeeded", FORBIDDEN.len());
}

#[tokio::test]
async fn even_the_owner_and_the_superuser_do_not_change_events() {
    let database = Database::new().await;
    database.log().await.append(append(&stream(), 0, 1)).await.expect("appends");
    let mut admin = database.admin().await;
    for who in ["SET ROLE rhone_owner", "RESET ROLE", "SET session_replication_role = replica"] {
        sqlx::raw_sql(who).execute(&mut admin).await.expect("is allowed");
        for statement in [
            "UPDATE log.events SET payload = '{}'",
            "DELETE FROM log.events WHERE false",
            "TRUNCATE log.events",
            "MERGE INTO log.events e USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
            "UPDATE log.eras SET reason = 'x'",
            "DELETE FROM log.eras",
            "TRUNCATE log.eras",
        ] {
            assert_eq!(code(&mut admin, statement).await.as_deref(), Some(APPEND_ONLY), "{who}: {statement}");
        }
    }
    assert_eq!(database.number("SELECT count(*) FROM log.events").await, 1);
}

#[tokio::test]
async fn the_programs_roles_own_nothing_and_bypass_nothing() {
    let database = Database::new().await;
    let owned = "SELECT count(*) FROM pg_shdepend
                 WHERE deptype = 'o' AND refobjid IN ('rhone_api'::regrole, 'rhone_worker'::regrole, 'rhone_projector'::regrole)";
    assert_eq!(database.number(owned).await, 0);
    let strong = "SELECT count(*) FROM pg_roles
                  WHERE rolname IN ('rhone_owner', 'rhone_api', 'rhone_worker', 'rhone_projector') AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)";
    assert_eq!(database.number(strong).await, 0);
    let open = "SELECT count(*) FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                WHERE p.pronamespace IN ('log'::regnamespace, 'authority'::regnamespace) AND a.grantee = 0";
    assert_eq!(database.number(open).await, 0, "no function of ours is open to the public");
    let loose = "SELECT count(*) FROM pg_proc p
                 WHERE p.pronamespace = 'log'::regnamespace AND p.prosecdef
                   AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)";
    assert_eq!(database.number(loose).await, 0, "every function that runs as the owner has its search path pinned");
}

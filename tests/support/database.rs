//! The database as its administrator sees it: to look where no API leads, and to do what only an intruder would. The trap
//! avoided: proving something by the platform's own account of it.

use crate::{
    graphql::{Client, unique},
    platform::Platform,
    wait::{PATIENCE, until},
};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

/// May do everything.
pub async fn administrator(platform: &Platform) -> PgConnection {
    connect(&platform.addresses().database.admin_url).await
}

/// A connection.
pub async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("the database takes connections")
}

/// Somebody new, with a token.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub actor: Uuid,
    /// At the API.
    pub client: Client,
}

/// Makes a person who belongs to nothing yet.
pub async fn person(platform: &Platform) -> Person {
    let mut database = administrator(platform).await;
    let row =
        sqlx::query("SELECT gen_random_uuid() AS actor, gen_random_uuid() AS token, gen_random_uuid()::text AS word")
            .fetch_one(&mut database)
            .await
            .expect("PostgreSQL makes ids");
    let (actor, token, word): (Uuid, Uuid, String) = (row.get("actor"), row.get("token"), row.get("word"));
    let secret = format!("rhone_{word}");
    sqlx::query("SELECT identity.issue($1, $2, 'user', $3, NULL, NULL, NULL, 'a person of the tests', NULL)")
        .bind(token)
        .bind(Sha256::digest(&secret).to_vec())
        .bind(actor)
        .execute(&mut database)
        .await
        .expect("a token is issued");
    Person { actor, client: platform.client(&secret) }
}

/// Lets a person run the platform.
pub async fn make_operator(platform: &Platform, actor: Uuid) {
    sqlx::query(
        "INSERT INTO authority.members (workspace, actor, role, version)
         SELECT $1, $2, 'owner', version FROM log.heads WHERE stream = 'workspace:' || $1::uuid::text",
    )
    .bind(platform.report().ids.platform)
    .bind(actor)
    .execute(&mut administrator(platform).await)
    .await
    .expect("a member is added");
}

/// A browser of somebody's: its session, and its cookie.
pub async fn open_session(platform: &Platform, actor: Uuid) -> (Uuid, String) {
    let cookie = unique("rhone_s");
    let digest = Sha256::digest(&cookie);
    let session = Uuid::from_slice(&digest[..16]).expect("16 bytes");
    let mut database = administrator(platform).await;
    let asking = "SELECT set_config('rhone.actor', $1, false)";
    sqlx::query(asking).bind(actor.to_string()).execute(&mut database).await.expect("a setting");
    sqlx::query("SELECT identity.open_session($1, $2, 'a browser', '127.0.0.1', 3600, 3600, NULL)")
        .bind(session)
        .bind(digest.to_vec())
        .execute(&mut database)
        .await
        .expect("a session is opened");
    (session, cookie)
}

/// A browser of somebody's that signed out.
pub async fn end_session(platform: &Platform, actor: Uuid) {
    let (_, cookie) = open_session(platform, actor).await;
    sqlx::query("SELECT identity.end_session($1)")
        .bind(Sha256::digest(&cookie).to_vec())
        .execute(&mut administrator(platform).await)
        .await
        .expect("a session is ended");
}

/// How many events a person brought about, refusals aside.
pub async fn successes_of(database: &mut PgConnection, actor: Uuid) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM log.events WHERE actor = $1 AND event_type <> 'refusal.recorded'")
        .bind(actor)
        .fetch_one(database)
        .await
        .expect("the log can be counted")
}

/// The UUID in an id as the API shows it.
pub fn uuid(id: &str) -> Uuid {
    id.rsplit('_').next().and_then(|digits| Uuid::try_parse(digits).ok()).unwrap_or_else(|| panic!("{id} is no id"))
}

/// Waits until an edge has said that something is open on an allocation: sessions are reported once a second.
pub async fn is_said_to_be_open(platform: &Platform, allocation: Uuid) {
    let look = async || {
        let said: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM status.edges, json_array_elements(body->'sessions') AS one
             WHERE one->>'allocation' = $1 AND (one->>'open')::bigint > 0)",
        )
        .bind(allocation.to_string())
        .fetch_one(&mut administrator(platform).await)
        .await
        .expect("the edges' reports can be read");
        said.then_some(())
    };
    until("an edge says that it is open", PATIENCE, look).await;
}

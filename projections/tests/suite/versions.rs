//! A projection whose version was raised writes nothing onto the old rows, and a rebuild replaces them without comparing.

use crate::{
    database::{Database, until},
    world::World,
};
use rhone_domain::{aggregate::Aggregate as _, project::Project};
use rhone_eventstore::Recorded;
use rhone_projections::{
    projection::{ApplyError, Projection, key, reached},
    rebuild::rebuild,
    schema::{self, Form},
};
use sqlx::PgConnection;
use std::time::Duration;

/// Counts one for each project.
struct Ones;
/// The same name, another meaning: two for each.
struct Twos;

const TABLES: &str = "CREATE TABLE counted (workspace uuid, stream text PRIMARY KEY, worth bigint NOT NULL)";

impl Projection for Ones {
    const NAME: &'static str = "counted";
    const VERSION: i32 = 1;
    const TABLES: &'static str = TABLES;

    async fn apply(connection: &mut PgConnection, events: &[Recorded]) -> Result<(), ApplyError> {
        count(connection, events, 1).await
    }
}

impl Projection for Twos {
    const NAME: &'static str = "counted";
    const VERSION: i32 = 2;
    const TABLES: &'static str = TABLES;

    async fn apply(connection: &mut PgConnection, events: &[Recorded]) -> Result<(), ApplyError> {
        count(connection, events, 2).await
    }
}

async fn count(connection: &mut PgConnection, events: &[Recorded], worth: i64) -> Result<(), ApplyError> {
    for event in events.iter().filter(|event| event.envelope.stream.category() == Project::CATEGORY) {
        sqlx::query("INSERT INTO counted (workspace, stream, worth) VALUES ($1, $2, $3)")
            .bind(event.envelope.workspace.0)
            .bind(event.envelope.stream.as_str())
            .bind(worth)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

const SUM: &str = "SELECT coalesce(sum(worth), 0)::bigint FROM counted.counted";
const REFUSED: &str =
    "SELECT count(*) FROM log.leases WHERE name = 'projection:counted' AND owner = 'new' AND until = '-infinity'";

#[tokio::test]
async fn rows_of_an_older_version_are_left_alone_until_a_rebuild_replaces_them() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    let mut admin = database.admin().await;
    schema::install::<Ones>(&mut admin).await.expect("installs");
    let old = world.follow::<Ones>("old");
    world.project().await;
    until("it is counted", async || database.number(SUM).await == 1).await;
    old.abort();
    let _ = old.await;
    database.run("UPDATE log.leases SET until = '-infinity' WHERE name = 'projection:counted'").await;

    schema::install::<Twos>(&mut admin).await.expect("leaves it as it is");
    assert_eq!(schema::form::<Twos>(&mut admin).await.expect("asks"), Form::Other { live: 1 });
    let new = world.follow::<Twos>("new");
    world.project().await;
    until("it claims the projection and gives it back", async || database.number(REFUSED).await == 1).await;
    assert_eq!(database.number(SUM).await, 1);
    assert_eq!(database.number("SELECT count(*) FROM log.checkpoints WHERE projection = 'counted'").await, 1);

    world.events(2).await;
    let rebuilt = rebuild::<Twos>(&mut admin, &world.projector, "rebuild").await.expect("rebuilds");
    assert_eq!((rebuilt.events, database.number(SUM).await), (2, 4));
    assert_eq!(rebuilt.form, Form::Other { live: 1 }, "it says that it compared nothing");
    assert_eq!(schema::form::<Twos>(&mut admin).await.expect("asks"), Form::Same);
    new.abort();
    let _ = new.await;
    let newer = world.follow::<Twos>("newer");
    let last = world.project().await;
    let goes_on = reached(&world.projector, &[key::<Twos>()], last, Duration::from_mins(1)).await.expect("asks");
    assert_eq!((goes_on, database.number(SUM).await), (true, 6), "from where the rebuild ended");
    newer.abort();
}

//! For how long hosts were not heard, as the API is told: by the database's clock, and beside each for how long none of the others
//! was that may come back. Trap: a machine that was scrapped long ago, whose silence is taken for that of all.

use crate::database::Database;
use rhone_domain::ids::HostId;
use rhone_projections::hosts_seen::silences;
use uuid::Uuid;

/// The hosts, by the last digit of their ids, and for how many seconds each was silent; none if it was never heard.
const ROWS: &str = "
    WITH hosts AS (SELECT lpad(id, 32, '0')::uuid AS host, state, seconds FROM (VALUES
        ('1', 'active', 60), ('2', 'cordoned', 40), ('3', 'retired', 1), ('4', 'active', NULL)) AS t (id, state, seconds)),
    registered AS (
        INSERT INTO authority.hosts (host, region, cell, state, capacity, version, body)
        SELECT host, gen_random_uuid(), gen_random_uuid(), state, 8, 1, '{}' FROM hosts)
    INSERT INTO status.hosts (host, seen_at)
    SELECT host, clock_timestamp() - seconds * interval '1 second' FROM hosts WHERE seconds IS NOT NULL";

#[tokio::test]
async fn a_silence_stands_beside_that_of_whichever_other_host_that_may_come_back_was_heard_last() {
    let database = Database::new().await;
    database.run(ROWS).await;
    let api = database.role("rhone_api").await;
    let mut connection = api.acquire().await.expect("connects");
    let hosts = [1, 2, 3, 4].map(|n| HostId(Uuid::from_u128(n)));
    let mut found = silences(&mut connection, &hosts).await.expect("asks");
    found.sort_by_key(|(host, _)| *host);
    // Tens of seconds: however long the test takes, it takes less than ten.
    let tens = |silence: Option<chrono::TimeDelta>| silence.map(|silence| silence.num_seconds() / 10);
    let told = found.iter().map(|(host, silence)| (host.0.as_u128(), tens(silence.own), tens(silence.others)));
    let told = told.collect::<Vec<_>>();
    // The first would stand beside the third's second, if what was retired counted; and the second beside its own.
    assert_eq!(told, [(1, Some(6), Some(4)), (2, Some(4), Some(6)), (3, Some(0), Some(4))]);
    database.run("UPDATE authority.hosts SET state = 'retired' WHERE host = lpad('2', 32, '0')::uuid").await;
    let alone = silences(&mut connection, &hosts[..1]).await.expect("asks");
    assert_eq!(alone[0].1.others, None, "the first is the only one that was ever heard and may come back");
}

//! What a worker forgets, and what it does not.

use crate::world::{World, until};

const KEYS: &str = "
    INSERT INTO log.requests (workspace, actor, key, fingerprint, answer, era, tx, created_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'k', decode(repeat('00', 32), 'hex'), 'null', 1, '1',
        clock_timestamp() - days * interval '1 day'
    FROM (SELECT 8 AS days FROM generate_series(1, 10500) UNION ALL SELECT 6 FROM generate_series(1, 3)) AS t";

const FEED: &str = "
    SELECT authority.open_feed('00000000-0000-0000-0000-000000000001');
    INSERT INTO authority.feed (region, seq, prev, digest, key, content)
    SELECT '00000000-0000-0000-0000-000000000001', n, '', '', 'k', '{}' FROM generate_series(1, 100600) n;
    UPDATE authority.feeds SET seq = 100600;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_more_than_a_week_ago_and_all_but_the_newest_entries_are_forgotten() {
    let mut world = World::new().await;
    world.config.nats = None;
    world.run(KEYS).await;
    world.run(FEED).await;
    let worker = world.work();
    until("more keys than one batch are forgotten, and younger ones are kept", async || {
        world.number("SELECT count(*) FROM log.requests").await == 3
    })
    .await;
    until("old entries are forgotten", async || world.number("SELECT min(seq) FROM authority.feed").await == 601).await;
    assert_eq!(world.number("SELECT count(*) FROM authority.feed").await, 100_000);
    worker.abort();
    world.end().await;
}

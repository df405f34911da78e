//! The timeline's pages are in the log's order, which is that of numbers and not of the text they are shown as.

use crate::{database::Database, world::World};
use rhone_eventstore::Position;
use rhone_projections::{
    keyset::{Keyset, Towards},
    timeline::{Filter, page},
};

const ROWS: &str = "
    INSERT INTO timeline.entries (era, tx, pos, workspace, event, stream, version, event_type, schema_version, actor,
        actor_kind, writer, correlation, summary, payload, occurred_at, recorded_at)
    SELECT t.era, t.tx::xid8, t.pos, gen_random_uuid(), gen_random_uuid(), 'project:' || gen_random_uuid(), 1,
        'project.created', 1, gen_random_uuid(), 'user', 'api', gen_random_uuid(), '', '{}', now(), now()
    FROM (VALUES (1, '10', 3), (1, '9', 12), (1, '9', 2), (2, '1', 4), (1, '100', 1), (10, '5', 1), (1, '1000', 1))
        AS t (era, tx, pos)";

/// In order; as text `100` comes before `9`, and era `10` before era `2`.
const ORDER: [(u32, u64, u64); 7] =
    [(1, 9, 2), (1, 9, 12), (1, 10, 3), (1, 100, 1), (1, 1000, 1), (2, 1, 4), (10, 5, 1)];

#[tokio::test]
async fn positions_of_different_lengths_come_in_the_order_of_numbers_page_by_page() {
    let database = Database::new().await;
    let world = World::of(&database).await;
    database.run(ROWS).await;
    let order = ORDER.map(|(era, tx, pos)| Position { era, tx, pos }).to_vec();
    let reversed = order.iter().rev().copied().collect::<Vec<_>>();
    for most in [1, 2, 7] {
        assert_eq!(read(&world, Towards::Newer, most).await, order, "{most} at a time");
        assert_eq!(read(&world, Towards::Older, most).await, reversed, "{most} at a time, backwards");
    }
}

/// The whole timeline, so many lines at a time.
async fn read(world: &World, towards: Towards, most: i64) -> Vec<Position> {
    let mut connection = world.projector.acquire().await.expect("connects");
    let mut all: Vec<Position> = Vec::new();
    loop {
        let keyset = Keyset { from: all.last().copied(), towards, most };
        let lines = page(&mut connection, &Filter::default(), &keyset).await.expect("a page");
        if lines.is_empty() {
            return all;
        }
        all.extend(lines.iter().map(|line| line.position));
    }
}

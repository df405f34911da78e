//! A checkpoint moves with its rows, forwards, and only under the last fence.

use crate::{
    database::{Database, PROJECTOR},
    story::clock,
};
use rhone_domain::{ids::EventId, numbers::Fence};
use rhone_eventstore::{
    Position, Transaction,
    checkpoint::{CheckpointError, Key, advance, fail, load, take},
};
use sqlx::Acquire as _;

const KEY: Key<'static> = Key { projection: "deployments", version: 3 };

fn at(era: u32, tx: u64, pos: u64) -> Position {
    Position { era, tx, pos }
}

#[tokio::test]
async fn a_checkpoint_moves_forwards_with_its_transaction() {
    let database = Database::new().await;
    let pool = database.role(PROJECTOR, 2).await;
    let mut connection = pool.acquire().await.expect("connects");
    assert_eq!(load(&mut connection, KEY).await.expect("loads"), None);
    let taken = take(&mut connection, KEY, Fence(1)).await.expect("takes");
    assert_eq!((taken.position, taken.fence), (Position::START, Fence(1)));
    let mut kept = connection.begin().await.expect("begins");
    advance(&mut kept, KEY, Fence(1), at(1, u64::MAX >> 1, 9)).await.expect("advances");
    kept.commit().await.expect("commits");
    let mut lost = connection.begin().await.expect("begins");
    advance(&mut lost, KEY, Fence(1), at(2, 5, 1)).await.expect("advances");
    lost.rollback().await.expect("rolls back");
    let stands = load(&mut connection, KEY).await.expect("loads").expect("it was taken");
    assert_eq!(stands.position, at(1, u64::MAX >> 1, 9));
    for backwards in [at(1, u64::MAX >> 1, 9), at(1, 7, 10), Position::START] {
        let refused = advance(&mut connection, KEY, Fence(1), backwards).await;
        assert!(matches!(refused, Err(CheckpointError::Lost)), "{backwards}: {refused:?}");
    }
    advance(&mut connection, KEY, Fence(1), at(2, 3, 1)).await.expect("a new era is further on");
}

#[tokio::test]
async fn a_former_holder_can_no_longer_move_it() {
    let database = Database::new().await;
    let pool = database.role(PROJECTOR, 2).await;
    let mut connection = pool.acquire().await.expect("connects");
    take(&mut connection, KEY, Fence(1)).await.expect("takes");
    advance(&mut connection, KEY, Fence(1), at(1, 10, 1)).await.expect("advances");
    let taken = take(&mut connection, KEY, Fence(2)).await.expect("takes over");
    assert_eq!(taken.position, at(1, 10, 1), "where the former one stopped");
    let late = advance(&mut connection, KEY, Fence(1), at(1, 11, 2)).await;
    assert!(matches!(late, Err(CheckpointError::Lost)), "{late:?}");
    let late = take(&mut connection, KEY, Fence(1)).await;
    assert!(matches!(late, Err(CheckpointError::Lost)), "{late:?}");
    advance(&mut connection, KEY, Fence(2), at(1, 11, 2)).await.expect("the holder advances");
}

#[tokio::test]
async fn an_event_it_stopped_at_is_named_until_it_is_tried_again() {
    let database = Database::new().await;
    let pool = database.role(PROJECTOR, 2).await;
    let mut connection = pool.acquire().await.expect("connects");
    take(&mut connection, KEY, Fence(1)).await.expect("takes");
    let poison: EventId = clock().new_id();
    fail(&mut connection, KEY, Fence(1), poison, "a slug of 64 characters").await.expect("is recorded");
    let stands = load(&mut connection, KEY).await.expect("loads").expect("it was taken");
    assert_eq!(stands.failure, Some((poison, "a slug of 64 characters".into())));
    assert_eq!(stands.position, Position::START, "nothing is skipped");
    assert_eq!(take(&mut connection, KEY, Fence(1)).await.expect("takes").failure, None);
}

/// Projections run on any thread: what is awaited may move between them.
#[tokio::test]
async fn its_futures_move_between_threads() {
    let database = Database::new().await;
    let pool = database.role(PROJECTOR, 1).await;
    let moved = tokio::spawn(async move {
        let mut transaction = Transaction::begin(&pool).await?;
        take(&mut transaction, KEY, Fence(1)).await?;
        advance(&mut transaction, KEY, Fence(1), at(1, 1, 1)).await?;
        fail(&mut transaction, KEY, Fence(1), clock().new_id(), "x").await?;
        load(&mut transaction, KEY).await
    });
    assert_eq!(moved.await.expect("ends").expect("works").map(|checkpoint| checkpoint.position), Some(at(1, 1, 1)));
}

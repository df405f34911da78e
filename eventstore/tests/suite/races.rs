//! Two judged the same version; one of them is right.

use crate::{
    database::Database,
    story::{append, stream},
};
use rhone_domain::numbers::Version;
use rhone_eventstore::{Append, AppendError, Log as _};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_judged_the_same_version_exactly_one_writes() {
    let database = Database::new().await;
    let log = database.log().await;
    let tally = stream();
    for version in 0..20 {
        let mut rivals = JoinSet::new();
        for _ in 0..8 {
            let (log, append) = (log.clone(), append(&tally, version, 1));
            rivals.spawn(async move { log.append(append).await });
        }
        let answers = rivals.join_all().await;
        let won = answers.iter().filter(|answer| answer.is_ok()).count();
        let lost = answers.iter().filter(|answer| match answer {
            Err(AppendError::Conflict { stream, expected, actual }) => {
                (stream, *expected, *actual) == (&tally, Version(version), Version(version + 1))
            }
            _ => false,
        });
        assert_eq!((won, lost.count()), (1, 7), "at version {version}: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_each_assert_what_the_other_writes_at_most_one_succeeds() {
    let database = Database::new().await;
    let log = database.log().await;
    for version in [0, 1] {
        for _ in 0..25 {
            let (one, other) = (stream(), stream());
            if version == 1 {
                log.append(append(&one, 0, 1)).await.expect("appends");
                log.append(append(&other, 0, 1)).await.expect("appends");
            }
            let judged = |write, assert: &rhone_domain::envelope::StreamId| Append {
                asserts: vec![(assert.clone(), Version(version))],
                ..append(write, version, 1)
            };
            let (first, second) = tokio::join!(
                tokio::spawn({
                    let (log, append) = (log.clone(), judged(&one, &other));
                    async move { log.append(append).await }
                }),
                tokio::spawn({
                    let (log, append) = (log.clone(), judged(&other, &one));
                    async move { log.append(append).await }
                }),
            );
            let answers = [first.expect("answers"), second.expect("answers")];
            let conflicts = answers.iter().filter(|answer| matches!(answer, Err(AppendError::Conflict { .. })));
            let conflicts = conflicts.count();
            assert_eq!(conflicts, 1, "{answers:?}");
            assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        }
    }
}

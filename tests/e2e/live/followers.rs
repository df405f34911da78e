//! Followers that are waited for. The trap avoided: one that panicked, whose end shows as nothing but a wait that is over, and a
//! wait that says nothing of what is known.

use super::{Shared, heard, in_the_log};
use rhone_tests::{
    platform::Platform,
    wait::{PATIENCE, within},
};
use std::future::ready;
use tokio::task::JoinSet;

/// Both followers of one workspace, each with its book.
pub(super) struct Followers<'a> {
    pub(super) platform: &'a Platform,
    pub(super) workspace: &'a str,
    /// After which position.
    pub(super) began: &'a str,
    pub(super) books: [(&'static str, Shared); 2],
    pub(super) tasks: JoinSet<()>,
}

impl Followers<'_> {
    /// Waits until each was told so many events; says all that is known where they are not.
    pub(super) async fn have_heard(&mut self, count: usize) {
        if within(PATIENCE * 2, || ready(self.have(count))).await.is_none() {
            let account = self.account().await;
            panic!("not each follower heard of {count} events: {account}");
        }
    }

    fn have(&mut self, count: usize) -> Option<()> {
        all_go_on(&mut self.tasks);
        self.books.iter().all(|(_, book)| heard(book) >= count).then_some(())
    }

    async fn account(&self) -> String {
        let log = in_the_log(self.platform, self.workspace, "%", self.began).await;
        let books = self.books.iter().map(|(channel, book)| {
            let book = book.lock().expect("nobody panicked");
            let (count, after, openings) = (book.heard.len(), &book.after, book.openings);
            format!("{channel} heard {count}, stands at {after} and was opened {openings} times")
        });
        let books = books.collect::<Vec<_>>().join("; ");
        let serve = self.platform.log("serve");
        let last = serve.lines().rev().take(20).collect::<Vec<_>>().join("\n");
        format!("the log has {}, the last {:?}; {books}; the API said, the last first:\n{last}", log.len(), log.last())
    }
}

/// A follower that panicked is told of, and not awaited.
pub(crate) fn all_go_on(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        ended.expect("a follower does not panic");
    }
}

/// The log, event by event, in its order; the first that is not so is named.
pub(super) fn is_the_log(channel: &str, heard: &[(String, String)], log: &[(String, String)]) {
    let other = (0..heard.len().max(log.len())).find(|at| heard.get(*at) != log.get(*at));
    let (told, there) = other.map_or((None, None), |at| (heard.get(at), log.get(at)));
    let (heard, log) = (heard.len(), log.len());
    assert_eq!(told, there, "{channel}: number {other:?}, of {heard} heard and {log} in the log");
}

//! A hundred open sockets of the app. The trap avoided: counting sockets that only look open; each has to answer, and none is
//! ever opened again.

use super::visitor::{Session, Visitor};
use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;

/// How many.
pub(super) const SIZE: usize = 100;

/// Open sockets, all through one edge.
pub(super) struct Crowd(Vec<Session>);

impl Crowd {
    /// Opens them.
    pub(super) async fn gathered(edge: &str, host: &str, size: usize) -> Result<Self> {
        let visitor = Visitor::new(edge, host)?;
        let mut sessions = Vec::with_capacity(size);
        for _ in 0..size {
            sessions.push(visitor.connect().await?);
        }
        Ok(Self(sessions))
    }

    /// How many answer on the connection they always had; all, or it is an error.
    pub(super) async fn answering(&mut self, word: &str) -> Result<usize> {
        let asked = self.0.iter_mut().enumerate().map(|(index, session)| async move {
            session.echo(word).await.with_context(|| format!("socket {index} of the crowd"))
        });
        Ok(try_join_all(asked).await?.len())
    }
}

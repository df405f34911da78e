//! How the edge stands to the feed: what it applied, what it knows to exist, and since when it hears nothing. Written by
//! the applier. The trap: taking silence for loss. Silence serves on for ever; only what is proven to be missing, and stays
//! missing, closes the door.

use crate::{apply::Position, config::Timing};
use chrono::{DateTime, Utc};
use rhone_domain::{edge_status::EdgeMode, numbers::FeedSeq};
use std::time::Duration;

/// How long being behind is ordinary.
const LAG_MS: u64 = 2_000;

/// What must be fetched whole, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing.
    #[default]
    Nothing,
    /// A snapshot, to see what the authority says of a contested key; the rest is sound.
    Check,
    /// A snapshot, for what is held is another history or has a hole; since when.
    Lost(u64),
    /// A snapshot was refused because too much was missing from it; what is held is served on.
    Refused,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// What is applied.
    pub(crate) position: Option<Position>,
    /// The highest position known to exist in this life.
    pub(crate) head: FeedSeq,
    /// Behind the head without progress, since when.
    pub(crate) behind_since: Option<u64>,
    /// The last fresh word from the authority.
    pub(crate) contact: Option<u64>,
    /// When the newest heartbeat was signed; an older one is a repetition.
    pub(crate) heartbeat: Option<DateTime<Utc>>,
    /// The last word over the bus.
    pub(crate) bus: Option<u64>,
    /// Entries wait for one that is missing.
    pub(crate) holes: usize,
    /// What must be fetched whole.
    pub(crate) wanted: Wanted,
}

impl Standing {
    /// How far.
    pub(crate) fn applied(&self) -> FeedSeq {
        self.position.map_or(FeedSeq(0), |at| at.seq)
    }

    /// Notes progress, or that there is none.
    pub(crate) fn note(&mut self, now: u64, position: Option<Position>) {
        let moved = self.position != position;
        self.position = position;
        self.head = self.head.max(self.applied());
        self.behind_since = match self.behind_since {
            _ if self.applied() >= self.head => None,
            Some(since) if !moved => Some(since),
            Some(_) | None => Some(now),
        };
    }

    /// The mode at this moment.
    pub(crate) fn mode(&self, now: u64, timing: &Timing) -> EdgeMode {
        let fresh = self.contact.is_some_and(|at| now.saturating_sub(at) < millis(timing.stale_after));
        match (self.position, self.wanted) {
            (None, _) => EdgeMode::Booting,
            (Some(_), Wanted::Lost(_) | Wanted::Check | Wanted::Refused) => EdgeMode::Rebuild,
            (Some(_), Wanted::Nothing) if self.misses(now) => EdgeMode::Gap,
            (Some(_), Wanted::Nothing) if !fresh => EdgeMode::Stale,
            (Some(_), Wanted::Nothing) if self.behind_since.is_some() => EdgeMode::Lagging,
            (Some(_), Wanted::Nothing) => EdgeMode::Synced,
        }
    }

    /// From when on nothing may be served any more, unless something arrives.
    pub(crate) fn closes_at(&self, timing: &Timing) -> Option<u64> {
        let lost = match self.wanted {
            Wanted::Lost(since) => Some(since),
            Wanted::Refused => return None,
            Wanted::Nothing | Wanted::Check => None,
        };
        let since = match (lost, self.behind_since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        since.map(|since| since.saturating_add(millis(timing.gap_grace)))
    }

    fn misses(&self, now: u64) -> bool {
        self.holes > 0 || self.behind_since.is_some_and(|since| now.saturating_sub(since) >= LAG_MS)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    //! Which mode, and when the door closes.
    use super::*;
    use rhone_domain::{digest::Digest, ids::Incarnation};
    use uuid::Uuid;

    #[expect(clippy::unnecessary_wraps, reason = "a standing holds it so")]
    fn at(seq: u64) -> Option<Position> {
        Some(Position { incarnation: Incarnation(Uuid::from_u128(1)), seq: FeedSeq(seq), digest: Digest::ZERO })
    }

    fn current() -> Standing {
        Standing { position: at(5), head: FeedSeq(5), contact: Some(1_000), ..Standing::default() }
    }

    #[test]
    fn silence_makes_stale_and_never_closes() {
        let timing = Timing::default();
        assert_eq!(current().mode(1_000, &timing), EdgeMode::Synced);
        assert_eq!(current().mode(6_001, &timing), EdgeMode::Stale);
        assert_eq!(current().closes_at(&timing), None);
    }

    #[test]
    fn being_behind_is_lag_then_gap_then_closed() {
        let timing = Timing::default();
        let mut standing = Standing { head: FeedSeq(7), ..current() };
        standing.note(1_000, at(5));
        assert_eq!(standing.mode(1_100, &timing), EdgeMode::Lagging);
        assert_eq!(standing.mode(3_000, &timing), EdgeMode::Gap);
        assert_eq!(standing.closes_at(&timing), Some(11_000));
        standing.note(5_000, at(6));
        assert_eq!(standing.closes_at(&timing), Some(15_000), "progress counts");
        standing.note(6_000, at(7));
        assert_eq!(standing.closes_at(&timing), None);
    }

    #[test]
    fn a_lost_history_closes_after_its_grace_but_a_refused_snapshot_does_not() {
        let timing = Timing::default();
        let lost = Standing { wanted: Wanted::Lost(2_000), ..current() };
        assert_eq!(lost.mode(2_000, &timing), EdgeMode::Rebuild);
        assert_eq!(lost.closes_at(&timing), Some(12_000));
        let refused = Standing { wanted: Wanted::Refused, ..current() };
        assert_eq!(refused.closes_at(&timing), None);
    }

    #[test]
    fn nothing_applied_is_booting() {
        assert_eq!(Standing::default().mode(1, &Timing::default()), EdgeMode::Booting);
    }
}

//! Which lanes a reconciler looks at next: what has news first, then what is not at rest, again and again, and what rests once
//! in a long while; none of them so often that another one never has its turn. What it knows is only an order of looking: with it
//! lost, every lane is looked at. The trap: a turn over every lane of the platform, after which the one that has just lost its
//! allocation has waited for fifty thousand others.

use rhone_domain::ids::EnvironmentId;
use rhone_projections::authority::lanes::{self, Seen};
use sqlx::PgConnection;
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// How long a lane that rests is left alone without news.
const RESTS: Duration = Duration::from_hours(1);

/// Of this many looks one goes to what has waited longest behind the news, at rest or not.
const SHARE: usize = 4;

/// How much a lane's next look matters; in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Rank {
    News,
    Open,
    Resting,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    due: [BTreeSet<(Instant, EnvironmentId)>; 3],
    places: HashMap<EnvironmentId, (Rank, Instant)>,
    looks: usize,
    seen: Option<Seen>,
}

impl Watch {
    /// Puts what happened since it was last asked before everything else; the first time, and when the log was restored since,
    /// every lane there is.
    pub(crate) async fn hear(
        &mut self,
        connection: &mut PgConnection,
        categories: &[&str],
        now: Instant,
    ) -> Result<(), sqlx::Error> {
        if let Some(before) = &self.seen {
            let (changed, seen) = lanes::changed(connection, before, categories).await?;
            if seen.is_of_the_life_of(before) {
                self.seen = Some(seen);
                self.news(changed, now);
                return Ok(());
            }
            *self = Self::default();
        }
        // Before the lanes are read: what happens meanwhile is news.
        let seen = lanes::seen(connection).await?;
        for (environment, whole) in lanes::all(connection).await? {
            self.put(environment, if whole { Rank::Resting } else { Rank::Open }, now);
        }
        self.seen = Some(seen);
        Ok(())
    }

    /// Something has happened in these.
    pub(crate) fn news(&mut self, lanes: impl IntoIterator<Item = EnvironmentId>, now: Instant) {
        for lane in lanes {
            self.put(lane, Rank::News, now);
        }
    }

    /// This one was looked at, and is to be looked at again.
    pub(crate) fn again(&mut self, lane: EnvironmentId, at: Instant) {
        self.put(lane, Rank::Open, at);
    }

    /// This one was looked at, and time alone will not change it.
    pub(crate) fn rests(&mut self, lane: EnvironmentId, now: Instant) {
        self.put(lane, Rank::Resting, now + RESTS);
    }

    /// The next ones to look at, at most so many; they are not waiting any more.
    pub(crate) fn take(&mut self, most: usize, now: Instant) -> Vec<EnvironmentId> {
        std::iter::from_fn(|| self.next(now)).take(most).collect()
    }

    /// Whether one is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.iter().any(|rank| rank.first().is_some_and(|(at, _)| *at <= now))
    }

    fn next(&mut self, now: Instant) -> Option<EnvironmentId> {
        self.looks = self.looks.wrapping_add(1);
        let due = |rank: usize| self.due[rank].first().map(|(at, _)| *at).filter(|at| *at <= now);
        let longest = [1, 2].into_iter().filter_map(|rank| Some((due(rank)?, rank))).min().map(|(_, rank)| rank);
        let share = longest.filter(|_| self.looks.is_multiple_of(SHARE));
        let of = share.or_else(|| (0..self.due.len()).find(|rank| due(*rank).is_some()))?;
        let (_, lane) = self.due[of].pop_first()?;
        self.places.remove(&lane);
        Some(lane)
    }

    /// Waits once, at the better of its places.
    fn put(&mut self, lane: EnvironmentId, rank: Rank, at: Instant) {
        if let Some(place) = self.places.get(&lane).copied() {
            if place <= (rank, at) {
                return;
            }
            self.due[place.0 as usize].remove(&(place.1, lane));
        }
        self.places.insert(lane, (rank, at));
        self.due[rank as usize].insert((at, lane));
    }
}

#[cfg(test)]
mod tests {
    //! Who is looked at before whom, and that nobody is forgotten.
    use super::*;
    use uuid::Uuid;

    fn lane(n: u128) -> EnvironmentId {
        EnvironmentId(Uuid::from_u128(n))
    }

    #[test]
    fn news_goes_first_what_is_open_comes_again_and_what_rests_waits_long() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        watch.rests(lane(1), now);
        watch.again(lane(2), now + Duration::from_secs(1));
        assert_eq!(watch.take(9, now), [], "neither is due");
        watch.news([lane(1), lane(3)], now);
        assert_eq!(watch.take(9, now), [lane(1), lane(3)], "news of one that rests");
        assert_eq!(watch.take(9, now + Duration::from_secs(1)), [lane(2)]);
        assert!(!watch.is_due(now + RESTS * 2), "whoever was taken is put back by whoever took it");
    }

    #[test]
    fn a_lane_waits_once_at_the_better_of_its_places() {
        let (mut watch, now) = (Watch::default(), Instant::now());
        watch.news([lane(1)], now);
        watch.news([lane(1)], now + Duration::from_secs(1));
        watch.again(lane(1), now);
        watch.rests(lane(1), now);
        assert_eq!(watch.take(9, now + RESTS * 2), [lane(1)]);
    }

    /// How many looks until the first one is looked at, which waits like this behind many others that wait like that.
    fn until_first(
        (first, others): (Rank, Rank),
        mut take: impl FnMut(&mut Watch, Instant) -> Option<EnvironmentId>,
    ) -> Option<usize> {
        let (mut watch, now) = (Watch::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        watch.put(lane(0), first, now);
        for n in 1..1_000 {
            watch.put(lane(n), others, later);
        }
        (1..100).find(|_| take(&mut watch, later) == Some(lane(0)))
    }

    #[test]
    fn neither_endless_news_nor_endless_looks_at_what_is_open_keep_anybody_waiting_for_ever() {
        // The sin: the better rank always goes first.
        let sin =
            |watch: &mut Watch, _: Instant| watch.due.iter_mut().find_map(BTreeSet::pop_first).map(|(_, lane)| lane);
        for waits in [(Rank::Open, Rank::News), (Rank::Resting, Rank::News), (Rank::Resting, Rank::Open)] {
            assert_eq!(until_first(waits, Watch::next), Some(SHARE), "{waits:?}");
            assert_eq!(until_first(waits, sin), None, "it is caught above: {waits:?}");
        }
    }
}

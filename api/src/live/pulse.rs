//! When to look: one task for the process follows the log as the control plane's role and tells whoever listens to a workspace
//! that something happened there, and within half a second that the listener belongs to it no longer. It hands out no event:
//! each listener reads through row-level security with its own eyes. While nobody listens nothing is read, however fast the log
//! grows. The trap avoided: a buffer that overflows, and a thousand listeners that ask the database twice a second each
//! whether they are still members; one value per listener holds all there is to say, and one statement asks for all of them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rhone_domain::ids::{ActorId, WorkspaceId};
use rhone_eventstore::{Bell, PgLog, Position, ReadError, Recorded, Tail};
use rhone_projections::{live, logs};
use sqlx::PgPool;
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use uuid::Uuid;

/// Between two questions whether the listeners still belong.
const STANDING: Duration = Duration::from_millis(400);
/// A listener looks by itself after this time, should the pulse have stopped.
const UNRUNG: Duration = Duration::from_secs(3);
/// Before the pulse follows again after the database failed it.
const AGAIN: Duration = Duration::from_millis(250);
/// Events read at a time; only their workspaces are looked at.
const BATCH: u32 = 500;

/// With whose eyes, and where, and for what.
type Key = (ActorId, WorkspaceId, About);

/// What a listener waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum About {
    Events,
    Logs,
}

/// The pulse. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Listeners>);

/// Who listens, and that somebody came.
#[derive(Debug, Default)]
struct Listeners {
    by_key: Mutex<HashMap<Key, watch::Sender<Beat>>>,
    came: Notify,
}

/// What a listener is told.
#[derive(Clone, Copy, Debug, Default)]
struct Beat {
    rings: u64,
    gone: bool,
}

/// One listener.
#[derive(Debug)]
pub(crate) struct Watching(watch::Receiver<Beat>);

impl Pulse {
    /// Listens to a workspace with somebody's eyes. Whether they may was asked before, and is asked again.
    pub(crate) fn watch(&self, eyes: ActorId, workspace: WorkspaceId) -> Watching {
        self.watch_for((eyes, workspace, About::Events))
    }

    /// The same for its logs, which are no events: new chunks are looked for as often as standing is asked for.
    pub(crate) fn watch_logs(&self, eyes: ActorId, workspace: WorkspaceId) -> Watching {
        self.watch_for((eyes, workspace, About::Logs))
    }

    fn watch_for(&self, key: Key) -> Watching {
        let watching = Watching(self.listeners().entry(key).or_default().subscribe());
        self.0.came.notify_one();
        watching
    }

    /// Beats until it is dropped.
    pub async fn run(self, pool: PgPool, bell: Bell) {
        loop {
            self.somebody().await;
            if let Err(error) = self.follow(&pool, &bell).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the pulse missed a beat");
                sleep(AGAIN).await;
            }
        }
    }

    /// Waits until somebody listens. Who comes between the look and the wait is not missed: one notice is kept.
    async fn somebody(&self) {
        while self.listeners().is_empty() {
            self.0.came.notified().await;
        }
    }

    /// Follows the log until nobody listens.
    async fn follow(&self, pool: &PgPool, bell: &Bell) -> Result<(), ReadError> {
        let head = self.head(pool).await?;
        // What happened while nobody followed: who came meanwhile may have read before it, and looks once more.
        self.ring(About::Events, |_| true);
        let mut logs = HashMap::new();
        let mut tail = Tail::new(PgLog::new(pool.clone()), head, BATCH, bell);
        let mut standing = interval(STANDING);
        standing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = standing.tick() => {
                    self.ask_for_standing(pool).await?;
                    if self.listeners().is_empty() {
                        return Ok(());
                    }
                    self.ask_for_logs(pool, &mut logs).await?;
                }
                batch = tail.next() => {
                    let batch = batch?;
                    self.ring_for(&batch);
                    tail.advance(batch.last().map_or(head, |last| last.position));
                }
            }
        }
    }

    async fn head(&self, pool: &PgPool) -> Result<Position, ReadError> {
        let mut connection = pool.acquire().await.map_err(ReadError::Unavailable)?;
        live::head(&mut connection).await
    }

    fn ring_for(&self, batch: &[Recorded]) {
        self.ring(About::Events, |workspace| batch.iter().any(|event| event.envelope.workspace == workspace));
    }

    fn ring(&self, about: About, of: impl Fn(WorkspaceId) -> bool) {
        for ((_, workspace, waits_for), beat) in self.listeners().iter() {
            if *waits_for == about && of(*workspace) {
                beat.send_modify(|beat| beat.rings = beat.rings.wrapping_add(1));
            }
        }
    }

    /// Tells those who belong no longer, and forgets whoever has left.
    async fn ask_for_standing(&self, pool: &PgPool) -> Result<(), ReadError> {
        let readers: Vec<_> = {
            let mut listeners = self.listeners();
            listeners.retain(|_, beat| beat.receiver_count() > 0);
            let count: usize = listeners.values().map(watch::Sender::receiver_count).sum();
            metrics::gauge!("rhone_live_listeners").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
            listeners.keys().map(|(eyes, workspace, _)| (eyes.0, workspace.0)).collect()
        };
        if readers.is_empty() {
            return Ok(());
        }
        let mut connection = pool.acquire().await.map_err(ReadError::Unavailable)?;
        let gone = live::gone(&mut connection, &readers).await.map_err(ReadError::Unavailable)?;
        for (eyes, workspace) in gone {
            // Whoever is let in again later listens anew.
            for about in [About::Events, About::Logs] {
                if let Some(beat) = self.listeners().remove(&(ActorId(eyes), WorkspaceId(workspace), about)) {
                    beat.send_modify(|beat| beat.gone = true);
                }
            }
        }
        Ok(())
    }

    /// Rings those who follow logs of workspaces that have a newer chunk than the last time.
    async fn ask_for_logs(&self, pool: &PgPool, known: &mut HashMap<Uuid, i64>) -> Result<(), ReadError> {
        let followed: HashSet<Uuid> = {
            let listeners = self.listeners();
            listeners.keys().filter(|(_, _, about)| *about == About::Logs).map(|(_, at, _)| at.0).collect()
        };
        known.retain(|workspace, _| followed.contains(workspace));
        if followed.is_empty() {
            return Ok(());
        }
        let mut connection = pool.acquire().await.map_err(ReadError::Unavailable)?;
        let followed: Vec<Uuid> = followed.into_iter().collect();
        let newest = logs::newest(&mut connection, &followed).await.map_err(ReadError::Unavailable)?;
        let newer: HashSet<Uuid> = newest
            .into_iter()
            .filter_map(|(workspace, pos)| (known.insert(workspace, pos) != Some(pos)).then_some(workspace))
            .collect();
        self.ring(About::Logs, |workspace| newer.contains(&workspace.0));
        Ok(())
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Key, watch::Sender<Beat>>> {
        self.0.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    /// Call before each reading: what happens from here on is noticed.
    pub(crate) fn look(&mut self) {
        self.0.borrow_and_update();
    }

    /// Whether the listener belongs to the workspace no longer.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.borrow().gone
    }

    /// Waits for a reason to look again. Safe to cancel.
    pub(crate) async fn again(&mut self) {
        match timeout(UNRUNG, self.0.changed()).await {
            Ok(Ok(())) | Err(_) => {}
            // Nobody will ring any more; `is_gone` has the reason, or the next reading.
            Ok(Err(_)) if self.is_gone() => {}
            Ok(Err(_)) => sleep(UNRUNG).await,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Who is rung, and who is not.
    use super::*;

    fn key(number: u128) -> (ActorId, WorkspaceId) {
        (ActorId(Uuid::from_u128(number)), WorkspaceId(Uuid::from_u128(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_between_reading_and_waiting_is_heard_and_another_workspaces_is_not() {
        let pulse = Pulse::default();
        let (one, two) = (key(1), key(2));
        let mut watching = pulse.watch(one.0, one.1);
        watching.look();
        pulse.ring(About::Events, |workspace| workspace == one.1);
        let begun = tokio::time::Instant::now();
        watching.again().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        watching.look();
        pulse.ring(About::Events, |workspace| workspace == two.1);
        pulse.ring(About::Logs, |workspace| workspace == one.1);
        watching.again().await;
        assert_eq!(begun.elapsed(), UNRUNG);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pulse_waits_for_somebody_and_misses_nobody() {
        let (pulse, (eyes, workspace)) = (Pulse::default(), key(1));
        assert!(timeout(UNRUNG, pulse.somebody()).await.is_err(), "nobody listens");
        let waits = timeout(UNRUNG, pulse.somebody());
        let (came, _watching) = tokio::join!(waits, async { pulse.watch(eyes, workspace) });
        assert!(came.is_ok(), "who came while it waited");
        assert!(timeout(UNRUNG, pulse.somebody()).await.is_ok(), "who came before it asked");
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_without_a_pulse_waits_and_does_not_spin() {
        let pulse = Pulse::default();
        let mut watching = pulse.watch(key(1).0, key(1).1);
        drop(pulse);
        let begun = tokio::time::Instant::now();
        watching.again().await;
        assert_eq!(begun.elapsed(), UNRUNG);
    }
}

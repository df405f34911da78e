//! What every part of one edge shares. The applier writes the table and the standing; requests read them without waiting.
//! The trap: a lock on the request path, so what requests need of the standing is two atomics.

use crate::{
    allocations::Allocations,
    clock::{self, Dice},
    config::Config,
    counters::Counters,
    standing::Standing,
    sticky::{Pins, Scheme},
    table::Table,
    waking::Waking,
};
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use rhone_domain::{
    edge_status::Observation,
    ids::{EdgeId, EnvironmentId},
};
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// No moment at all.
const NEVER: u64 = u64::MAX;

/// Who this edge is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// For good.
    pub(crate) edge: EdgeId,
    /// For this run.
    pub(crate) boot: Uuid,
    /// Where clients reach it.
    pub(crate) public_url: String,
    /// Sockets lost in earlier runs.
    pub(crate) lost_sessions: u64,
}

/// Whether requests are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Yes.
    Open,
    /// There is no table yet.
    Booting,
    /// Something is missing for too long.
    Closed,
}

/// See the module.
pub(crate) struct Core {
    /// As told at the start.
    pub(crate) config: Config,
    /// Who.
    pub(crate) identity: Identity,
    /// What requests read.
    pub(crate) table: ArcSwap<Table>,
    /// Requests held for apps that wake.
    pub(crate) waking: Waking,
    /// Since when it counts what it does.
    pub(crate) since: DateTime<Utc>,
    /// What outlives tables.
    pub(crate) allocations: Allocations,
    /// Counts.
    pub(crate) counters: Counters,
    /// The cookie.
    pub(crate) pins: Pins,
    /// Whether clients come over TLS.
    pub(crate) scheme: Scheme,
    /// Chance.
    pub(crate) dice: Dice,
    /// How it stands to the feed.
    pub(crate) standing: watch::Sender<Standing>,
    /// Keys not served.
    pub(crate) quarantined: watch::Sender<Vec<EnvironmentId>>,
    /// What owners answered, the latest per environment.
    observations: Mutex<HashMap<EnvironmentId, Observation>>,
    /// Something to report.
    pub(crate) report: Notify,
    /// Something to fetch.
    pub(crate) repair: Notify,
    /// Set when open work must end.
    pub(crate) ending: watch::Sender<bool>,
    has_table: AtomicBool,
    closes_at: AtomicU64,
}

impl Core {
    /// The shared parts of an edge that has applied nothing yet.
    pub(crate) fn new(config: Config, identity: Identity, cookie_key: &[u8; 32]) -> Self {
        let scheme = Scheme::of(&identity.public_url);
        Self {
            config,
            identity,
            table: ArcSwap::default(),
            waking: Waking::default(),
            since: clock::now(),
            allocations: Allocations::default(),
            counters: Counters::default(),
            pins: Pins::new(cookie_key, scheme),
            scheme,
            dice: Dice::new(),
            standing: watch::Sender::default(),
            quarantined: watch::Sender::default(),
            observations: Mutex::default(),
            report: Notify::new(),
            repair: Notify::new(),
            ending: watch::Sender::new(false),
            has_table: AtomicBool::new(false),
            closes_at: AtomicU64::new(NEVER),
        }
    }

    /// Whether a request that arrives now is served.
    pub(crate) fn door(&self) -> Door {
        if !self.has_table.load(Ordering::Acquire) {
            return Door::Booting;
        }
        let closes_at = self.closes_at.load(Ordering::Acquire);
        if closes_at != NEVER && clock::millis() >= closes_at { Door::Closed } else { Door::Open }
    }

    /// Writes down how the edge stands now.
    pub(crate) fn stand(&self, standing: Standing) {
        self.closes_at.store(standing.closes_at(&self.config.timing).unwrap_or(NEVER), Ordering::Release);
        if standing.position.is_some() {
            self.has_table.store(true, Ordering::Release);
        }
        self.standing.send_replace(standing);
    }

    /// Keeps what an owner answered; the latest per environment.
    pub(crate) fn observe(&self, observation: Observation) {
        let mut all = self.observations.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(observation.environment, observation);
        drop(all);
        self.report.notify_one();
    }

    /// What owners answered, the newest first.
    pub(crate) fn observations(&self) -> Vec<Observation> {
        let all = self.observations.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = all.values().cloned().collect();
        all.sort_unstable_by_key(|observation| std::cmp::Reverse(observation.at));
        all
    }
}

//! What the edge itself knows of an allocation: open work, recent failures, idle connections, and when its sockets must
//! end. Written by the request path and the applier, all of it without locks. The trap: the table is swapped at a rebuild,
//! but open sockets are not, so this outlives every table.

use crate::{body::Outgoing, clock};
use chrono::{DateTime, Utc};
use crossbeam_queue::ArrayQueue;
use hyper::client::conn::http1::SendRequest;
use rhone_domain::{
    edge_status::{Activity, Closed, Sessions},
    ids::AllocationId,
    numbers::Epoch,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};
use tokio::sync::watch;
use uuid::Uuid;

/// How long a failed connection speaks against an allocation.
const SORE_MS: u64 = 5_000;
/// How long an idle connection is worth keeping.
const IDLE_MS: u64 = 30_000;
/// How many counts of closed sockets are kept to be told.
const CLOSED_LIMIT: usize = 1_024;
/// How many idle connections an allocation keeps.
const IDLE_LIMIT: usize = 64;

/// Until when an allocation's open sockets may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// For as long as they like.
    Stay,
    /// Until then.
    CloseAt(DateTime<Utc>),
}

/// A connection to a gate that can take a request.
struct Idle {
    sender: SendRequest<Outgoing>,
    epoch: Epoch,
    since: u64,
}

/// One allocation, as this edge meets it.
pub(crate) struct Allocation {
    /// Which.
    pub(crate) id: AllocationId,
    open: AtomicU64,
    in_flight: AtomicU64,
    failed_at: AtomicU64,
    /// When work last began or ended, by the wall clock; 0: never.
    used_at: AtomicI64,
    idle: ArrayQueue<Idle>,
    /// Told by the applier, heard by every tunnel.
    pub(crate) fate: watch::Sender<Fate>,
}

impl Allocation {
    fn new(id: AllocationId) -> Self {
        Self {
            id,
            open: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            failed_at: AtomicU64::new(0),
            used_at: AtomicI64::new(0),
            idle: ArrayQueue::new(IDLE_LIMIT),
            fate: watch::Sender::new(Fate::Stay),
        }
    }

    /// Sockets and requests open now.
    pub(crate) fn load(&self) -> u64 {
        self.open.load(Ordering::Relaxed) + self.in_flight.load(Ordering::Relaxed)
    }

    fn used(&self) {
        self.used_at.store(clock::now().timestamp_millis(), Ordering::Relaxed);
    }

    fn activity(&self) -> Option<Activity> {
        let used = Some(self.used_at.load(Ordering::Relaxed)).filter(|used| *used > 0)?;
        let used_at = DateTime::from_timestamp_millis(used)?;
        Some(Activity { allocation: self.id, open: self.load(), used_at })
    }

    /// Whether no connection failed lately.
    pub(crate) fn is_healthy(&self, now: u64) -> bool {
        let failed = self.failed_at.load(Ordering::Relaxed);
        failed == 0 || now.saturating_sub(failed) > SORE_MS
    }

    /// A connection failed.
    pub(crate) fn failed(&self) {
        self.failed_at.store(clock::millis(), Ordering::Relaxed);
    }

    /// A connection was made.
    pub(crate) fn answered(&self) {
        self.failed_at.store(0, Ordering::Relaxed);
    }

    /// An idle connection under this epoch, not idle for longer than `max_idle` milliseconds.
    pub(crate) fn take_idle(&self, epoch: Epoch, max_idle: u64) -> Option<SendRequest<Outgoing>> {
        let now = clock::millis();
        while let Some(idle) = self.idle.pop() {
            let fresh = now.saturating_sub(idle.since) <= max_idle.min(IDLE_MS);
            if fresh && idle.epoch == epoch && idle.sender.is_ready() {
                return Some(idle.sender);
            }
        }
        None
    }

    /// Keeps a connection for the next request; the eldest gives way.
    pub(crate) fn keep_idle(&self, sender: SendRequest<Outgoing>, epoch: Epoch) {
        self.idle.force_push(Idle { sender, epoch, since: clock::millis() });
    }

    /// Closes every idle connection.
    pub(crate) fn forget_idle(&self) {
        while self.idle.pop().is_some() {}
    }
}

/// What was closed of an allocation at a deadline, by one run of the edge.
type ClosedBy = (AllocationId, DateTime<Utc>, Uuid);

/// Every allocation that this edge has met and not yet forgotten.
#[derive(Default)]
pub(crate) struct Allocations {
    all: papaya::HashMap<AllocationId, Arc<Allocation>>,
    sockets: Arc<AtomicU64>,
    /// Of an allocation that is forgotten, too: it is told long after its last socket, and by the next run as well.
    closed: Mutex<HashMap<ClosedBy, Closed>>,
}

impl Allocations {
    /// The allocation; met now if not before.
    pub(crate) fn meet(&self, id: AllocationId) -> Arc<Allocation> {
        Arc::clone(self.all.pin().get_or_insert_with(id, || Arc::new(Allocation::new(id))))
    }

    /// Forgets an allocation that is gone; its open sockets keep what they need.
    pub(crate) fn forget(&self, id: AllocationId) {
        if let Some(allocation) = self.all.pin().get(&id)
            && allocation.open.load(Ordering::Relaxed) == 0
        {
            allocation.forget_idle();
            self.all.pin().remove(&id);
        }
    }

    /// Forgets every allocation that `is_known` does not know and that has no open sockets.
    pub(crate) fn keep_only(&self, is_known: impl Fn(AllocationId) -> bool) {
        let all = self.all.pin();
        let unknown: Vec<_> = all.keys().copied().filter(|id| !is_known(*id)).collect();
        for id in unknown {
            self.forget(id);
        }
    }

    /// Open sockets, per allocation that has any.
    pub(crate) fn sessions(&self) -> Vec<Sessions> {
        let all = self.all.pin();
        let open = all.iter().map(|(id, a)| Sessions { allocation: *id, open: a.open.load(Ordering::Relaxed) });
        open.filter(|sessions| sessions.open > 0).collect()
    }

    /// Counts a socket that this run closes because its time is over; one that ends with the edge itself is none.
    pub(crate) fn count_closed(&self, socket: &Socket, boot: Uuid) {
        let now = clock::now();
        let Fate::CloseAt(deadline) = *socket.allocation.fate.borrow() else { return };
        let allocation = socket.allocation.id;
        if deadline > now {
            return;
        }
        let mut all = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = Closed { allocation, deadline, sockets: 0, at: now, boot: Some(boot) };
        let one = all.entry((allocation, deadline, boot)).or_insert(first);
        (one.sockets, one.at) = (one.sockets + 1, now);
    }

    /// Takes over what earlier runs closed.
    pub(crate) fn remember(&self, closed: Vec<Closed>) {
        let mut all = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(closed.into_iter().filter_map(|one| Some(((one.allocation, one.deadline, one.boot?), one))));
    }

    /// What was closed since, the latest first; what was before is forgotten.
    pub(crate) fn closed(&self, since: DateTime<Utc>) -> Vec<Closed> {
        let mut all = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.at >= since);
        let mut closed: Vec<_> = all.values().cloned().collect();
        drop(all);
        closed.sort_unstable_by_key(|one| std::cmp::Reverse(one.at));
        closed.truncate(CLOSED_LIMIT);
        closed
    }

    /// Every allocation that was ever used through this edge.
    pub(crate) fn activity(&self) -> Vec<Activity> {
        self.all.pin().values().filter_map(|allocation| allocation.activity()).collect()
    }

    /// Open sockets altogether.
    pub(crate) fn sockets(&self) -> u64 {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Counts a socket for as long as the guard lives.
    pub(crate) fn open_socket(&self, allocation: &Arc<Allocation>) -> Socket {
        allocation.open.fetch_add(1, Ordering::Relaxed);
        allocation.used();
        self.sockets.fetch_add(1, Ordering::Relaxed);
        Socket { allocation: Arc::clone(allocation), sockets: Arc::clone(&self.sockets) }
    }
}

/// An open socket.
pub(crate) struct Socket {
    allocation: Arc<Allocation>,
    sockets: Arc<AtomicU64>,
}

impl Socket {
    /// Hears until when it may stay.
    pub(crate) fn fate(&self) -> watch::Receiver<Fate> {
        self.allocation.fate.subscribe()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.allocation.used();
        self.allocation.open.fetch_sub(1, Ordering::Relaxed);
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request on its way.
pub(crate) struct InFlight(Arc<Allocation>);

impl InFlight {
    /// Counts a request for as long as the guard lives.
    pub(crate) fn start(allocation: &Arc<Allocation>) -> Self {
        allocation.in_flight.fetch_add(1, Ordering::Relaxed);
        allocation.used();
        Self(Arc::clone(allocation))
    }

    /// Where it goes.
    pub(crate) fn allocation(&self) -> &Arc<Allocation> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.used();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

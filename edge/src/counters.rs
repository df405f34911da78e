//! What the edge counts, shown on `/metrics` and `/table`. Anyone may count; nobody decides by a count. The trap: a rule
//! without a counter is a rule whose breach nobody sees.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

/// One count, only rising.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So far.
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident;)*) => {
        /// All counts of one edge.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[doc = $doc])* pub(crate) $name: Counter,)*
        }

        impl Counters {
            /// Every count with its name and meaning.
            fn list(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($doc),*), self.$name.read()),)*]
            }
        }
    };
}

counters! {
    /// Feed entries applied.
    feed_applied;
    /// Feed entries at a position already passed.
    feed_duplicate;
    /// Feed entries beyond the next position.
    feed_gap;
    /// Feed entries, or keys of a snapshot, older than what is held for their key.
    feed_stale;
    /// Keys for which two contents claim the same place in order, or a lower epoch was offered.
    feed_conflict;
    /// Times that another life of the feed, or another history, was met.
    feed_rebuild;
    /// Words whose signature or digest did not fit.
    feed_forged;
    /// Words about another region.
    feed_foreign;
    /// Words that could not be read.
    feed_unread;
    /// Snapshots taken over.
    snapshot_adopted;
    /// Snapshots older than what is held.
    snapshot_older;
    /// Snapshots that lacked too many routes.
    snapshot_shrunk;
    /// Failed calls to the control plane.
    control_failed;
    /// Failures to write the table to disk.
    disk_failed;
    /// Requests received.
    requests;
    /// Requests refused for their form.
    requests_malformed;
    /// Requests for a host that is not in the table.
    requests_unknown_host;
    /// Requests answered 503 by the edge.
    requests_unserved;
    /// Requests that failed after they may have reached the app.
    requests_failed;
    /// Requests sent a second time.
    requests_retried;
    /// Requests held for an app that wakes.
    holds;
    /// Requests that found no room among the held.
    holds_refused;
    /// Requests held in vain.
    holds_expired;
    /// Requests told to come back because the app sleeps.
    requests_asleep;
    /// Requests for what another region serves.
    requests_elsewhere;
    /// Questions to the control plane for a wake.
    wakes_asked;
    /// Connections to a gate that failed.
    gate_failed;
    /// Gates that refused a connection as not meant for them.
    gate_misdirected;
    /// Sockets opened.
    sockets_opened;
    /// Sockets closed with 1012.
    sockets_closed_1012;
    /// Observations that proved an owner.
    observed_proven;
    /// Reports the control plane took.
    status_sent;
}

impl Counters {
    /// In the text format of Prometheus.
    pub(crate) fn prometheus(&self) -> String {
        let mut text = String::new();
        for (name, meaning, value) in self.list() {
            let meaning = meaning.trim();
            write!(
                text,
                "# HELP rhone_edge_{name}_total {meaning}\n# TYPE rhone_edge_{name}_total counter\nrhone_edge_{name}_total {value}\n"
            )
            .expect("a string takes what is written to it");
        }
        text
    }

    /// As a JSON object.
    pub(crate) fn json(&self) -> serde_json::Value {
        self.list()
            .into_iter()
            .map(|(name, _, value)| (name.to_owned(), value.into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

//! What the agent counts, for `/metrics`. The text is written here and not by a recorder, because a library must not take the
//! process's only one.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// The counters of one agent.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Orders refused because of their generation.
    pub(crate) orders_refused: AtomicU64,
    /// Reports that the control plane would never take.
    pub(crate) reports_dropped: AtomicU64,
    /// Reports taken.
    pub(crate) reports_sent: AtomicU64,
    /// Artifacts whose bytes were not theirs, fetched or kept.
    pub(crate) artifacts_refused: AtomicU64,
    /// Apps started again after an end of their own.
    pub(crate) restarts: AtomicU64,
    /// Gates started.
    pub(crate) gates_started: AtomicU64,
    /// Gates found running and taken over.
    pub(crate) gates_adopted: AtomicU64,
    /// Lines of apps taken.
    pub(crate) log_lines_sent: AtomicU64,
    /// Chunks of lines that the control plane would never take.
    pub(crate) log_chunks_dropped: AtomicU64,
    /// Requests to the control plane that failed.
    pub(crate) control_failures: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    /// In the text format of Prometheus.
    pub(crate) fn render(&self, allocations: usize, reports_waiting: usize) -> String {
        let mut text = String::new();
        let counters = [
            ("orders_refused", "Orders refused because of their generation.", &self.orders_refused),
            ("reports_dropped", "Reports that the control plane would never take.", &self.reports_dropped),
            ("reports_sent", "Reports that the control plane took.", &self.reports_sent),
            ("artifacts_refused", "Artifacts whose bytes did not have their digest.", &self.artifacts_refused),
            ("restarts", "Apps started again after an end of their own.", &self.restarts),
            ("gates_started", "Gates started.", &self.gates_started),
            ("gates_adopted", "Gates found running and taken over.", &self.gates_adopted),
            ("log_lines_sent", "Lines of apps that the control plane took.", &self.log_lines_sent),
            (
                "log_chunks_dropped",
                "Chunks of lines that the control plane would never take.",
                &self.log_chunks_dropped,
            ),
            ("control_failures", "Requests to the control plane that failed.", &self.control_failures),
        ];
        for (name, help, counter) in counters {
            let value = counter.load(Ordering::Relaxed);
            let _ = writeln!(
                text,
                "# HELP rhone_runner_{name}_total {help}\n# TYPE rhone_runner_{name}_total counter\nrhone_runner_{name}_total {value}"
            );
        }
        for (name, help, value) in [
            ("allocations", "Allocations known on this host.", allocations),
            ("reports_waiting", "Reports not yet taken.", reports_waiting),
        ] {
            let _ = writeln!(
                text,
                "# HELP rhone_runner_{name} {help}\n# TYPE rhone_runner_{name} gauge\nrhone_runner_{name} {value}"
            );
        }
        text
    }
}

//! One figure of a benchmark, printed as one line of JSON: what was measured, how often, and whether the goal was met. The
//! trap: a benchmark that fails a build on a busy machine; goals are reported, never asserted.

use serde::Serialize;
use std::{process::Command, time::Duration};

/// One figure.
#[derive(Debug, Serialize)]
pub struct Figure<'a> {
    suite: &'a str,
    name: String,
    value: f64,
    unit: &'a str,
    samples: usize,
    goal: Option<String>,
    met: Option<bool>,
    commit: &'a str,
    machine: &'a str,
}

/// What a figure should be, in its unit.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Less than this.
    Below(f64),
    /// This or more.
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::Below(limit) => value < limit,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn said(self, unit: &str) -> String {
        match self {
            Self::Below(limit) => format!("< {limit} {unit}"),
            Self::AtLeast(least) => format!(">= {least} {unit}"),
        }
    }
}

/// Prints the figures of one suite.
#[derive(Debug)]
pub struct Printer {
    suite: &'static str,
    commit: String,
    machine: String,
}

impl Printer {
    /// Of this suite.
    pub fn new(suite: &'static str) -> Self {
        Self { suite, commit: commit(), machine: machine() }
    }

    /// Prints one figure.
    pub fn figure(&self, name: &str, value: f64, unit: &str, samples: usize, goal: Option<Goal>) {
        let figure = Figure {
            suite: self.suite,
            name: name.to_owned(),
            value: (value * 100.0).round() / 100.0,
            unit,
            samples,
            goal: goal.map(|goal| goal.said(unit)),
            met: goal.map(|goal| goal.is_met(value)),
            commit: &self.commit,
            machine: &self.machine,
        };
        let line = serde_json::to_string(&figure).expect("a figure has text keys");
        println!("{line}");
    }

    /// Prints median, 99th percentile and maximum of some durations; the 99.9th where there are enough for one.
    pub fn distribution(&self, name: &str, mut samples: Vec<Duration>, p99: Option<Goal>) {
        samples.sort_unstable();
        let at = |share: f64| milliseconds(quantile(&samples, share));
        self.figure(&format!("{name} p50"), at(0.5), "ms", samples.len(), None);
        self.figure(&format!("{name} p99"), at(0.99), "ms", samples.len(), p99);
        if samples.len() >= 1_000 {
            self.figure(&format!("{name} p99.9"), at(0.999), "ms", samples.len(), None);
        }
        self.figure(&format!("{name} max"), at(1.0), "ms", samples.len(), None);
    }
}

/// The median, in milliseconds.
pub fn p50(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    milliseconds(quantile(&samples, 0.5))
}

/// The 99th percentile, in milliseconds.
pub fn p99(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    milliseconds(quantile(&samples, 0.99))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of samples far below 2^52"
)]
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * share).ceil() as usize).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn commit() -> String {
    let said = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    said.ok()
        .filter(|said| said.status.success())
        .map_or_else(|| "unknown".to_owned(), |said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let memory = read("/proc/meminfo");
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    format!("{cores} x {}, {} GiB", model.trim_start_matches(['\t', ' ', ':']), kib / 1_048_576)
}

#[cfg(test)]
mod tests {
    //! Percentiles of known samples.
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_samples() {
        let samples = (1..=100).map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(quantile(&samples, 1.0), Duration::from_millis(100));
        assert_eq!(quantile(&samples, 0.99), Duration::from_millis(100));
        assert_eq!(quantile(&samples, 0.5), Duration::from_millis(51));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn a_goal_is_met_on_its_own_side_of_the_limit() {
        let met = |goal: Goal| [1.9, 2.0, 2.1].map(|value| goal.is_met(value));
        assert_eq!(met(Goal::Below(2.0)), [true, false, false]);
        assert_eq!(met(Goal::AtLeast(2.0)), [false, true, true]);
    }
}

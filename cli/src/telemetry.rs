//! Logs to standard error and metrics to whoever asks. `RHONE_LOG` filters as tracing's directives do; `RHONE_LOG_FORMAT=json`
//! writes a line of JSON each. The trap avoided: a recorder whose histograms grow for ever; it is kept up every few seconds.

use crate::args::Verbosity;
use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::{env, io, time::Duration};
use tracing_subscriber::EnvFilter;

const UPKEEP: Duration = Duration::from_secs(5);

/// Whatever is asked for: below this level it prints what it sends and gets, and a container's variables are among that.
const SILENCED: [&str; 1] = ["bollard=info"];

/// What is logged unless `RHONE_LOG` says otherwise.
pub(crate) fn usual(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Part => "info,async_nats=warn,hyper=warn,sqlx=warn",
        Verbosity::Quiet => "warn,async_nats=error,sqlx=error",
    }
}

/// Sets the log up; once in a process.
pub fn init(verbosity: Verbosity) {
    let filter = env::var("RHONE_LOG").ok().and_then(|directives| EnvFilter::try_new(directives).ok());
    let filter = SILENCED
        .iter()
        .filter_map(|quiet| quiet.parse().ok())
        .fold(filter.unwrap_or_else(|| EnvFilter::new(usual(verbosity))), EnvFilter::add_directive);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // It fails only if a log is set up already; then that one stays.
    let _ = if env::var("RHONE_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().try_init()
    } else {
        log.try_init()
    };
}

/// Starts to count; what was counted is rendered by the handle.
pub(crate) fn metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder().context("setting metrics up")?;
    let kept = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            kept.run_upkeep();
        }
    });
    Ok(handle)
}

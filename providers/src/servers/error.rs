//! Why a private server does not run: one line each, and the line says what to do.

use std::{io, path::PathBuf};

/// Why a private server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The program is not installed.
    #[error("{server} is missing: {remedy}")]
    Missing {
        /// Which server.
        server: &'static str,
        /// What to do about it.
        remedy: String,
    },
    /// Root needs an ordinary user to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root and there is no user `postgres`: useradd --system postgres (or set DATABASE_URL)"
    )]
    NoOsUser,
    /// A parent of the data folder is closed to the user who runs PostgreSQL.
    #[error("PostgreSQL runs as the user `postgres`, who cannot enter {}: chmod o+x it, or choose a data folder elsewhere", folder.display())]
    Untraversable {
        /// The first folder that is closed.
        folder: PathBuf,
    },
    /// Another process of ours owns the data folder right now.
    #[error("another rhone uses {}: stop it first, or choose another data folder", folder.display())]
    Owned {
        /// The data folder.
        folder: PathBuf,
    },
    /// A server on this data folder runs and could not be stopped.
    #[error("process {pid} still uses {} and does not stop: kill -9 {pid}", folder.display())]
    Lingers {
        /// The process.
        pid: u32,
        /// The data folder.
        folder: PathBuf,
    },
    /// No free port was found.
    #[error("no free port on 127.0.0.1: stop something that listens there")]
    NoPort,
    /// The server ended before it answered.
    #[error("{server} did not start ({last}); its log is {}", log.display())]
    Ended {
        /// Which server.
        server: &'static str,
        /// The last line it logged.
        last: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer as ours within {seconds} s; its log is {}", log.display())]
    Silent {
        /// Which server.
        server: &'static str,
        /// How long was waited.
        seconds: u64,
        /// The whole log.
        log: PathBuf,
    },
    /// A program that prepares the data folder failed.
    #[error("{program} failed: {last}")]
    Failed {
        /// The program.
        program: PathBuf,
        /// The last line it printed.
        last: String,
    },
    /// A file or process operation failed.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Adds what was being done, and to which file, to an I/O failure.
pub(super) fn during(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ServerError {
    let path = path.into();
    move |source| ServerError::Io { doing, path, source }
}

//! What is asked of the database before anything is served, and watched afterwards. The trap avoided: a log restored from a
//! dump carries transaction numbers that the new cluster has not reached; it would read as empty, without an error.

use sqlx::{PgPool, Row as _};

/// Why the log is not opened.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// It was restored on another cluster: its history would be hidden.
    #[error("the log's order is ahead of this cluster: run `rhone admin reseal` ({message})")]
    Sealed {
        /// What the database said.
        message: String,
    },
    /// It could not be asked.
    #[error("the log could not be checked")]
    Unavailable(#[source] sqlx::Error),
}

/// What holds the watermark, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Watermark {
    /// The age of the oldest write transaction of the cluster; events committed since are not yet read.
    pub lag_seconds: f64,
    /// Who holds it: a server process, or none if it is a prepared transaction.
    pub pid: Option<i32>,
    /// What holds it, for people: program, state and the beginning of the query.
    pub holder: Option<String>,
}

/// Refuses a log that must be resealed first.
pub async fn check(pool: &PgPool) -> Result<(), BootError> {
    match sqlx::query("SELECT log.check_boot()").execute(pool).await {
        Ok(_) => Ok(()),
        Err(error) => match error.as_database_error() {
            Some(refusal) if refusal.code().as_deref() == Some("RH010") => {
                Err(BootError::Sealed { message: refusal.message().to_owned() })
            }
            Some(_) | None => Err(BootError::Unavailable(error)),
        },
    }
}

/// Opens the next era on a restored log; `pool` is the administrator's. Returns its number.
pub async fn reseal(pool: &PgPool, reason: &str, actor: rhone_domain::ids::ActorId) -> Result<i32, sqlx::Error> {
    sqlx::query("SELECT log.reseal($1, $2) AS era").bind(reason).bind(actor.0).fetch_one(pool).await?.try_get("era")
}

/// Measures the watermark and reports it as `rhone_log_watermark_lag_seconds`; a warning names the holder above 2 s.
pub async fn watermark(pool: &PgPool) -> Result<Watermark, sqlx::Error> {
    let row = sqlx::query("SELECT lag_seconds, pid, holder FROM log.watermark()").fetch_one(pool).await?;
    let watermark = Watermark {
        lag_seconds: row.try_get("lag_seconds")?,
        pid: row.try_get("pid")?,
        holder: row.try_get("holder")?,
    };
    metrics::gauge!("rhone_log_watermark_lag_seconds").set(watermark.lag_seconds);
    if watermark.lag_seconds > 2.0 {
        tracing::warn!(
            lag_seconds = watermark.lag_seconds,
            pid = watermark.pid,
            holder = watermark.holder,
            "a write transaction holds the log's readers back"
        );
    }
    Ok(watermark)
}

//! PostgreSQL: connects, asks which database it really is, and writes, reads and drops a row in a table of the session's own.
//! Its identity is the cluster's system identifier and the database's oid and name, whatever host it is reached by. The trap
//! avoided: two names of one database taken for two; and a standby taken for a database that can be written.

mod tls;

use super::{Ground, Probe, ProbeError, Proven, Target};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::time::Duration;
use tls::Protection;
use tokio_postgres::{Client, Config, error::SqlState};

pub(super) struct Postgres;

impl Probe for Postgres {
    fn probe<'a>(&'a self, target: &'a Target, ground: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>> {
        probe(target, ground).boxed()
    }
}

async fn probe(target: &Target, ground: &Ground) -> Result<Proven, ProbeError> {
    let address = ground.reach.resolve(target).await?;
    let (protection, url) = tls::read(target)?;
    let mut config = url.as_str().parse::<Config>().map_err(|_| malformed(target))?;
    // The host of the URL is only a name by now; connecting goes to the address that was judged.
    config.hostaddr(address.ip()).connect_timeout(Duration::from_secs(4)).application_name("rhone probe");
    config.ssl_mode(protection.mode());
    let connected = config.connect(protection.connector(ground)?).await;
    let (client, connection) = connected.map_err(|error| said(target, &error))?;
    let connection = tokio::spawn(connection);
    let proven = ask(&client, protection).await.map_err(|error| said(target, &error)).and_then(|proven| proven);
    connection.abort();
    proven
}

async fn ask(client: &Client, protection: Protection) -> Result<Result<Proven, ProbeError>, tokio_postgres::Error> {
    let row = client
        .query_one(
            "SELECT (SELECT system_identifier FROM pg_control_system())::text, d.oid::text, d.datname::text,
                    current_setting('server_version'), pg_is_in_recovery()
             FROM pg_database d WHERE d.datname = current_database()",
            &[],
        )
        .await?;
    let text = |at: usize| row.get::<_, String>(at);
    if row.get::<_, bool>(4) {
        return Ok(Err(ProbeError::fatal("READ_ONLY", "the database is a standby, which nobody can write")));
    }
    let probe =
        "CREATE TEMPORARY TABLE rhone_probe (word text) ON COMMIT DROP; INSERT INTO rhone_probe VALUES ('rhone')";
    client.batch_execute("BEGIN").await?;
    client.batch_execute(probe).await?;
    let read: String = client.query_one("SELECT word FROM pg_temp.rhone_probe", &[]).await?.get(0);
    client.batch_execute("ROLLBACK").await?;
    if read != "rhone" {
        return Ok(Err(ProbeError::fatal("WRONG_ANSWER", "what was written was not what was read")));
    }
    let identity = format!("postgres:{}/{}/{}", text(0), text(1), text(2));
    let mut evidence = vec![
        format!("PostgreSQL {} answered as database {}", text(3), text(2)),
        "a row was written, read and dropped".to_owned(),
    ];
    evidence.extend(protection.evidence().map(str::to_owned));
    Ok(Ok(Proven { identity: Some(identity), evidence }))
}

fn malformed(target: &Target) -> ProbeError {
    ProbeError::fatal("MALFORMED", format!("the address of {} cannot be read", target.endpoint()))
}

/// In words that hold nothing of the credential.
fn said(target: &Target, error: &tokio_postgres::Error) -> ProbeError {
    let endpoint = target.endpoint();
    match error.code() {
        Some(code) if code == &SqlState::INVALID_PASSWORD || code == &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            ProbeError::fatal("CREDENTIAL_REFUSED", format!("{endpoint} refuses the credential"))
        }
        Some(code) if code == &SqlState::INVALID_CATALOG_NAME => {
            ProbeError::fatal("DATABASE_MISSING", format!("there is no such database at {endpoint}"))
        }
        Some(code) if code == &SqlState::INSUFFICIENT_PRIVILEGE => {
            ProbeError::fatal("NOT_PERMITTED", format!("{endpoint} does not let us write or say which database it is"))
        }
        Some(code) => ProbeError::retry("PROBE_FAILED", format!("{endpoint} answered with SQLSTATE {}", code.code())),
        None => tls::refused(target, error).unwrap_or_else(|| ProbeError::unreachable(target)),
    }
}

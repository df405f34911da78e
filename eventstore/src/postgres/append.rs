//! One call of `log.append`, and what its answers and errors mean. The trap avoided: taking every lost connection for a
//! failed append; what was sent may have been committed.

use crate::{
    log::{Append, AppendError, Appended, NewEvent},
    transaction::Transaction,
};
use rhone_domain::{digest::Digest, envelope::StreamId, numbers::Version};
use serde::Deserialize;
use sqlx::{
    PgConnection, PgPool, Postgres, Row as _,
    error::DatabaseError,
    postgres::{PgArguments, PgDatabaseError, PgRow},
    query::Query,
};

const APPEND: &str = "
    SELECT era, tx, pos, replayed, answer::text AS answer
    FROM log.append($1, $2, $3, $4, $5, $6::json, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                    $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31::json)";

pub(super) async fn append(pool: &PgPool, secret: Option<Digest>, append: &Append) -> Result<Appended, AppendError> {
    let call = bind(append)?;
    let row = match secret {
        // Rare, and large: in every append it would take its place.
        Some(secret) => Box::pin(run_showing(pool, secret, call, append)).await?,
        None => {
            let mut connection = pool.acquire().await.map_err(AppendError::Unavailable)?;
            run(&mut connection, call).await.map_err(|error| meaning(error, append))?
        }
    };
    appended(&row).map_err(AppendError::Unknown)
}

/// In a transaction that says what was shown; the setting ends with it.
async fn run_showing(
    pool: &PgPool,
    secret: Digest,
    call: Query<'_, Postgres, PgArguments>,
    append: &Append,
) -> Result<PgRow, AppendError> {
    let mut transaction = Transaction::begin(pool).await.map_err(AppendError::Unavailable)?;
    sqlx::query("SELECT set_config('rhone.secret', $1, true)")
        .bind(secret.hex())
        .execute(&mut *transaction)
        .await
        .map_err(AppendError::Unavailable)?;
    let row = run(&mut transaction, call).await.map_err(|error| meaning(error, append))?;
    transaction.commit().await.map_err(AppendError::Unknown)?;
    Ok(row)
}

async fn run(connection: &mut PgConnection, call: Query<'_, Postgres, PgArguments>) -> Result<PgRow, sqlx::Error> {
    call.fetch_one(connection).await
}

fn bind(append: &Append) -> Result<Query<'static, Postgres, PgArguments>, AppendError> {
    let request = append.idempotency.as_ref();
    let inline = (!append.inline.is_empty()).then(|| json(&append.inline));
    let query = sqlx::query(APPEND)
        .bind(append.workspace.0)
        .bind(request.map(|request| request.workspace.0))
        .bind(request.map(|request| request.actor.0))
        .bind(request.map(|request| request.key.as_str()))
        .bind(request.map(|request| request.fingerprint.0.as_slice()))
        .bind(request.map(|request| json(&request.answer)))
        .bind(append.fence.as_ref().map(|check| check.lease.as_str()))
        .bind(append.fence.as_ref().map(|check| signed(check.fence.0)).transpose()?)
        .bind(names(append.writes.iter().map(|write| &write.stream)))
        .bind(versions(append.writes.iter().map(|write| write.expected))?)
        .bind(names(append.asserts.iter().map(|(stream, _)| stream)))
        .bind(versions(append.asserts.iter().map(|(_, version)| *version))?);
    let query = bind_events(query, append)?;
    Ok(query.bind(inline))
}

fn bind_events(
    query: Query<'static, Postgres, PgArguments>,
    append: &Append,
) -> Result<Query<'static, Postgres, PgArguments>, AppendError> {
    let events = append.writes.iter().flat_map(|write| &write.events).collect::<Vec<_>>();
    let foreign = events.iter().find(|event| event.envelope.workspace != append.workspace);
    if let Some(event) = foreign {
        let stream = &event.envelope.stream;
        return Err(AppendError::Malformed(format!("an event of {stream} is of another workspace")));
    }
    let schemas = events.iter().map(|event| i16::try_from(event.envelope.schema_version));
    let schemas = schemas
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| AppendError::Malformed("a schema version above 32767".into()))?;
    Ok(query
        .bind(column(&events, |event| event.envelope.stream.as_str()))
        .bind(versions(events.iter().map(|event| event.envelope.version))?)
        .bind(column(&events, |event| event.envelope.event_id.0))
        .bind(column(&events, |event| event.envelope.event_type.as_str()))
        .bind(schemas)
        .bind(column(&events, |event| event.envelope.region.map(|id| id.0)))
        .bind(column(&events, |event| event.envelope.cell.map(|id| id.0)))
        .bind(column(&events, |event| event.envelope.actor.id.0))
        .bind(column(&events, |event| event.envelope.actor.kind.as_str()))
        .bind(column(&events, |event| event.envelope.actor.on_behalf_of.map(|id| id.0)))
        .bind(column(&events, |event| event.envelope.writer.as_str()))
        .bind(column(&events, |event| event.envelope.correlation.0))
        .bind(column(&events, |event| event.envelope.causation.map(|id| id.0)))
        .bind(column(&events, |event| event.envelope.idempotency_key.as_deref()))
        .bind(column(&events, |event| event.envelope.traceparent.as_deref()))
        .bind(column(&events, |event| event.envelope.occurred_at))
        .bind(column(&events, |event| event.payload.as_str()))
        .bind(column(&events, |event| event.hash.0.as_slice())))
}

/// What each event has there; borrowed, because a bound value is written into the call at once.
fn column<'a, T>(events: &[&'a NewEvent], of: impl Fn(&'a NewEvent) -> T) -> Vec<T> {
    events.iter().copied().map(of).collect()
}

fn names<'a>(streams: impl Iterator<Item = &'a StreamId>) -> Vec<&'a str> {
    streams.map(StreamId::as_str).collect()
}

fn versions(versions: impl Iterator<Item = Version>) -> Result<Vec<i64>, AppendError> {
    versions.map(|version| signed(version.0)).collect()
}

fn signed(number: u64) -> Result<i64, AppendError> {
    i64::try_from(number).map_err(|_| AppendError::Malformed(format!("{number} is more than a bigint holds")))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a JSON value has text keys")
}

fn appended(row: &PgRow) -> Result<Appended, sqlx::Error> {
    let position = super::read::position_of(row)?;
    if row.try_get("replayed")? {
        let answer: String = row.try_get("answer")?;
        let answer = serde_json::from_str(&answer).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Appended::Replayed { answer, position })
    } else {
        Ok(Appended::Done { position })
    }
}

/// The detail of `RH001`.
#[derive(Deserialize)]
struct ConflictDetail {
    stream: String,
    expected: u64,
    actual: u64,
}

fn meaning(error: sqlx::Error, append: &Append) -> AppendError {
    let Some(refusal) = error.as_database_error() else {
        return AppendError::Unknown(error);
    };
    let code = refusal.code().unwrap_or_default().into_owned();
    let message = refusal.message().to_owned();
    let detail = refusal.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::detail).map(str::to_owned);
    match code.as_str() {
        "RH001" => conflict(detail.as_deref(), message),
        "RH002" => AppendError::KeyReused {
            key: append.idempotency.as_ref().map(|request| request.key.clone()).unwrap_or_default(),
        },
        "RH003" => stale_fence(append, message),
        "RH004" => AppendError::Malformed(message),
        "RH005" => match detail.as_deref().unwrap_or_default().parse() {
            Ok(stream) => AppendError::ForeignStream { stream },
            Err(_) => AppendError::Malformed(message),
        },
        rule if rule.starts_with("RH") => AppendError::Refused { code, message, detail },
        // The server ended the connection: before or after the commit, nobody knows.
        "57P01" | "57P02" => AppendError::Unknown(error),
        data if data.starts_with("22") || data.starts_with("23") => AppendError::Malformed(described(refusal, detail)),
        _ => AppendError::Unavailable(error),
    }
}

fn described(refusal: &dyn DatabaseError, detail: Option<String>) -> String {
    match detail {
        Some(detail) => format!("{} ({detail})", refusal.message()),
        None => refusal.message().to_owned(),
    }
}

fn conflict(detail: Option<&str>, message: String) -> AppendError {
    let detail = detail.and_then(|detail| serde_json::from_str::<ConflictDetail>(detail).ok());
    let stream = detail.as_ref().and_then(|detail| detail.stream.parse().ok());
    match (detail, stream) {
        (Some(detail), Some(stream)) => {
            AppendError::Conflict { stream, expected: Version(detail.expected), actual: Version(detail.actual) }
        }
        _ => AppendError::Malformed(message),
    }
}

fn stale_fence(append: &Append, message: String) -> AppendError {
    match &append.fence {
        Some(check) => AppendError::StaleFence { lease: check.lease.clone(), fence: check.fence },
        None => AppendError::Malformed(message),
    }
}

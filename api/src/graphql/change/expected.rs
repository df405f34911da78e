//! The version that a change was decided on: what somebody looked at must still be so, or nothing happens. The trap avoided: a
//! version that is compared and not asserted; the append holds the stream at the very version that was compared.

use super::{Bench, Judged, No, Refusal};
use crate::graphql::user_error::UserError;
use rhone_domain::{
    aggregate::Aggregate as _,
    allocation::Allocation,
    app::App,
    envelope::StreamId,
    environment::Environment,
    history::OF_AN_ENVIRONMENT,
    ids::{AppId, EnvironmentId},
    numbers::Version,
    operation::Operation,
};
use rhone_eventstore::{Log as _, ReadError};

/// What a change is refused with that was decided on another version.
pub(crate) const CODE: &str = "STALE_VERSION";

/// Holds what was judged to the version that the caller expects.
pub(super) async fn hold(bench: &Bench<'_>, expected: Option<Version>, mut judged: Judged) -> Result<Judged, No> {
    let (Some(expected), Some(stream)) = (expected, judged.decided_on.clone()) else { return Ok(judged) };
    let actual = match judged.unit.judged_at(&stream) {
        Some(version) => version,
        None => last(bench, &stream).await?,
    };
    if actual == expected {
        if judged.unit.judged_at(&stream).is_none() {
            judged.unit.assert_at(&stream, expected);
        }
        return Ok(judged);
    }
    let error = UserError {
        code: CODE.to_owned(),
        field: Some("expectedVersion".to_owned()),
        message: format!("{stream} is at version {actual} by now"),
        expected: Some(expected.to_string()),
        actual: Some(actual.to_string()),
        gates: Vec::new(),
    };
    let (workspace, (app, environment)) = (judged.unit.context().workspace, concerned(bench, &stream).await?);
    Err(No::Refused(Box::new(Refusal { error, target: stream, workspace, app, environment })))
}

/// In whose timeline the refusal stands besides the workspace's.
async fn concerned(bench: &Bench<'_>, stream: &StreamId) -> Result<(Option<AppId>, Option<EnvironmentId>), No> {
    Ok(match stream.category() {
        App::CATEGORY => (Some(AppId(stream.id())), None),
        category if OF_AN_ENVIRONMENT.contains(&category) => {
            let created = bench.load::<Environment>(stream.id()).await?.state.created;
            created.map_or((None, None), |created| (Some(created.app), Some(created.id)))
        }
        Allocation::CATEGORY => {
            let planned = bench.load::<Allocation>(stream.id()).await?.state.planned;
            planned.map_or((None, None), |planned| (Some(planned.app), Some(planned.environment)))
        }
        Operation::CATEGORY => {
            let requested = bench.load::<Operation>(stream.id()).await?.state.requested;
            requested.map_or((None, None), |requested| (requested.work.app(), requested.work.environment()))
        }
        _ => (None, None),
    })
}

/// The version of a stream that is not part of the change.
async fn last(bench: &Bench<'_>, stream: &StreamId) -> Result<Version, ReadError> {
    let events = bench.door.log().read_stream(stream, Version(0)).await?;
    Ok(events.last().map_or(Version(0), |event| event.envelope.version))
}

//! The version that a change was decided on: what somebody looked at must still be so, or nothing happens. The trap avoided: a
//! version that is compared and not asserted; the append holds the stream at the very version that was compared.

use super::{Bench, Judged, No, Refusal};
use crate::graphql::user_error::UserError;
use rhone_domain::numbers::Version;
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
    let workspace = judged.unit.context().workspace;
    Err(No::Refused(Box::new(Refusal { error, target: stream, workspace, app: None, environment: None })))
}

/// The version of a stream that is not part of the change.
async fn last(bench: &Bench<'_>, stream: &rhone_domain::envelope::StreamId) -> Result<Version, ReadError> {
    let events = bench.door.log().read_stream(stream, Version(0)).await?;
    Ok(events.last().map_or(Version(0), |event| event.envelope.version))
}

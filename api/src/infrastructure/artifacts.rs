//! The bytes of artifacts: uploaded by users, fetched by the runners that need them, and fetched back by whoever may register
//! them. The trap avoided: an answer that says whether somebody else has stored the same bytes; to an upload it is the same either
//! way, and what no workspace of the caller's has is not there.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use rhone_domain::{
    actor::Writer,
    authorization::{Grant, Scope},
    digest::Digest,
    ids::ArtifactId,
};
use rhone_projections::{
    authority::{allocations, members},
    catalogue,
    session::Session,
    uploads,
};
use rhone_providers::artifact_store::{StoreError, Stored};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Infrastructure,
    caller::{self, Origin, within},
    fetching::paced,
    refusal::Refusal,
};
use crate::{graphql::context::authority_of, identity::Principal};

/// No artifact is larger.
const LARGEST: u64 = 1 << 30;
/// An upload that brings nothing for so long is given up.
const STALL: Duration = Duration::from_secs(30);

/// What fetching an artifact costs its caller, as much as a page of a timeline.
const COST: u32 = 1_000;

/// The answer to an upload.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    digest: Digest,
    size: u64,
}

/// Keeps the bytes under their digest.
pub(super) async fn put(
    State(infrastructure): State<Arc<Infrastructure>>,
    Path(digest): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Kept>, Refusal> {
    let uploader = caller::user(&infrastructure, &headers).await?;
    if !uploader.limits.narrowing.leaves(Grant::Deploy) {
        return Err(Refusal::forbidden("this token does not leave its holder the grant deploy"));
    }
    let digest = digest_in(&digest)?;
    if declared(&headers).is_some_and(|length| length > LARGEST) {
        return Err(too_large());
    }
    let (Stored::Now { size } | Stored::Before { size }) =
        infrastructure.artifacts.put_stream(digest, LARGEST, parts(body)).await.map_err(|error| refused(&error))?;
    within(async { Ok(uploads::record(&infrastructure.pool, uploader.actor, digest).await?) }).await?;
    metrics::counter!("rhone_artifacts_uploaded_total").increment(1);
    Ok(Json(Kept { digest, size }))
}

/// The bytes, for whoever may register them in a workspace that has them.
pub(super) async fn download(
    State(infrastructure): State<Arc<Infrastructure>>,
    Extension(origin): Extension<Origin>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let principal = caller::budgeted(&infrastructure, &headers, origin, COST).await?;
    let digest = digest_in(&digest)?;
    within(may_download(&infrastructure, &principal, digest)).await?;
    let place = infrastructure.fetching.place()?;
    let mut response = bytes_of(&infrastructure, digest, Some(place)).await?;
    let fixed = [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    for (name, value) in fixed {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    Ok(response)
}

/// By the table's own row for registering them. Who belongs to no workspace that has them is told what is told of bytes that
/// nobody has.
async fn may_download(infrastructure: &Infrastructure, caller: &Principal, digest: Digest) -> Result<(), Refusal> {
    let session = Session::new(infrastructure.api.clone(), caller.eyes(), caller.workspace);
    let memberships = members::own(&session).await?;
    let mut transaction = session.begin().await?;
    let mut answer = Err(Refusal::not_found("there is no such artifact"));
    for (workspace, member) in memberships {
        let id = ArtifactId::of(workspace, digest);
        if catalogue::by_ids(&mut transaction, "artifact", &[id.0]).await?.is_empty() {
            continue;
        }
        let authority = authority_of(caller, workspace, Some(member.membership));
        match authority.permit("artifact.create", Writer::Pipeline, Scope::default()) {
            Ok(()) => return Ok(()),
            Err(why) => answer = Err(Refusal::forbidden(why.to_string())),
        }
    }
    answer
}

/// The bytes, for a runner whose host needs them.
pub(super) async fn fetch(
    State(infrastructure): State<Arc<Infrastructure>>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (host, _) = caller::runner(&infrastructure, &headers).await?;
    let digest = digest_in(&digest)?;
    let needed = within(async {
        let mut connection = infrastructure.pool.acquire().await?;
        Ok(allocations::needs(&mut connection, host, digest).await?)
    });
    if !needed.await? {
        return Err(Refusal::not_found("no allocation of this host needs such an artifact"));
    }
    bytes_of(&infrastructure, digest, None).await
}

/// From the store, as they come, to somebody who takes them; the answer holds the place until its end.
async fn bytes_of(
    infrastructure: &Infrastructure,
    digest: Digest,
    place: Option<OwnedSemaphorePermit>,
) -> Result<Response, Refusal> {
    let size = infrastructure.artifacts.head(digest).await.map_err(|error| refused(&error))?;
    let bytes = infrastructure.artifacts.get(digest).await.map_err(|error| refused(&error))?;
    let mut response = Body::from_stream(paced(bytes, place)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-tar"));
    if let Some(size) = size {
        headers.insert(header::CONTENT_LENGTH, size.into());
    }
    metrics::counter!("rhone_artifacts_fetched_total").increment(1);
    Ok(response)
}

fn digest_in(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error| Refusal::bad_input(format!("digest: {error}")))
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body's parts, each in time.
fn parts(body: Body) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::unfold(Some(body.into_data_stream()), |body| async move {
        let mut body = body?;
        match tokio::time::timeout(STALL, body.next()).await {
            Ok(Some(Ok(part))) => Some((Ok(part), Some(body))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
            Ok(None) => None,
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    })
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", format!("an artifact has at most {LARGEST} bytes"))
}

fn refused(error: &StoreError) -> Refusal {
    match error {
        StoreError::Absent { .. } => Refusal::not_found("there is no such artifact"),
        StoreError::Differs { .. } => {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "DIGEST_MISMATCH", error.to_string())
        }
        StoreError::TooLarge { .. } => too_large(),
        StoreError::Interrupted { .. } => {
            Refusal::new(StatusCode::BAD_REQUEST, "INTERRUPTED", "the artifact's bytes did not all arrive")
        }
        StoreError::Folder { .. } | StoreError::Failed { .. } | StoreError::Unlisted { .. } => {
            Refusal::unavailable("keeping artifacts", error)
        }
    }
}

#[cfg(test)]
mod tests {
    //! How the store's answers leave the house.
    use super::*;

    #[test]
    fn a_digest_in_a_path_is_read_or_refused_by_name() {
        let digest = Digest::of(&[b"blue"]);
        assert_eq!(digest_in(&digest.to_string()).expect("it is one"), digest);
        let refusal = digest_in("sha256:xyz").expect_err("it is none");
        assert_eq!((refusal.status, refusal.code), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"));
    }

    #[test]
    fn other_bytes_than_named_are_unprocessable_and_too_many_too_large() {
        let (expected, actual) = (Digest::of(&[b"blue"]), Digest::of(&[b"green"]));
        let refusal = refused(&StoreError::Differs { expected, actual });
        assert_eq!((refusal.status, refusal.code), (StatusCode::UNPROCESSABLE_ENTITY, "DIGEST_MISMATCH"));
        let refusal = refused(&StoreError::TooLarge { limit: 1 });
        assert_eq!((refusal.status, refusal.code), (StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE"));
    }

    #[tokio::test]
    async fn a_body_arrives_part_by_part() {
        let body = Body::from_stream(stream::iter(["bl", "ue"].map(|part| Ok::<_, io::Error>(part.to_owned()))));
        let parts: Vec<_> = parts(body).collect().await;
        let parts: Result<Vec<_>, _> = parts.into_iter().collect();
        assert_eq!(parts.expect("none is broken").concat(), b"blue");
    }
}

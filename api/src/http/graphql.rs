//! `/graphql`: the guard's steps in their order, for POST, GET and the WebSocket upgrade. The trap avoided: a step after the
//! work it should prevent; origin, media type and token are judged before a byte of the body is read.

use std::sync::Arc;

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    Extension,
    extract::{FromRequestParts, Query, Request, State, WebSocketUpgrade, rejection::QueryRejection},
    http::{
        HeaderMap, StatusCode,
        header::{ORIGIN, SET_COOKIE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};

use super::{refuse, send};
use crate::{
    authenticate::{Authenticator, Credential, credential_of},
    fault::{Code, Fault},
    guard::{
        body::{self, QueryString, Refusal},
        document,
        documents::Asker,
        negotiate::MediaType,
        outcome::{self, Answer},
        panic,
    },
    rate::Accountable as _,
    request::RequestInfo,
    shell::Shell,
    sign_in::cookie,
    websocket,
};

/// How a request arrived, and so what it may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

pub(super) async fn post<E: Executor, A: Authenticator>(
    State(shell): State<Arc<Shell<E, A>>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Response {
    let media = MediaType::of(request.headers());
    let info = shell.placed(info, request.headers(), request.extensions());
    match posted(&shell, &info, request, media).await {
        Ok(response) => response,
        Err(refusal) => refuse(refusal, &info, media),
    }
}

async fn posted<E: Executor, A: Authenticator>(
    shell: &Shell<E, A>,
    info: &RequestInfo,
    request: Request,
    media: MediaType,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    shell.settings.origins.admit(&parts.headers)?;
    body::require_json(&parts.headers)?;
    let (actor, asker) = authenticate(shell, info, &parts.headers, Method::Post).await?;
    let bytes = body::read(body, shell.settings.body_timeout).await?;
    let request = body::parse(&bytes, &shell.settings.documents, asker)?;
    run(shell, info, request, &actor, Method::Post, media).await
}

pub(super) async fn get<E: Executor, A: Authenticator>(
    State(shell): State<Arc<Shell<E, A>>>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Response {
    let media = MediaType::of(request.headers());
    let info = shell.placed(info, request.headers(), request.extensions());
    let (mut parts, _) = request.into_parts();
    let answer = if parts.headers.contains_key("upgrade") {
        upgrade(Arc::clone(&shell), &info, &mut parts).await
    } else {
        got(&shell, &info, &parts, media).await
    };
    answer.unwrap_or_else(|refusal| refuse(refusal, &info, media))
}

async fn got<E: Executor, A: Authenticator>(
    shell: &Shell<E, A>,
    info: &RequestInfo,
    parts: &Parts,
    media: MediaType,
) -> Result<Response, Refusal> {
    shell.settings.origins.admit(&parts.headers)?;
    let (actor, asker) = authenticate(shell, info, &parts.headers, Method::Get).await?;
    let Query(raw) = Query::<QueryString>::try_from_uri(&parts.uri)
        .map_err(|_: QueryRejection| Fault::bad_input("query string", "must be well formed"))?;
    let request = body::parse_query_string(raw, &shell.settings.documents, asker)?;
    run(shell, info, request, &actor, Method::Get, media).await
}

async fn upgrade<E: Executor, A: Authenticator>(
    shell: Arc<Shell<E, A>>,
    info: &RequestInfo,
    parts: &mut Parts,
) -> Result<Response, Refusal> {
    shell.settings.origins.admit(&parts.headers)?;
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade.protocols([websocket::PROTOCOL]),
        Err(rejection) => return Ok(rejection.into_response()),
    };
    if upgrade.selected_protocol().is_none() {
        return Err(Fault::bad_input("Sec-WebSocket-Protocol", "must offer graphql-transport-ws").into());
    }
    let upgrade = upgrade.max_message_size(body::MAX_BODY).max_frame_size(body::MAX_BODY);
    let info = info.clone();
    // A cookie counts only where a page says where it is from; a client without one has a token to show.
    let session = cookie::value(&parts.headers, cookie::SESSION).filter(|_| parts.headers.contains_key(ORIGIN));
    let session = session.map(str::to_owned);
    let connected = shell.readiness.connected();
    Ok(upgrade.on_upgrade(move |socket| websocket::serve(socket, shell, info, session, connected)))
}

/// Every other method.
pub(super) async fn other(Extension(info): Extension<RequestInfo>, headers: HeaderMap) -> Response {
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "must be POST, or GET for a query");
    refuse(refusal, &info, MediaType::of(&headers))
}

async fn authenticate<E, A: Authenticator>(
    shell: &Shell<E, A>,
    info: &RequestInfo,
    headers: &HeaderMap,
    method: Method,
) -> Result<(A::Actor, Asker), Fault> {
    let credential = credential_of(headers)?;
    // What is got changes nothing, and no other page can read the answer.
    if matches!(credential, Credential::Session(_)) && method == Method::Post {
        shell.settings.origins.require(headers)?;
    }
    // A request is let in twice, so that a body which is slow to arrive keeps nobody out.
    let _permit = shell.load.enter().await?;
    let asked = async {
        match credential {
            Credential::Bearer(token) => shell.authenticator.authenticate(token).await,
            Credential::Session(cookie) => shell.authenticator.session(cookie).await,
        }
    };
    let by = match credential {
        Credential::Bearer(_) => Asker::Program,
        Credential::Session(_) => Asker::Page,
    };
    Ok((shell.recognised(info, asked).await??, by))
}

async fn run<E: Executor, A: Authenticator>(
    shell: &Shell<E, A>,
    info: &RequestInfo,
    mut request: async_graphql::Request,
    actor: &A::Actor,
    method: Method,
    media: MediaType,
) -> Result<Response, Refusal> {
    let admitted = match document::admit(&mut request, &shell.settings.limits) {
        Ok(admitted) => admitted,
        Err(error) => {
            let answer = outcome::settle(async_graphql::Response::from_errors(vec![error]), info);
            return Ok(send(&answer, status_of(&answer, media), media));
        }
    };
    permit(admitted.operation, method)?;
    let standing = shell.rates.spend(actor.accounts(), info.address, admitted.cost)?;
    request.data = shell.context_of(actor, info);
    request.data.insert(standing);
    let response = {
        let _permit = shell.load.enter().await?;
        panic::caught(shell.executor.execute(request)).await
    };
    let mut answer = outcome::settle(response, info);
    answer.shed(admitted.operation);
    let mut response = send(&answer, status_of(&answer, media), media);
    if let Some(cookie) = shell.authenticator.renewed(actor).await {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// GET is for queries: a link must not change anything. Subscriptions have their own transport.
fn permit(operation: OperationType, method: Method) -> Result<(), Refusal> {
    match (operation, method) {
        (OperationType::Query, _) | (OperationType::Mutation, Method::Post) => Ok(()),
        (OperationType::Mutation, Method::Get) => {
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "must be POST for a mutation"))
        }
        (OperationType::Subscription, _) => {
            Err(Fault::bad_input("query", "subscriptions run over graphql-transport-ws").into())
        }
    }
}

/// 200 when something was executed, else what the refusal and the media type call for.
fn status_of(answer: &Answer, media: MediaType) -> StatusCode {
    if answer.data.is_some() {
        return StatusCode::OK;
    }
    match answer.errors.first().map(|problem| problem.code) {
        Some(Code::BadUserInput) => media.document_refused(),
        Some(code) => code.status(),
        None => StatusCode::OK,
    }
}

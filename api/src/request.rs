//! Who a request is: its id, its trace and its idempotency key, decided once by the first layer and carried to the last log
//! line. The trap avoided: ids taken from the caller; ours come from the injected source and the caller's trace is checked.

use std::{fmt, net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::fault::Fault;

/// The header that carries our request id back.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where request ids come from: the process's single id source, so that tests decide it.
#[derive(Clone)]
pub struct IdSource(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl IdSource {
    /// Wraps the process's id source.
    pub fn new(next: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    pub(crate) fn next(&self) -> Uuid {
        (self.0)()
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}

/// What every resolver may know of its request; put into each request's context.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Our id of it: in the answer, in the header and in the log.
    pub id: Uuid,
    /// W3C trace id, 32 hex digits: the caller's, or made from our id.
    pub trace_id: String,
    /// The caller's `traceparent`, when it was well formed.
    pub traceparent: Option<String>,
    /// Where it comes from, as far as that is known.
    pub address: Option<IpAddr>,
    /// The `Idempotency-Key` header as sent; `idempotency_key()` checks it.
    raw_idempotency_key: Option<HeaderValue>,
}

impl RequestInfo {
    /// Reads the headers that identify a request.
    pub fn new(id: Uuid, headers: &HeaderMap) -> Self {
        let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
        let caller = traceparent.and_then(|value| Some((value, trace_id(value)?)));
        Self {
            id,
            trace_id: caller.map_or_else(|| id.simple().to_string(), |(_, trace)| trace.to_owned()),
            traceparent: caller.map(|(value, _)| value.to_owned()),
            address: None,
            raw_idempotency_key: headers.get("idempotency-key").cloned(),
        }
    }

    /// Another request on the same connection: its own id, the same trace.
    pub(crate) fn again(&self, id: Uuid) -> Self {
        Self { id, raw_idempotency_key: None, ..self.clone() }
    }

    /// The `Idempotency-Key` header: 1 to 255 visible ASCII characters, or a refusal that says so.
    pub fn idempotency_key(&self) -> Result<Option<&str>, Fault> {
        let Some(value) = &self.raw_idempotency_key else { return Ok(None) };
        let text = value.to_str().unwrap_or_default();
        if text.is_empty() || text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::bad_input("Idempotency-Key", "must be 1 to 255 visible ASCII characters"));
        }
        Ok(Some(text))
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, lower case, not all zero (W3C Trace Context, section 3.2).
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    let sound = version == "00" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && some(trace) && some(parent);
    (sound && parts.next().is_none()).then_some(trace)
}

/// The first layer: names the request, opens its span, and returns the name in a header.
pub(crate) async fn identify(State(ids): State<IdSource>, mut request: Request, next: Next) -> Response {
    let info = RequestInfo::new(ids.next(), request.headers());
    let id = info.id.to_string();
    let span = tracing::info_span!("api.request", request.id = %id, trace.id = %info.trace_id);
    request.extensions_mut().insert(info);
    let mut response = next.run(request).instrument(span).await;
    let value = HeaderValue::from_str(&id).expect("a UUID is hex digits and dashes");
    response.headers_mut().insert(REQUEST_ID, value);
    response
}

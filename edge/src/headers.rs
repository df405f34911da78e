//! Which header fields pass through the edge. Used by the request path in both directions. The trap: a field that speaks of
//! one connection, or of trust, and reaches the next one: RFC 9110, section 7.6.1, and whatever a client claims to be.

use hyper::{
    HeaderMap, Method, Request,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use std::net::IpAddr;

/// `rhone-deployment` on every answer of an app.
pub(crate) const DEPLOYMENT: HeaderName = HeaderName::from_static("rhone-deployment");
/// `rhone-epoch` on every answer of an app.
pub(crate) const EPOCH: HeaderName = HeaderName::from_static("rhone-epoch");
/// `rhone-allocation` on every answer of an app.
pub(crate) const ALLOCATION: HeaderName = HeaderName::from_static("rhone-allocation");
/// `rhone-artifact` on every answer of an app.
pub(crate) const ARTIFACT: HeaderName = HeaderName::from_static("rhone-artifact");
/// `rhone-reason` on every answer of the edge itself.
pub(crate) const REASON: HeaderName = HeaderName::from_static("rhone-reason");
/// `rhone-region` on every 421 for an environment that another region serves: which one.
pub(crate) const REGION: HeaderName = HeaderName::from_static("rhone-region");
/// `rhone-request-dispatched: maybe` when a failed request may have reached the app.
pub(crate) const DISPATCHED: HeaderName = HeaderName::from_static("rhone-request-dispatched");
/// `x-request-id`, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Whether the connection is to become something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Plain HTTP.
    Http,
    /// To be upgraded to WebSocket.
    WebSocket,
}

/// What a request asks its connection to become.
pub(crate) fn kind<B>(request: &Request<B>) -> Kind {
    let headers = request.headers();
    let asks = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"));
    if asks && request.method() == Method::GET { Kind::WebSocket } else { Kind::Http }
}

/// Whether a message says twice how long it is.
pub(crate) fn is_ambiguous(headers: &HeaderMap) -> bool {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let encoded = headers.contains_key(TRANSFER_ENCODING);
    let chunked =
        headers.get_all(TRANSFER_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    lengths > 1 || (encoded && (lengths > 0 || !chunked || headers.get_all(TRANSFER_ENCODING).iter().count() > 1))
}

/// Removes what speaks of one connection only.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION).filter_map(|token| token.parse().ok()).collect();
    for name in named {
        // A length or a host named here would unmake the message itself.
        if name != CONTENT_LENGTH && name != hyper::header::HOST {
            headers.remove(name);
        }
    }
    for name in
        [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, UPGRADE]
    {
        headers.remove(name);
    }
    headers.remove(TRANSFER_ENCODING);
}

/// Makes a client's header fields fit to be sent to an app.
pub(crate) fn prepare(
    headers: &mut HeaderMap,
    kind: Kind,
    peer: IpAddr,
    proto: &'static str,
    request_id: &HeaderValue,
) {
    let upgrade = headers.get(UPGRADE).cloned();
    strip_hop_by_hop(headers);
    for name in [EXPECT, FORWARDED, REAL_IP, DEPLOYMENT, EPOCH, ALLOCATION, ARTIFACT, REASON, DISPATCHED] {
        headers.remove(name);
    }
    if let (Kind::WebSocket, Some(upgrade)) = (kind, upgrade) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
    if let Some(host) = headers.get(hyper::header::HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
    let peer = HeaderValue::from_str(&peer.to_string()).expect("an address is visible ASCII");
    headers.insert(FORWARDED_FOR, peer);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.insert(REQUEST_ID, request_id.clone());
}

/// The id a request brought, when it is one.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(&REQUEST_ID)?;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    ((1..=64).contains(&id.len()) && id.as_bytes().iter().all(fits)).then(|| id.clone())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    //! What passes and what does not.
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_connection_names_is_removed() {
        let mut all = headers(&[
            ("connection", "x-secret, keep-alive"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut all);
        assert_eq!(all, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn a_client_cannot_claim_to_be_the_edge() {
        let mut all = headers(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("rhone-epoch", "9"),
            ("forwarded", "for=x"),
            ("host", "a.example"),
        ]);
        prepare(&mut all, Kind::Http, [127, 0, 0, 1].into(), "http", &HeaderValue::from_static("id"));
        assert_eq!(all.get("x-forwarded-for").map(HeaderValue::as_bytes), Some(b"127.0.0.1".as_slice()));
        assert!(!all.contains_key("rhone-epoch") && !all.contains_key("forwarded"));
        assert_eq!(all.get("x-forwarded-host").map(HeaderValue::as_bytes), Some(b"a.example".as_slice()));
    }

    #[test]
    fn two_lengths_are_ambiguous() {
        assert!(is_ambiguous(&headers(&[("content-length", "1"), ("transfer-encoding", "chunked")])));
        assert!(is_ambiguous(&headers(&[("content-length", "1"), ("content-length", "1")])));
        assert!(is_ambiguous(&headers(&[("transfer-encoding", "gzip, chunked")])));
        assert!(!is_ambiguous(&headers(&[("transfer-encoding", "chunked")])));
        assert!(!is_ambiguous(&headers(&[("content-length", "1")])));
    }

    #[test]
    fn only_a_get_that_asks_becomes_a_websocket() {
        let ask = |method: Method| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            *request.headers_mut() = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]);
            kind(&request)
        };
        assert_eq!(ask(Method::GET), Kind::WebSocket);
        assert_eq!(ask(Method::POST), Kind::Http);
    }
}

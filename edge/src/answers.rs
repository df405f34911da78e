//! The edge's own answers. Written by the request path. The trap: a client that cannot tell "not sent" from "perhaps done",
//! so what failed after dispatch says so, and what will pass says when to come back.

use crate::{body::Answer, headers};
use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};

/// Why the edge answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: no request that can be passed on.
    Malformed(&'static str),
    /// 421: no such host here.
    UnknownHost,
    /// 503: no table yet.
    Booting,
    /// 503: something is missing for too long.
    Closed,
    /// 503: two contents claim the route, or its epoch fell.
    Quarantined,
    /// 503: by decision.
    Suspended,
    /// 503: nobody was given the traffic yet.
    NoOwner,
    /// 503: the owner runs nowhere.
    NoAllocation,
    /// 503: no gate of the owner was reached; nothing was sent.
    Unreachable,
    /// 502: the app hung up after the request may have reached it.
    HungUp,
    /// 502: the app's answer makes no sense.
    BadAnswer,
    /// 504: the app took too long.
    TooLate,
}

impl Refusal {
    /// As it is sent.
    pub(crate) fn answer(self) -> Response<Answer> {
        let (status, reason, text) = self.words();
        let body = Answer::Own(Bytes::from(format!("{text}\n")).into());
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(headers::REASON, HeaderValue::from_static(reason));
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::BAD_REQUEST => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        if matches!(self, Self::HungUp | Self::BadAnswer | Self::TooLate) {
            headers.insert(headers::DISPATCHED, HeaderValue::from_static("maybe"));
        }
        response
    }

    fn words(self) -> (StatusCode, &'static str, &'static str) {
        let unserved = StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, "malformed", why),
            Self::UnknownHost => {
                (StatusCode::MISDIRECTED_REQUEST, "unknown-host", "this edge has no route for this host")
            }
            Self::Booting => (unserved, "booting", "this edge has no routes yet"),
            Self::Closed => {
                (unserved, "feed-gap", "this edge misses route changes and does not serve until it has them")
            }
            Self::Quarantined => (unserved, "quarantined", "this route is contested and is not served"),
            Self::Suspended => (unserved, "suspended", "this environment is suspended"),
            Self::NoOwner => (unserved, "no-owner", "nothing has been deployed here yet"),
            Self::NoAllocation => {
                (unserved, "no-allocation", "the deployment that owns this route runs nowhere at the moment")
            }
            Self::Unreachable => (unserved, "unreachable", "the app could not be reached; the request was not sent"),
            Self::HungUp => (StatusCode::BAD_GATEWAY, "hung-up", "the app hung up; it may have seen the request"),
            Self::BadAnswer => (StatusCode::BAD_GATEWAY, "bad-answer", "the app's answer makes no sense"),
            Self::TooLate => {
                (StatusCode::GATEWAY_TIMEOUT, "too-late", "the app took too long; it may have seen the request")
            }
        }
    }
}

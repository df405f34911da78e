//! The edge's own answers. Written by the request path. The trap: a client that cannot tell "not sent" from "perhaps done",
//! so what failed after dispatch says so, and what will pass says when to come back.

use crate::{body::Answer, headers};
use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use rhone_domain::ids::RegionId;

/// Why the edge answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: no request that can be passed on.
    Malformed(&'static str),
    /// 421: no such host here.
    UnknownHost,
    /// 421: another region serves this environment.
    Elsewhere(RegionId),
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
    /// 503: the app sleeps, and this request does not wait for it.
    Later(Later),
    /// 503: no gate of the owner was reached; nothing was sent.
    Unreachable,
    /// 502: the app hung up after the request may have reached it.
    HungUp,
    /// 502: the app's answer makes no sense.
    BadAnswer,
    /// 504: the app took too long.
    TooLate,
}

/// Why a request does not wait for an app that wakes; the app has seen nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// The app promised nothing about such a request.
    Unsafe,
    /// It promised something about those with a key, and this one has none.
    Keyless,
    /// The last wake came to nothing.
    WakeFailed {
        /// When the next may be asked for.
        seconds: u64,
    },
    /// Too many wakes at a time.
    NoRoom,
    /// Too many requests are held already.
    HoldBudget,
    /// It was held, and the app did not come up in time.
    NotInTime,
}

impl Later {
    fn seconds(self) -> u64 {
        match self {
            Self::WakeFailed { seconds } => seconds,
            Self::Unsafe | Self::Keyless | Self::HoldBudget => 3,
            Self::NoRoom | Self::NotInTime => 5,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unsafe => {
                ("asleep", "the app sleeps; it is being woken and has not seen this request: send it again")
            }
            Self::Keyless => (
                "asleep-without-key",
                "the app sleeps; it is being woken and holds such requests only with an idempotency key: send it again",
            ),
            Self::WakeFailed { .. } => ("wake-failed", "the app could not be woken; it has not seen this request"),
            Self::NoRoom => ("wake-budget", "too many apps are being woken; this one has not seen this request"),
            Self::HoldBudget => ("hold-budget", "too many requests wait for this app; it has not seen this one"),
            Self::NotInTime => ("wake-timeout", "the app did not wake in time; it has not seen this request"),
        }
    }
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
                let seconds = if let Self::Later(later) = self { later.seconds() } else { 1 };
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            StatusCode::BAD_REQUEST => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        if let Self::Elsewhere(region) = self {
            let region = HeaderValue::from_str(&region.to_string()).expect("an id is made of visible ASCII");
            headers.insert(headers::REGION, region);
            // The connection leads to the wrong place; whoever goes on asks for the address anew.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if matches!(self, Self::Later(_)) {
            // What follows the head is not read, and would not be meant as another request.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
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
            Self::Elsewhere(_) => (
                StatusCode::MISDIRECTED_REQUEST,
                "elsewhere",
                "another region serves this environment; connect to it there",
            ),
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
            Self::Later(later) => {
                let (reason, text) = later.words();
                (unserved, reason, text)
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

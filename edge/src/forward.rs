//! One request, from its head to the head of its answer. The trap: sending twice what may already have been done. Before
//! anything was written any request may go elsewhere; afterwards only a safe one without a body, once, and only ever to the
//! same owner.

use crate::{
    allocations::InFlight,
    answers::Refusal,
    body::{Answer, Lease, Outgoing},
    clock,
    core::{Core, Door},
    gate,
    headers::{self, Kind},
    hosts,
    pick::{Moment, Wish, pick},
    table::{Found, Lane, Target, Trust},
    upgrade,
    waking::{self, Head, Held},
};
use hyper::{
    Method, Request, Response, StatusCode, Uri, Version,
    body::{Body as _, Incoming},
    header::{CONNECTION, HeaderValue, SET_COOKIE, TRANSFER_ENCODING},
    http::request::Parts,
    upgrade::OnUpgrade,
};
use rhone_domain::{feed::Posture, host_protocol::MISDIRECTED_HEADER};
use std::{net::IpAddr, sync::Arc};
use tokio::time::timeout;

/// How long a connection may have been idle and still carry a request that must not be sent twice.
const IDLE_FOR_UNSAFE_MS: u64 = 1_000;

/// How many times longer an answer may take when a body has to go up first.
const UPLOAD: u32 = 15;

/// Answers a request.
pub(crate) async fn forward(core: Arc<Core>, peer: IpAddr, mut request: Request<Incoming>) -> Response<Answer> {
    core.counters.requests.up();
    let id = headers::request_id(request.headers())
        .unwrap_or_else(|| HeaderValue::from_str(&core.dice.request_id()).expect("hex digits are visible ASCII"));
    // A message that was chunked may have carried a length as well; nothing more is read from its connection.
    let chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let response = match admit(&core, &request) {
        Ok(found) => {
            let kind = headers::kind(&request);
            let unread = Head::of(&request, kind, found.lane.route.owner.as_ref());
            let (found, held) = match waking::admit(&core, found, &unread).await {
                Ok(admitted) => admitted,
                Err(refusal) => return finished(refused(&core, refusal), id, chunked),
            };
            let client = (kind == Kind::WebSocket).then(|| hyper::upgrade::on(&mut request));
            let wish = core.pins.read(request.headers(), found.lane.route.environment);
            headers::prepare(request.headers_mut(), kind, peer, core.scheme.name(), &id);
            let errand = Errand { core: &core, found, client, pinned: wish, held };
            errand.run(request).await.unwrap_or_else(|refusal| refused(&core, refusal))
        }
        Err(refusal) => refused(&core, refusal),
    };
    finished(response, id, chunked)
}

fn finished(mut response: Response<Answer>, id: HeaderValue, chunked: bool) -> Response<Answer> {
    response.headers_mut().insert(headers::REQUEST_ID, id);
    if chunked {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn refused(core: &Core, refusal: Refusal) -> Response<Answer> {
    let counters = &core.counters;
    match refusal {
        Refusal::Malformed(_) => counters.requests_malformed.up(),
        Refusal::UnknownHost => counters.requests_unknown_host.up(),
        Refusal::Elsewhere(_) => counters.requests_elsewhere.up(),
        Refusal::Later(_) => counters.requests_asleep.up(),
        Refusal::HungUp | Refusal::BadAnswer | Refusal::TooLate => counters.requests_failed.up(),
        Refusal::Booting
        | Refusal::Closed
        | Refusal::Quarantined
        | Refusal::Suspended
        | Refusal::NoOwner
        | Refusal::NoAllocation
        | Refusal::Unreachable => counters.requests_unserved.up(),
    }
    refusal.answer()
}

/// Whether a request may be served, and by whose route.
fn admit(core: &Core, request: &Request<Incoming>) -> Result<Found, Refusal> {
    if headers::is_ambiguous(request.headers()) {
        return Err(Refusal::Malformed("the request says twice how long it is"));
    }
    if request.method() == Method::CONNECT {
        return Err(Refusal::Malformed("the edge opens no tunnels"));
    }
    let host = hosts::requested(request.headers(), request.uri()).map_err(|bad| {
        Refusal::Malformed(match bad {
            hosts::BadHost::Missing => "the request has no Host header",
            hosts::BadHost::Duplicate => "the request has more than one Host header",
            hosts::BadHost::Invalid => "the Host header is not a hostname",
            hosts::BadHost::Differs => "the request target and the Host header differ",
        })
    })?;
    match core.door() {
        Door::Open => {}
        Door::Booting => return Err(Refusal::Booting),
        Door::Closed => return Err(Refusal::Closed),
    }
    let found = core.table.load().find(&host).ok_or(Refusal::UnknownHost)?;
    serves(&found.lane).map(|()| found)
}

fn serves(lane: &Lane) -> Result<(), Refusal> {
    match (lane.trust, lane.route.posture) {
        (Trust::Quarantined, _) => Err(Refusal::Quarantined),
        (Trust::Elsewhere(region), _) => Err(Refusal::Elsewhere(region)),
        (Trust::Good, Posture::Suspended) => Err(Refusal::Suspended),
        (Trust::Good, Posture::Serve | Posture::Asleep { .. }) if lane.route.owner.is_none() => Err(Refusal::NoOwner),
        (Trust::Good, Posture::Serve | Posture::Asleep { .. }) => Ok(()),
    }
}

/// How one attempt ended without an answer.
enum Miss {
    /// Nothing was sent; the request is here again.
    Unsent(Box<Request<Outgoing>>),
    /// The gate said that it is not meant; the app saw nothing.
    Misdirected,
    /// The app may have seen it.
    Lost(Refusal),
}

/// One request on its way.
struct Errand<'a> {
    core: &'a Arc<Core>,
    found: Found,
    client: Option<OnUpgrade>,
    pinned: Option<rhone_domain::ids::AllocationId>,
    held: Held,
}

impl Errand<'_> {
    async fn run(mut self, request: Request<Incoming>) -> Result<Response<Answer>, Refusal> {
        let (mut parts, body) = request.into_parts();
        parts.uri = origin_form(&parts.uri);
        parts.version = Version::HTTP_11;
        let body = if body.is_end_stream() { Outgoing::Empty } else { Outgoing::Client(body) };
        // What was held is sent on once.
        let spare = (matches!(self.held, Held::No) && can_repeat(&parts.method, &body)).then(|| repeat(&parts));
        let mut request = Request::from_parts(parts, body);
        let mut wish = Wish { pinned: self.pinned, except: None };
        let mut first = true;
        loop {
            let Some(target) = self.choose(wish) else {
                return Err(if first { Refusal::NoAllocation } else { Refusal::Unreachable });
            };
            let refusal = match self.attempt(&target, request).await {
                Ok((response, lease)) => return self.answer(&target, response, lease),
                Err(miss) => {
                    target.allocation.failed();
                    match (miss, &spare) {
                        (Miss::Unsent(unsent), _) => {
                            request = *unsent;
                            Refusal::Unreachable
                        }
                        (miss, Some(spare)) => {
                            request = spare();
                            match miss {
                                Miss::Lost(Refusal::TooLate) => return Err(Refusal::TooLate),
                                Miss::Lost(refusal) => refusal,
                                Miss::Misdirected | Miss::Unsent(_) => Refusal::Unreachable,
                            }
                        }
                        (Miss::Misdirected, None) => return Err(Refusal::Unreachable),
                        (Miss::Lost(refusal), None) => return Err(refusal),
                    }
                }
            };
            if !first {
                return Err(refusal);
            }
            first = false;
            self.core.counters.requests_retried.up();
            wish.except = Some(target.allocation.id);
            self.look_again(refusal)?;
        }
    }

    fn choose(&self, wish: Wish) -> Option<Arc<Target>> {
        let at = Moment { now: clock::now(), millis: clock::millis(), dice: self.core.dice.roll() };
        let Found { lane, targets } = &self.found;
        let other = pick(lane, targets, wish, at);
        // With nobody else, the same allocation is asked once more over a fresh connection.
        other.or_else(|| pick(lane, targets, Wish { except: None, ..wish }, at)).map(Arc::clone)
    }

    /// Reads endpoints again for a second attempt, but stays with the owner of the first.
    fn look_again(&mut self, otherwise: Refusal) -> Result<(), Refusal> {
        let route = &self.found.lane.route;
        let found = self.core.table.load().environment(route.environment).ok_or(otherwise)?;
        if found.lane.route.owner != route.owner {
            return Err(otherwise);
        }
        serves(&found.lane)?;
        if matches!(found.lane.route.posture, Posture::Asleep { .. }) {
            return Err(otherwise);
        }
        self.found = found;
        Ok(())
    }

    async fn attempt(&self, target: &Target, request: Request<Outgoing>) -> Result<(Response<Incoming>, Lease), Miss> {
        let epoch = self.found.lane.route.epoch;
        let max_idle = if can_repeat(request.method(), request.body()) { u64::MAX } else { IDLE_FOR_UNSAFE_MS };
        let mut request = request;
        if self.client.is_none()
            && let Some(sender) = target.allocation.take_idle(epoch, max_idle)
        {
            let lease = Lease { sender, epoch, work: InFlight::start(&target.allocation) };
            match self.send(lease, request).await {
                // The app closed the connection while it was idle; a fresh one is no second attempt.
                Err(Miss::Unsent(unsent)) => request = *unsent,
                done => return done,
            }
        }
        let sender = match gate::connect(target, epoch).await {
            Ok(sender) => sender,
            Err(error) => {
                self.core.counters.gate_failed.up();
                tracing::debug!(allocation = %target.endpoint.allocation, error = &error as &dyn std::error::Error, "a gate was not reached");
                return Err(Miss::Unsent(Box::new(request)));
            }
        };
        let lease = Lease { sender, epoch, work: InFlight::start(&target.allocation) };
        self.send(lease, request).await
    }

    async fn send(&self, mut lease: Lease, request: Request<Outgoing>) -> Result<(Response<Incoming>, Lease), Miss> {
        let bound = match request.body() {
            Outgoing::Empty => self.core.config.timing.upstream,
            Outgoing::Client(_) => self.core.config.timing.upstream * UPLOAD,
        };
        let sent = timeout(bound, lease.sender.try_send_request(request)).await;
        let response = match sent {
            Err(_) => return Err(Miss::Lost(Refusal::TooLate)),
            Ok(Err(mut error)) => {
                return Err(match error.take_message() {
                    Some(unsent) => Miss::Unsent(Box::new(unsent)),
                    None => Miss::Lost(Refusal::HungUp),
                });
            }
            Ok(Ok(response)) => response,
        };
        if response.status() == StatusCode::MISDIRECTED_REQUEST && response.headers().contains_key(MISDIRECTED_HEADER) {
            self.core.counters.gate_misdirected.up();
            lease.work.allocation().forget_idle();
            self.core.repair.notify_one();
            return Err(Miss::Misdirected);
        }
        lease.work.allocation().answered();
        Ok((response, lease))
    }

    fn answer(self, target: &Target, response: Response<Incoming>, lease: Lease) -> Result<Response<Answer>, Refusal> {
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let asked = self.client.is_some();
        let mut response = match (switches, self.client) {
            (true, Some(client)) => upgrade::accept(self.core, target, client, response),
            (true, None) => return Err(Refusal::BadAnswer),
            (false, _) => response.map(|body| Answer::from_app(body, lease)),
        };
        if !switches {
            headers::strip_hop_by_hop(response.headers_mut());
        }
        let route = &self.found.lane.route;
        let headers = response.headers_mut();
        headers.insert(headers::DEPLOYMENT, target.deployment.clone());
        headers.insert(headers::ALLOCATION, target.id.clone());
        headers.insert(headers::ARTIFACT, target.artifact.clone());
        headers.insert(headers::EPOCH, self.found.lane.epoch.clone());
        if self.pinned != Some(target.endpoint.allocation) {
            let pin = self.core.pins.write(route.environment, target.endpoint.allocation, route.epoch);
            headers.append(SET_COOKIE, pin);
        }
        if asked && !switches {
            // What the client sent after a refused upgrade was not meant as HTTP (RFC 9931).
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

fn can_repeat(method: &Method, body: &Outgoing) -> bool {
    matches!(body, Outgoing::Empty) && method.is_safe()
}

/// Makes the same request again: its head, and no body.
fn repeat(parts: &Parts) -> impl Fn() -> Request<Outgoing> + use<> {
    let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
    move || {
        let mut request = Request::new(Outgoing::Empty);
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        request
    }
}

/// Path and query only; `*` stays.
fn origin_form(uri: &Uri) -> Uri {
    if uri.authority().is_none() {
        return uri.clone();
    }
    uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()))
}

//! After a change of owner the edge asks the owner itself, on the very path that traffic takes: who is behind the gate, and
//! is it in good health. Written to the core's observations; it proves a promotion and changes no route. The trap: asking
//! another allocation than traffic would reach, so the same rule picks.

use crate::{
    body::Outgoing,
    clock,
    core::Core,
    gate,
    pick::{Moment, Wish, pick},
    table::{Lane, Target},
};
use http_body_util::BodyExt;
use hyper::{Method, Request, header::HOST, header::HeaderValue};
use rhone_domain::{edge_status::Observation, feed::Owner, ids::EnvironmentId, numbers::Epoch};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, timeout},
};

/// How many owners are asked at a time.
const AT_ONCE: usize = 64;
/// How long an owner may take to answer for its health.
const HEALTH: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_LAST: Duration = Duration::from_millis(200);
/// After this long without proof it is asked at leisure.
const EAGER: Duration = Duration::from_secs(30);
const RETRY_LEISURE: Duration = Duration::from_secs(2);
/// After this long it is not asked again.
const GIVE_UP: Duration = Duration::from_mins(5);

/// Asks about every environment it is told of.
pub(crate) async fn watch(core: Arc<Core>, mut changed: mpsc::UnboundedReceiver<EnvironmentId>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(environment) = changed.recv().await {
        let (core, places) = (Arc::clone(&core), Arc::clone(&places));
        tokio::spawn(async move { until_proven(&core, &places, environment).await });
    }
}

async fn until_proven(core: &Core, places: &Semaphore, environment: EnvironmentId) {
    let Some((epoch, owner)) = owner_of(core, environment) else { return };
    let begun = Instant::now();
    let mut wait = RETRY_FIRST;
    let mut last: Option<Observation> = None;
    while owner_of(core, environment).as_ref() == Some(&(epoch, owner.clone())) && begun.elapsed() < GIVE_UP {
        let place = places.acquire().await.expect("the semaphore is never closed");
        let seen = ask(core, environment, epoch, &owner).await;
        drop(place);
        let proven = seen.proves(epoch, owner.artifact);
        if owner_of(core, environment).is_some_and(|(now, _)| now == epoch)
            && last.as_ref().is_none_or(|last| differs(last, &seen))
        {
            core.observe(seen.clone());
        }
        if proven {
            core.counters.observed_proven.up();
            return;
        }
        last = Some(seen);
        sleep(wait).await;
        wait = if begun.elapsed() > EAGER { RETRY_LEISURE } else { (wait * 2).min(RETRY_LAST) };
    }
}

/// Whether a later look says something new.
fn differs(last: &Observation, seen: &Observation) -> bool {
    (last.allocation, last.digest, last.status) != (seen.allocation, seen.digest, seen.status)
}

fn owner_of(core: &Core, environment: EnvironmentId) -> Option<(Epoch, Owner)> {
    let found = core.table.load().environment(environment)?;
    Some((found.lane.route.epoch, found.lane.route.owner.clone()?))
}

async fn ask(core: &Core, environment: EnvironmentId, epoch: Epoch, owner: &Owner) -> Observation {
    let mut seen = Observation {
        environment,
        epoch,
        deployment: owner.deployment,
        allocation: None,
        digest: None,
        status: None,
        at: clock::now(),
    };
    let Some(found) = core.table.load().environment(environment) else { return seen };
    let at = Moment { now: seen.at, millis: clock::millis(), dice: core.dice.roll() };
    let Some(target) = pick(&found.lane, &found.targets, Wish::default(), at) else { return seen };
    let (who, status) = tokio::join!(gate::who(target), health(&found.lane, target, &owner.health_path));
    if let Ok(who) = who
        && who.allocation == target.endpoint.allocation
        && who.environment == environment
        && who.deployment == owner.deployment
    {
        seen.allocation = Some(who.allocation);
        seen.digest = Some(who.digest);
    }
    seen.status = status;
    seen.at = clock::now();
    seen
}

/// The status of the health path, through the gate as traffic goes.
async fn health(lane: &Lane, target: &Target, path: &str) -> Option<u16> {
    let mut request = Request::new(Outgoing::Empty);
    *request.method_mut() = Method::GET;
    *request.uri_mut() = path.parse().ok()?;
    let host = lane.route.hosts.iter().find(|host| !host.starts_with('*'));
    let host = host.and_then(|host| HeaderValue::from_str(host).ok());
    request.headers_mut().insert(HOST, host.unwrap_or_else(|| HeaderValue::from_static("localhost")));
    let call = async {
        let mut sender = gate::connect(target, lane.route.epoch).await.ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        // Read to the end, or the app sees its health check hung up on.
        let _ = response.into_body().collect().await;
        Some(status)
    };
    timeout(HEALTH, call).await.ok().flatten()
}

//! After a change of owner the edge asks the owner itself, on the very path that traffic takes: who is behind the gate, and
//! is it in good health. Written to the core's observations; it proves a promotion and changes no route. The trap: asking
//! another allocation than traffic would reach, so the same rule picks. And a promotion that waits behind a thousand
//! environments which nobody has just changed; those have places of their own.

use crate::{
    body::Outgoing,
    clock,
    core::Core,
    gate,
    pick::{Moment, Wish, pick},
    table::{Lane, Target, Trust},
};
use http_body_util::BodyExt;
use hyper::{Method, Request, header::HOST, header::HeaderValue};
use rhone_domain::{edge_status::Observation, feed::Owner, ids::EnvironmentId, numbers::Epoch};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    time::{Instant, sleep, timeout},
};

/// How many owners that have just changed are asked at a time.
const FRESH_AT_ONCE: usize = 64;
/// How many others are asked at a time: after a boot or a rebuild, and those that do not answer for long.
const BACKLOG_AT_ONCE: usize = 32;
/// How long an owner may take to answer for its health.
const HEALTH: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_LAST: Duration = Duration::from_millis(200);
/// After this long without proof it is asked at leisure.
const EAGER: Duration = Duration::from_secs(30);
const RETRY_LEISURE: Duration = Duration::from_secs(2);
/// After this long it is not asked again.
const GIVE_UP: Duration = Duration::from_mins(5);

/// An environment to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Somebody waits for it: its owner has just changed.
    Fresh(EnvironmentId),
    /// One of many that were taken over at once.
    Backlog(EnvironmentId),
}

impl Wanted {
    /// Environments whose owners changed together: a few are as urgent as one.
    pub(crate) fn all(changed: Vec<EnvironmentId>) -> impl Iterator<Item = Self> {
        let one = if changed.len() <= FRESH_AT_ONCE { Self::Fresh } else { Self::Backlog };
        changed.into_iter().map(one)
    }
}

/// Asks about every environment it is told of.
pub(crate) async fn watch(core: Arc<Core>, mut changed: mpsc::UnboundedReceiver<Wanted>) {
    let places = Arc::new(Places::default());
    while let Some(wanted) = changed.recv().await {
        let (core, places) = (Arc::clone(&core), Arc::clone(&places));
        tokio::spawn(async move { until_proven(&core, &places, wanted).await });
    }
}

/// Who may ask at the moment.
struct Places {
    fresh: Semaphore,
    backlog: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self { fresh: Semaphore::new(FRESH_AT_ONCE), backlog: Semaphore::new(BACKLOG_AT_ONCE) }
    }
}

impl Places {
    /// A place, in turn with those of the same urgency; who has not answered for long is not urgent any more.
    async fn take(&self, wanted: Wanted, since: Duration) -> SemaphorePermit<'_> {
        let places = match wanted {
            Wanted::Fresh(_) if since <= EAGER => &self.fresh,
            Wanted::Fresh(_) | Wanted::Backlog(_) => &self.backlog,
        };
        places.acquire().await.expect("the semaphores are never closed")
    }
}

async fn until_proven(core: &Core, places: &Places, wanted: Wanted) {
    let (Wanted::Fresh(environment) | Wanted::Backlog(environment)) = wanted;
    let Some((epoch, owner)) = owner_of(core, environment) else { return };
    let begun = Instant::now();
    let mut wait = RETRY_FIRST;
    let mut last: Option<Observation> = None;
    while owner_of(core, environment).as_ref() == Some(&(epoch, owner.clone())) && begun.elapsed() < GIVE_UP {
        let place = places.take(wanted, begun.elapsed()).await;
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
        }
        if proven || seen.elsewhere.is_some() {
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
        elsewhere: None,
        at: clock::now(),
    };
    let Some(found) = core.table.load().environment(environment) else { return seen };
    if let Trust::Elsewhere(region) = found.lane.trust {
        return Observation { elsewhere: Some(region), ..seen };
    }
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

#[cfg(test)]
mod tests {
    //! Who is asked first.
    use super::*;
    use crate::apply::tests::{PREVIEW, PRODUCTION};

    const NOW: Duration = Duration::ZERO;

    async fn at_once(places: &Places, wanted: Wanted, since: Duration) -> bool {
        timeout(Duration::ZERO, places.take(wanted, since)).await.is_ok()
    }

    #[tokio::test]
    async fn a_fresh_change_does_not_wait_behind_a_backlog() {
        let places = Places::default();
        let mut asked = Vec::new();
        for _ in 0..BACKLOG_AT_ONCE {
            asked.push(places.take(Wanted::Backlog(PREVIEW), NOW).await);
        }
        assert!(!at_once(&places, Wanted::Backlog(PREVIEW), NOW).await);
        assert!(at_once(&places, Wanted::Fresh(PRODUCTION), NOW).await);
    }

    #[tokio::test]
    async fn a_change_that_is_not_answered_for_long_joins_the_backlog() {
        let places = Places::default();
        let mut asked = Vec::new();
        for _ in 0..FRESH_AT_ONCE {
            asked.push(places.take(Wanted::Fresh(PREVIEW), NOW).await);
        }
        assert!(!at_once(&places, Wanted::Fresh(PRODUCTION), NOW).await);
        assert!(at_once(&places, Wanted::Fresh(PRODUCTION), EAGER + Duration::from_secs(1)).await);
    }

    #[test]
    fn a_few_changes_at_once_are_fresh_and_a_whole_table_is_not() {
        let all = |n| Wanted::all(vec![PRODUCTION; n]).collect::<Vec<_>>();
        assert_eq!(all(2), [Wanted::Fresh(PRODUCTION); 2]);
        assert_eq!(all(FRESH_AT_ONCE + 1), [Wanted::Backlog(PRODUCTION); FRESH_AT_ONCE + 1]);
    }
}

//! What becomes of requests while the app sleeps: held within a budget, or told to come back; and who asks the control plane
//! for the wake, once. Written by the request path; the applier says when a route has moved. The traps: "unsafe wake replay",
//! so what is held keeps its body unread and is sent on once; and "wake stampede", so a thousand requests are one question.

use crate::{
    answers::{Later, Refusal},
    clock,
    control::{Control, Woken},
    core::{Core, Door},
    headers::Kind,
    pick::{Moment, Wish, pick},
    stop,
    table::{Found, Trust},
};
use hyper::{Method, Request, body::Body};
use rhone_domain::{
    feed::{Owner, Posture},
    ids::EnvironmentId,
    numbers::{Epoch, SleepGeneration},
    wake::{self, Answer, Ask, Class, Lifecycle, Replay},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout_at},
};

/// How often whoever is held looks whether the question must be asked again.
const LOOK: Duration = Duration::from_secs(1);
/// How many of those held for one app are on their way to it at once.
const AT_ONCE: usize = 32;
/// How long an accepted question is not repeated: the operation has its own deadline, and another sleep tells its end.
const ACCEPTED_MS: u64 = 15_000;
/// How long one that was not understood or not heard is not repeated.
const FAILED_MS: u64 = 1_000;

/// How much may be held at a time.
#[derive(Clone, Copy, Debug)]
pub struct HoldBudget {
    /// Requests of one environment.
    pub per_environment: usize,
    /// Requests altogether.
    pub requests: usize,
    /// Bytes of their heads altogether; no body is read.
    pub bytes: usize,
}

impl Default for HoldBudget {
    fn default() -> Self {
        Self { per_environment: 512, requests: 4_096, bytes: 16 * 1024 * 1024 }
    }
}

/// What is known of a request without reading its body.
pub(crate) struct Head {
    class: Class,
    method: Method,
    path: String,
    keys: Vec<(String, bool)>,
    bytes: usize,
}

impl Head {
    /// Looks at a request.
    pub(crate) fn of<B: Body>(request: &Request<B>, kind: Kind, owner: Option<&Owner>) -> Self {
        let bare = request.body().is_end_stream();
        let class = match *request.method() {
            Method::GET if bare && kind == Kind::WebSocket => Class::Handshake,
            Method::GET | Method::HEAD if bare => Class::Read,
            _ => Class::Unsafe,
        };
        let headers = request.headers();
        let header = owner.and_then(|owner| owner.replay.as_ref()).map(|contract| contract.idempotency_header.clone());
        let keys = header.into_iter().map(|name| {
            let mut values = headers.get_all(&name).iter();
            let only = values.next().filter(|_| values.next().is_none());
            let is_key = only.is_some_and(|value| wake::is_key(value.as_bytes()));
            (name, is_key)
        });
        Self {
            class,
            keys: keys.collect(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            bytes: headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
                + request.uri().path().len(),
        }
    }

    fn replay(&self, owner: Option<&Owner>) -> Replay {
        let Some(contract) = owner.and_then(|owner| owner.replay.as_ref()) else { return Replay::Undeclared };
        if !contract.covers(self.method.as_str(), &self.path) {
            return Replay::Undeclared;
        }
        let has_key = self.keys.iter().any(|(name, is_key)| *name == contract.idempotency_header && *is_key);
        if has_key { Replay::Declared } else { Replay::Keyless }
    }
}

/// A sleep that is to end.
type Sleep = (Epoch, SleepGeneration);

/// What is known of one environment's wake.
struct Slumber {
    sleep: Sleep,
    held: usize,
    /// Whether the question waits to be sent.
    to_ask: bool,
    /// When it may be asked again, in the edge's own milliseconds.
    next_ask: u64,
    /// Until when the control plane has no room for it.
    refused_until: u64,
    moved: watch::Sender<()>,
    /// Whoever is let go goes through here: an app that has just come up is not met by all of them at once.
    doorway: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    held: usize,
    bytes: usize,
    environments: HashMap<EnvironmentId, Slumber>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Waking {
    state: Mutex<State>,
    asked: Notify,
}

/// A place among the held; given back when dropped.
struct Place<'a> {
    waking: &'a Waking,
    environment: EnvironmentId,
    bytes: usize,
    moved: watch::Receiver<()>,
    doorway: Arc<Semaphore>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.waking.lock();
        state.held -= 1;
        state.bytes -= self.bytes;
        if let Some(slumber) = state.environments.get_mut(&self.environment) {
            slumber.held = slumber.held.saturating_sub(1);
        }
    }
}

impl Waking {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants this sleep to end; asked once, and again only when that came to nothing.
    fn want(&self, environment: EnvironmentId, sleep: Sleep) -> Lifecycle {
        let now = clock::millis();
        let mut state = self.lock();
        let slumber = state.slumber(environment, sleep);
        if now < slumber.refused_until {
            return Lifecycle::Failed;
        }
        if now >= slumber.next_ask && !slumber.to_ask {
            slumber.to_ask = true;
            slumber.next_ask = now + ACCEPTED_MS;
            self.asked.notify_one();
        }
        Lifecycle::WakeRequested
    }

    fn place(&self, environment: EnvironmentId, sleep: Sleep, bytes: usize, budget: HoldBudget) -> Option<Place<'_>> {
        let mut state = self.lock();
        if state.held >= budget.requests || state.bytes + bytes > budget.bytes {
            return None;
        }
        let slumber = state.slumber(environment, sleep);
        if slumber.held >= budget.per_environment {
            return None;
        }
        slumber.held += 1;
        let (moved, doorway) = (slumber.moved.subscribe(), Arc::clone(&slumber.doorway));
        state.held += 1;
        state.bytes += bytes;
        Some(Place { waking: self, environment, bytes, moved, doorway })
    }

    /// Something about an environment's route or endpoints has changed.
    pub(crate) fn moved(&self, environment: EnvironmentId) {
        let mut state = self.lock();
        let Some(slumber) = state.environments.get(&environment) else { return };
        slumber.moved.send_replace(());
        if slumber.held == 0 && !slumber.to_ask {
            state.environments.remove(&environment);
        }
    }

    /// Everything may have.
    pub(crate) fn all_moved(&self) {
        self.lock().environments.values().for_each(|slumber| slumber.moved.send_replace(()));
    }

    /// How many requests are held.
    pub(crate) fn held(&self) -> usize {
        self.lock().held
    }

    fn questions(&self) -> Vec<Ask> {
        let mut state = self.lock();
        let due = state.environments.iter_mut().filter(|(_, slumber)| slumber.to_ask);
        due.map(|(environment, slumber)| {
            slumber.to_ask = false;
            let (epoch, sleep_generation) = slumber.sleep;
            Ask { environment: *environment, epoch, sleep_generation }
        })
        .collect()
    }

    fn answered(&self, ask: Ask, answer: &Woken) {
        let now = clock::millis();
        let mut state = self.lock();
        let Some(slumber) = state.environments.get_mut(&ask.environment) else { return };
        if slumber.sleep != (ask.epoch, ask.sleep_generation) {
            return;
        }
        match answer {
            Woken::Accepted => slumber.next_ask = now + ACCEPTED_MS,
            Woken::Moved | Woken::Unheard => slumber.next_ask = now + FAILED_MS,
            Woken::NoRoom(wait) => {
                let wait = u64::try_from(wait.as_millis()).unwrap_or(FAILED_MS);
                (slumber.next_ask, slumber.refused_until) = (now + wait, now + wait);
            }
        }
        slumber.moved.send_replace(());
    }
}

impl State {
    fn slumber(&mut self, environment: EnvironmentId, sleep: Sleep) -> &mut Slumber {
        let fresh = || Slumber {
            sleep,
            held: 0,
            to_ask: false,
            next_ask: 0,
            refused_until: 0,
            moved: watch::Sender::new(()),
            doorway: Arc::new(Semaphore::new(AT_ONCE)),
        };
        let slumber = self.environments.entry(environment).or_insert_with(fresh);
        if slumber.sleep != sleep {
            (slumber.sleep, slumber.to_ask, slumber.next_ask, slumber.refused_until) = (sleep, false, 0, 0);
        }
        slumber
    }
}

/// Whether a request was held on its way.
#[derive(Debug)]
pub(crate) enum Held {
    /// It came in while the app served.
    No,
    /// It waited for the app: sent on once, whatever happens, and in its turn.
    Yes { _turn: OwnedSemaphorePermit },
}

/// Lets a request pass, holds it until its app serves, or says when to come back.
pub(crate) async fn admit(core: &Core, found: Found, head: &Head) -> Result<(Found, Held), Refusal> {
    let (lane, environment) = (&found.lane, found.lane.route.environment);
    let Posture::Asleep { generation, retry_at } = lane.route.posture else { return Ok((found, Held::No)) };
    let sleep = (lane.route.epoch, generation);
    if let Some(rest) = retry_at.map(|at| (at - clock::now()).num_seconds()).filter(|rest| *rest >= 0) {
        let seconds = u64::try_from(rest + 1).unwrap_or(1);
        return Err(Refusal::Later(Later::WakeFailed { seconds }));
    }
    let lifecycle = core.waking.want(environment, sleep);
    let replay = head.replay(lane.route.owner.as_ref());
    match wake::classify(lifecycle, head.class, replay) {
        Answer::Pass => Ok((found, Held::No)),
        Answer::Hold => hold(core, environment, sleep, head).await,
        Answer::Later => Err(Refusal::Later(match (lifecycle, replay) {
            (Lifecycle::Failed, _) => Later::NoRoom,
            (_, Replay::Keyless) => Later::Keyless,
            (_, Replay::Undeclared | Replay::Declared) => Later::Unsafe,
        })),
    }
}

async fn hold(core: &Core, environment: EnvironmentId, sleep: Sleep, head: &Head) -> Result<(Found, Held), Refusal> {
    let budget = core.config.holds;
    let Some(mut place) = core.waking.place(environment, sleep, head.bytes, budget) else {
        core.counters.holds_refused.up();
        return Err(Refusal::Later(Later::HoldBudget));
    };
    core.counters.holds.up();
    let until = Instant::now() + core.config.timing.hold;
    loop {
        place.moved.borrow_and_update();
        if look(core, environment, sleep, head)?.is_some() {
            let doorway = timeout_at(until, Arc::clone(&place.doorway).acquire_owned()).await;
            let turn = doorway.ok().and_then(Result::ok).ok_or(Refusal::Later(Later::NotInTime))?;
            if let Some(found) = look(core, environment, sleep, head)? {
                return Ok((found, Held::Yes { _turn: turn }));
            }
        }
        let now = Instant::now();
        if now >= until {
            core.counters.holds_expired.up();
            return Err(Refusal::Later(Later::NotInTime));
        }
        let _ = timeout_at(until.min(now + LOOK), place.moved.changed()).await;
    }
}

/// The route, once it serves; an end, once this sleep has ended otherwise.
fn look(core: &Core, environment: EnvironmentId, sleep: Sleep, head: &Head) -> Result<Option<Found>, Refusal> {
    if core.door() != Door::Open {
        return Err(Refusal::Closed);
    }
    let found = core.table.load().environment(environment).ok_or(Refusal::UnknownHost)?;
    let lane = &found.lane;
    match (lane.trust, lane.route.posture) {
        (Trust::Quarantined, _) => Err(Refusal::Quarantined),
        (Trust::Elsewhere(region), _) => Err(Refusal::Elsewhere(region)),
        (Trust::Good, Posture::Suspended) => Err(Refusal::Suspended),
        (Trust::Good, Posture::Asleep { generation, .. }) if (lane.route.epoch, generation) != sleep => {
            Err(Refusal::Later(Later::WakeFailed { seconds: 1 }))
        }
        (Trust::Good, Posture::Asleep { .. }) if core.waking.want(environment, sleep) == Lifecycle::Failed => {
            Err(Refusal::Later(Later::NoRoom))
        }
        (Trust::Good, Posture::Asleep { .. }) => Ok(None),
        (Trust::Good, Posture::Serve) => {
            // Another owner may have come meanwhile; it made its own promises.
            let replay = head.replay(lane.route.owner.as_ref());
            if wake::classify(Lifecycle::WakeRequested, head.class, replay) != Answer::Hold {
                return Err(Refusal::Later(Later::Unsafe));
            }
            let at = Moment { now: clock::now(), millis: clock::millis(), dice: core.dice.roll() };
            Ok(pick(lane, &found.targets, Wish::default(), at).is_some().then_some(found))
        }
    }
}

/// Asks the control plane for every wake that is wanted, until told to stop.
pub(crate) async fn ask(core: Arc<Core>, control: Arc<Control>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = core.waking.asked.notified() => {}
            () = stop::requested(&mut stop) => return,
        }
        for question in core.waking.questions() {
            let (core, control) = (Arc::clone(&core), Arc::clone(&control));
            tokio::spawn(async move {
                core.counters.wakes_asked.up();
                let answer = control.wake(question).await;
                if answer == Woken::Moved {
                    // This edge is behind: the route has moved on.
                    core.repair.notify_one();
                }
                core.waking.answered(question, &answer);
            });
        }
    }
}

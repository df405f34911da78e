//! The simulated world: users and operators, two workers, a scheduler, hosts with a runner, edges of two regions and a projection
//! over one log, and what chance makes of them. Every step is followed by the laws.

mod attaching;
mod ending;
mod genesis;
mod judging;
mod leases;
mod operators;
mod surroundings;
mod users;

use crate::{
    bindings::needs,
    deploys::Attempt,
    dice::{Dice, Trace},
    edge::Edge,
    faults::{Fault, Faults, Moment},
    fleet::Fleet,
    laws::Laws,
    log::{SimLog, Weather},
    provider::Provider,
    reader::Reader,
    sins::{Rows, Sinful},
    worker::{self, Decided, Worker},
};
use futures_util::FutureExt as _;
pub(crate) use leases::{Leases, lease};
use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    allocation::{self, Allocation},
    authorization::Authority,
    digest::Digest,
    edge_status::EdgeStatus,
    envelope::StreamId,
    ids::{ActorId, AllocationId, CorrelationId, EnvironmentId, OperationId, RegionId},
    numbers::{EnvSet, Fence},
    operation::{self, Kind, Requested},
    route_owner::RouteOwner,
    variables::pinned,
};
use rhone_eventstore::{
    AppendError, Clock, Committed, Context, Dispatcher, FenceCheck, Idempotency, Loaded, Log as _, Position, Unit,
};
use rhone_tests::rules::{ACME, at, bytes, environment};
use std::{any::Any, cell::RefCell, collections::BTreeMap, future::Future};
use uuid::Uuid;

/// Environments: production and a preview.
pub(crate) const ENVIRONMENTS: usize = 2;
/// Deployments that are there from the beginning; the last was never validated. Those with higher numbers are made by deploys.
pub(crate) const DEPLOYMENTS: usize = 5;
/// How long an operation may take.
pub(crate) const DEADLINE: i64 = 60;

type Known<A> = Loaded<Sinful<A>>;

pub(crate) type Door = Dispatcher<SimLog, Rows>;

/// Waits for what is never slow.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a log in memory never waits")
}

/// A life that broke no law: the hash of all that happened, and how often what happened.
pub(crate) struct Life {
    pub(crate) trace: Digest,
    pub(crate) seen: BTreeMap<String, usize>,
    pub(crate) faults: Faults,
}

/// What a life is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Changes of owners, and what is attached to environments.
    Owners,
    /// Everything that there is, and one kind of operation most of all.
    Estate(Kind),
}

impl About {
    fn of(seed: u64) -> Self {
        let kinds = operators::ASKED;
        let nth = usize::try_from(seed / 3 * 2 + seed % 3).unwrap_or_default() % kinds.len();
        if seed.is_multiple_of(3) { Self::Owners } else { Self::Estate(kinds[nth]) }
    }
}

/// See the module.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) door: Door,
    pub(crate) leases: Leases,
    /// Two in the first region, one in the other.
    pub(crate) edges: [Edge; 3],
    pub(crate) fleet: Fleet,
    about: About,
    faults: Faults,
    /// When what an environment's owner runs failed.
    failures: Vec<(AllocationId, i64)>,
    workers: [Worker; 2],
    laws: Laws,
    reader: Reader,
    reports: Vec<(AllocationId, allocation::Command)>,
    asked: Vec<(String, Requested)>,
    /// The newest set of variables of each environment.
    sets: [u64; ENVIRONMENTS],
    /// How many deploys were asked for.
    deploys: usize,
    pub(crate) provider: Provider,
    /// Workers that were paused in the middle of a step.
    pub(crate) paused: Vec<(Attempt, Moment, Decided)>,
    seen: Position,
    pub(crate) seconds: i64,
    calm: bool,
    /// What was folded last of each stream.
    folded: RefCell<BTreeMap<StreamId, Box<dyn Any>>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let clock = Clock::manual(at(0));
        let log = SimLog::new(clock.clone());
        let mut laws = Laws::default();
        for n in 0..DEPLOYMENTS - 1 {
            laws.validate(bytes(n));
            laws.needs(bytes(n), needs(n));
        }
        let mut world = Self {
            dice: Dice::new(seed),
            trace: Trace::new(),
            door: Dispatcher::new(log, clock, Rows),
            leases: Leases::new(),
            edges: [Edge::new(0), Edge::new(1), Edge::new(2)],
            fleet: Fleet::new(seed),
            about: About::of(seed),
            faults: Faults::new(),
            failures: vec![],
            workers: [Worker::new(0), Worker::new(1)],
            laws,
            reader: Reader::default(),
            reports: vec![],
            asked: vec![],
            sets: [0; ENVIRONMENTS],
            deploys: 0,
            provider: Provider::default(),
            paused: vec![],
            seen: Position::START,
            seconds: 0,
            calm: false,
            folded: RefCell::default(),
        };
        world.begin();
        let begun = now(world.door.log().read_all(Position::START, 10_000)).expect("a log in memory can be read");
        world.seen = begun.last().map_or(Position::START, |event| event.position);
        for n in 0..DEPLOYMENTS {
            world.laws.declares(bytes(n), world.declared(n));
        }
        world
    }

    /// Lets chance act, then heals everything and waits for the end; what came of it, or the broken law.
    pub(crate) fn run(mut self, steps: usize) -> Result<Life, String> {
        // A history to go back to: two owners of production, one of the preview.
        for (environment, deployment) in [(0, 0), (0, 1), (1, 1)] {
            self.promote(environment, deployment);
            self.calm_down()?;
        }
        if let About::Estate(focus) = self.about {
            self.share_services();
            self.calm_down()?;
            for n in 0..ENVIRONMENTS {
                self.prepare(focus, n);
                self.calm_down()?;
            }
        }
        self.calm = false;
        for _ in 0..steps {
            self.step();
            self.judge()?;
        }
        self.settle()?;
        let mut seen = self.laws.seen();
        seen.insert("a probe was answered twice".into(), self.provider.twice);
        Ok(Life { trace: self.trace.digest(), seen, faults: self.faults })
    }

    fn step(&mut self) {
        if let About::Estate(focus) = self.about {
            return self.step_of_an_estate(focus);
        }
        match self.dice.below(36) {
            0..=2 => self.user(),
            3..=14 => self.work(),
            15..=20 => self.runner(),
            21..=29 => self.edge(),
            30 => self.scheduler(),
            31 => self.reader.poll(&self.door, self.dice.once_in(4)),
            32 => self.attach(),
            33 => self.provider.act(&mut self.dice),
            _ => self.wait(),
        }
    }

    /// Less is asked for by those who change owners, and more is done: an operation is short, and most of them have many stages.
    fn step_of_an_estate(&mut self, focus: Kind) {
        match self.dice.below(64) {
            0..=2 => self.operator(focus),
            3 => self.meddle_with_a_host(),
            4 | 5 => self.confirm_upgrades(),
            6 | 7 => self.visit(),
            8 => self.user(),
            9 => self.wish_to_cancel(),
            10 if focus == Kind::Scale || self.dice.once_in(2) => self.attach(),
            10 | 11 => self.provider.act(&mut self.dice),
            12 => self.reader.poll(&self.door, self.dice.once_in(4)),
            13..=15 => self.scheduler(),
            16..=23 => self.runner(),
            24..=31 => self.edge(),
            32..=35 => self.wait(),
            _ => self.work(),
        }
    }

    /// Some time passes, and now and then more than a lease lasts.
    fn wait(&mut self) {
        let seconds = if self.dice.once_in(8) { 25 } else { 1 + self.dice.below(4) };
        self.pass(i64::try_from(seconds).expect("small"));
    }

    fn pass(&mut self, seconds: i64) {
        self.seconds += seconds;
        self.door.clock().advance(chrono::TimeDelta::seconds(seconds));
        self.fleet.pass(self.seconds);
        // The database refuses a lease that has run out, whether or not somebody else claimed it.
        for (id, (.., until)) in &self.leases {
            if *until <= self.seconds {
                self.door.log().log.give_lease(&lease(*id), Fence(u64::MAX));
            }
        }
    }

    fn work(&mut self) {
        let seldom = if self.is_estate() { 48 } else { 8 };
        if !self.paused.is_empty() && self.dice.once_in(seldom) {
            return self.resume();
        }
        let worker = self.dice.below(2);
        self.work_as(worker);
    }

    fn resume(&mut self) {
        // Mostly whoever was away longest.
        let nth = if self.dice.once_in(3) { self.dice.below(self.paused.len()) } else { 0 };
        let (attempt, moment, decided) = self.paused.remove(nth);
        worker::resume(self, attempt, moment, decided);
    }

    fn work_as(&mut self, n: usize) {
        let mut worker = std::mem::replace(&mut self.workers[n], Worker::new(n));
        worker.act(self);
        self.workers[n] = worker;
    }

    /// Before the next append: sometimes it will not happen, or nobody will be told.
    pub(crate) fn storm(&mut self) {
        let weather = match self.dice.below(if self.is_estate() { 9 } else { 12 }) {
            0 if !self.calm => Weather::Unavailable,
            1 if !self.calm => Weather::Unknown,
            _ => Weather::Fair,
        };
        self.door.log().weather(weather);
    }

    /// The set of variables that a deployment would own an environment with now.
    pub(crate) fn set_of(&self, n: usize, deployment: usize) -> EnvSet {
        let route = self.load::<RouteOwner>(environment(n).0).state.0;
        pinned(&route, rhone_tests::rules::deployment(deployment), EnvSet(self.sets[n]))
    }

    /// Whether everything that there is may happen in this life.
    pub(crate) fn is_estate(&self) -> bool {
        self.about != About::Owners
    }

    /// Whether this life is about that kind of operation; whoever sleeps is woken.
    pub(crate) fn is_about(&self, kind: Kind) -> bool {
        let posture = |kind: Kind| matches!(kind, Kind::Sleep | Kind::Wake);
        matches!(self.about, About::Estate(focus) if focus == kind || posture(focus) && posture(kind))
    }

    /// The moment, as workers read it.
    pub(crate) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        at(if crate::sins::committed(crate::sins::Sin::DeadlineIgnored) { 0 } else { self.seconds })
    }

    pub(crate) fn saw(&mut self, moment: Moment, fault: Fault) {
        *self.faults.entry((moment.kind, moment.stage, fault)).or_default() += 1;
    }

    /// A fault where an operation stands now.
    pub(crate) fn saw_at(&mut self, id: OperationId, fault: Fault) {
        let operation = self.load::<operation::Operation>(id.0);
        if let Some(moment) = Moment::of(&operation, self.seconds) {
            self.saw(moment, fault);
        }
    }

    /// What the edges of a region say of themselves.
    pub(crate) fn statuses(&self, region: Option<RegionId>) -> Vec<EdgeStatus> {
        let there = self.edges.iter().filter(|edge| Some(edge.region) == region);
        there.map(|edge| edge.status(self.seconds)).collect()
    }

    /// Operations on an environment that have not ended.
    pub(crate) fn running(&self, environment: EnvironmentId) -> Vec<OperationId> {
        let tables = self.door.log().tables();
        let here = |one: &operation::Operation| {
            one.requested.as_ref().and_then(|requested| requested.work.environment()) == Some(environment)
        };
        let open = |one: &operation::Operation| !one.stage.is_some_and(operation::Stage::is_final);
        let running = tables.operations.iter().filter(|(_, (one, _))| here(one) && open(one));
        running.map(|(id, _)| *id).collect()
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm
    }

    pub(crate) fn load<A: crate::sins::Sinner>(&self, id: Uuid) -> Loaded<Sinful<A>> {
        let stream = StreamId::new(A::CATEGORY, id);
        let head = self.door.log().tables().head(&stream);
        if let Some(known) = self.folded.borrow().get(&stream).and_then(|known| known.downcast_ref::<Known<A>>())
            && known.version == head
        {
            return known.clone();
        }
        let loaded = now(self.door.load::<Sinful<A>>(id)).expect("a log in memory can be read");
        self.folded.borrow_mut().insert(stream, Box::new(loaded.clone()));
        loaded
    }

    pub(crate) fn allocations(&self, wanted: impl Fn(&Allocation) -> bool) -> Vec<Allocation> {
        let tables = self.door.log().tables();
        tables.allocations.values().map(|(one, _)| one).filter(|one| wanted(one)).cloned().collect()
    }

    pub(crate) fn unit(&self, writer: Writer, who: usize, correlation: CorrelationId, key: Option<&str>) -> Unit {
        self.door.unit(Context {
            actor: Actor { id: actor(who), kind: ActorKind::Worker, on_behalf_of: None },
            writer,
            authority: Authority::itself(),
            workspace: ACME,
            correlation,
            causation: None,
            idempotency_key: key.map(ToOwned::to_owned),
            traceparent: None,
            region: None,
            cell: None,
        })
    }

    pub(crate) fn commit(
        &self,
        unit: Unit,
        key: Option<Idempotency>,
        fence: Option<FenceCheck>,
    ) -> Result<Committed, AppendError> {
        now(self.door.commit(unit, key, fence))
    }
}

/// The nth actor: workers first.
pub(crate) fn actor(n: usize) -> ActorId {
    ActorId(Uuid::from_u128(0xac70 + n as u128))
}

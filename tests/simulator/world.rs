//! The simulated world: users, two workers, a scheduler, a runner, two edges and a projection over one log, and what chance
//! makes of them. Every step is followed by the laws.

mod attaching;
mod leases;
mod surroundings;
mod users;

use crate::{
    bindings::needs,
    deploys::Attempt,
    dice::{Dice, Trace},
    edge::Edge,
    laws::{Beside, Laws},
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
    ids::{ActorId, AllocationId, CorrelationId},
    numbers::{EnvSet, Epoch, Fence},
    operation::{self, Requested},
    route_owner::{self, RouteOwner},
    variables::pinned,
};
use rhone_eventstore::{
    AppendError, Clock, Committed, Context, Dispatcher, FenceCheck, Idempotency, Loaded, Log as _, Position, Unit,
};
use rhone_tests::rules::{ACME, HOST, at, bytes, environment, opened};
use std::{collections::BTreeMap, future::Future};
use uuid::Uuid;

/// Environments: production and a preview.
pub(crate) const ENVIRONMENTS: usize = 2;
/// Deployments that are there from the beginning; the last was never validated. Those with higher numbers are made by deploys.
pub(crate) const DEPLOYMENTS: usize = 5;
/// How long an operation may take.
pub(crate) const DEADLINE: i64 = 60;

pub(crate) type Door = Dispatcher<SimLog, Rows>;

/// Waits for what is never slow.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a log in memory never waits")
}

/// A life that broke no law: the hash of all that happened, and how often what happened.
pub(crate) struct Life {
    pub(crate) trace: Digest,
    pub(crate) seen: BTreeMap<String, usize>,
}

/// See the module.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) door: Door,
    pub(crate) leases: Leases,
    pub(crate) edges: [Edge; 2],
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
    pub(crate) paused: Vec<(Attempt, Decided)>,
    seen: Position,
    pub(crate) seconds: i64,
    calm: bool,
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
            edges: [Edge::new(0), Edge::new(1)],
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
        };
        for n in 0..ENVIRONMENTS {
            world.tell_route(n, route_owner::Command::Open(opened(n)));
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
        self.calm = false;
        for _ in 0..steps {
            self.step();
            self.judge()?;
        }
        self.settle()?;
        let mut seen = self.laws.seen();
        seen.insert("a probe was answered twice".into(), self.provider.twice);
        Ok(Life { trace: self.trace.digest(), seen })
    }

    fn step(&mut self) {
        match self.dice.below(36) {
            0..=2 => self.user(),
            3..=14 => self.work(),
            15..=20 => self.runner(),
            21..=29 => self.edge(),
            30 => self.scheduler(),
            31 => self.reader.poll(&self.door, self.dice.once_in(4)),
            32 => self.attach(),
            33 => self.provider.act(&mut self.dice),
            _ => {
                let seconds = if self.dice.once_in(8) { 25 } else { 1 + self.dice.below(4) };
                self.pass(i64::try_from(seconds).expect("small"));
            }
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.seconds += seconds;
        self.door.clock().advance(chrono::TimeDelta::seconds(seconds));
        // The database refuses a lease that has run out, whether or not somebody else claimed it.
        for (id, (.., until)) in &self.leases {
            if *until <= self.seconds {
                self.door.log().log.give_lease(&lease(*id), Fence(u64::MAX));
            }
        }
    }

    /// Reads what is new in the log, append by append.
    fn judge(&mut self) -> Result<(), String> {
        let events = now(self.door.log().read_all(self.seen, 10_000)).map_err(|error| error.to_string())?;
        let leases = self.leases.clone();
        let (edges, provider) = (&self.edges, &self.provider);
        let beside = Beside {
            holder: &|id| leases.get(&id).map(|(worker, ..)| actor(*worker)),
            proven: &|environment, epoch, digest| {
                edges.iter().all(|edge| edge.proven.contains(&(environment, Epoch(epoch), digest)))
            },
            probed: &|operation, binding, credential, identity| {
                provider.has_proven(operation, binding, credential, identity)
            },
        };
        for append in events.chunk_by(|a, b| a.position.tx == b.position.tx) {
            for event in append {
                self.trace.write(&format!("{} {}", event.envelope.event_type, event.hash));
                self.seen = event.position;
            }
            self.laws.read(append, &beside)?;
        }
        self.judge_rows()
    }

    /// The rows and the edges, against what the events said.
    fn judge_rows(&mut self) -> Result<(), String> {
        let tables = self.door.log().tables();
        for (id, (operation, _)) in &tables.operations {
            if operation.stage != self.laws.stage(*id) {
                return Err(format!("a row says {:?}, the events {:?}", operation.stage, self.laws.stage(*id)));
            }
            let overdue = operation
                .requested
                .as_ref()
                .is_some_and(|asked| at(self.seconds) > asked.deadline + chrono::TimeDelta::seconds(600));
            if overdue && operation.stage.is_some_and(|stage| !stage.is_final()) {
                return Err("an operation outlives its deadline".into());
            }
        }
        drop(tables);
        self.judge_leases()?;
        for n in 0..ENVIRONMENTS {
            let environment = environment(n);
            for edge in &mut self.edges {
                let served = edge.served.get(&environment).copied().unwrap_or_default();
                let before = edge.highest.entry(environment).or_default();
                if served < *before {
                    return Err(format!("an edge went back from {before} to {served}"));
                }
                *before = served;
                let owner = edge.route(environment).and_then(|route| route.owner.as_ref());
                if let (Some(owner), Some(picked)) = (owner, edge.pick(environment))
                    && (picked.deployment != owner.deployment || picked.environment != environment)
                {
                    return Err("an edge routes to what does not own the traffic".into());
                }
            }
        }
        Ok(())
    }

    /// Faults end; everything must come to its definite end, and every copy to the truth.
    fn settle(&mut self) -> Result<(), String> {
        self.calm_down()?;
        while !self.paused.is_empty() {
            self.resume();
            self.judge()?;
        }
        let open = self.open_operations();
        if open > 0 {
            return Err(format!("{open} operations never end"));
        }
        let open = self.laws.open_bindings();
        if open > 0 {
            return Err(format!("{open} bindings are neither proven nor failed nor gone"));
        }
        for n in 0..ENVIRONMENTS {
            let wanted = self.laws.epoch(environment(n));
            let held = |edge: &Edge| edge.route(environment(n)).map_or(0, |route| route.epoch.0);
            if self.edges.iter().any(|edge| held(edge) != wanted) {
                return Err(format!("an edge does not hold epoch {wanted}"));
            }
        }
        self.reader.poll(&self.door, false);
        self.reader.agrees_with_a_rebuild(&self.door)
    }

    fn calm_down(&mut self) -> Result<(), String> {
        self.calm = true;
        for _ in 0..400 {
            for worker in 0..2 {
                self.work_as(worker);
                self.judge()?;
            }
            self.runner();
            self.repair();
            self.pass(1);
            self.judge()?;
            if self.open_operations() == 0 && self.reports.is_empty() {
                break;
            }
        }
        self.repair();
        self.judge()?;
        Ok(())
    }

    fn open_operations(&self) -> usize {
        let tables = self.door.log().tables();
        tables.operations.values().filter(|(one, _)| !one.stage.is_some_and(operation::Stage::is_final)).count()
    }

    fn work(&mut self) {
        if !self.paused.is_empty() && self.dice.once_in(8) {
            return self.resume();
        }
        let worker = self.dice.below(2);
        self.work_as(worker);
    }

    fn resume(&mut self) {
        let nth = self.dice.below(self.paused.len());
        let (attempt, decided) = self.paused.swap_remove(nth);
        worker::resume(self, attempt, decided);
    }

    fn work_as(&mut self, n: usize) {
        let mut worker = std::mem::replace(&mut self.workers[n], Worker::new(n));
        worker.act(self);
        self.workers[n] = worker;
    }

    /// Before the next append: sometimes it will not happen, or nobody will be told.
    pub(crate) fn storm(&mut self) {
        let weather = match self.dice.below(12) {
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

    pub(crate) fn is_calm(&self) -> bool {
        self.calm
    }

    pub(crate) fn load<A: crate::sins::Sinner>(&self, id: Uuid) -> Loaded<Sinful<A>> {
        now(self.door.load::<Sinful<A>>(id)).expect("a log in memory can be read")
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

/// Where everything runs.
pub(crate) const HOSTS: &[rhone_domain::ids::HostId] = &[HOST];

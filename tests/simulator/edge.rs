//! A faulty edge: entries reach it twice, late, out of order or not at all, and it may miss its repairs. What it does with
//! them is the real apply rule.

use crate::{
    fleet::BERGEN,
    log::content,
    sins::{Sin, committed},
};
use rhone_domain::{
    digest::Digest,
    edge_status::{Activity, EdgeStatus, Observation, Sessions},
    feed::{Content, Endpoint, EndpointState, Entry, Posture, Route},
    ids::{AllocationId, EnvironmentId, Incarnation, RegionId},
    numbers::{Epoch, FeedSeq},
};
use rhone_edge::{Applied, Known, Position, judge};
use rhone_tests::rules::{LYON, at, reported};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// One edge.
pub(crate) struct Edge {
    n: usize,
    /// The region it serves.
    pub(crate) region: RegionId,
    position: Position,
    held: BTreeMap<Uuid, Content>,
    /// What each environment is served under.
    pub(crate) served: BTreeMap<EnvironmentId, Epoch>,
    /// The highest so far.
    pub(crate) highest: BTreeMap<EnvironmentId, Epoch>,
    pub(crate) observed: BTreeMap<EnvironmentId, Observation>,
    /// Open sessions, and when each allocation was used last.
    sessions: BTreeMap<AllocationId, (u64, i64)>,
    /// What it has ever seen served.
    pub(crate) proven: BTreeSet<(EnvironmentId, Epoch, Digest)>,
}

impl Edge {
    pub(crate) fn new(n: usize) -> Self {
        let position = Position { incarnation: Incarnation(Uuid::from_u128(1)), seq: FeedSeq(0), digest: Digest::ZERO };
        Self {
            n,
            region: if n < 2 { LYON } else { BERGEN },
            position,
            held: BTreeMap::new(),
            served: BTreeMap::new(),
            highest: BTreeMap::new(),
            observed: BTreeMap::new(),
            sessions: BTreeMap::new(),
            proven: BTreeSet::new(),
        }
    }

    /// How far it is.
    pub(crate) fn seq(&self) -> usize {
        usize::try_from(self.position.seq.0).expect("a short feed")
    }

    /// An entry arrives, from wherever.
    pub(crate) fn hear(&mut self, entry: &Entry) -> Applied {
        let new = content(entry);
        let key = match &new {
            Content::Route(route) => route.environment.0,
            Content::Allocation(endpoint) => endpoint.allocation.0,
        };
        let known = Known { held: self.held.get(&key), floor: None };
        let mut applied = judge(Some(&self.position), known, entry, &new);
        if applied == Applied::Gap && committed(Sin::GapIgnored) {
            applied = Applied::Apply;
        }
        let forgets = applied == Applied::Gap && committed(Sin::AssumedOnline);
        if forgets || matches!(applied, Applied::Apply | Applied::Stale | Applied::Conflict) {
            self.position = Position { seq: entry.seq, digest: entry.digest, ..self.position };
        }
        if applied == Applied::Apply || committed(Sin::EdgeTakesOlder) {
            if let Content::Route(route) = &new {
                self.served.insert(route.environment, route.epoch);
            }
            self.held.insert(key, new);
        }
        applied
    }

    pub(crate) fn route(&self, environment: EnvironmentId) -> Option<&Route> {
        match self.held.get(&environment.0)? {
            Content::Route(route) => Some(route),
            Content::Allocation(_) => None,
        }
    }

    /// The allocation that gets an environment's requests: one that runs exactly what the route says, where it says.
    pub(crate) fn pick(&self, environment: EnvironmentId) -> Option<&Endpoint> {
        let route = self.route(environment)?;
        let owner = route.owner.as_ref()?;
        if self.is_elsewhere(route) {
            return None;
        }
        self.held.values().find_map(|content| match content {
            Content::Allocation(endpoint) if endpoint.state == EndpointState::Ready => {
                let healthy = committed(Sin::EdgeFollowsHealth);
                let meant = endpoint.environment == environment && endpoint.runs() == owner.runs();
                (healthy || meant).then_some(endpoint)
            }
            Content::Allocation(_) | Content::Route(_) => None,
        })
    }

    /// Whether another region serves it: this edge answers 421.
    fn is_elsewhere(&self, route: &Route) -> bool {
        route.region != self.region && !committed(Sin::FormerRegionServes)
    }

    /// Somebody comes or goes.
    pub(crate) fn visit(&mut self, environment: EnvironmentId, come: bool, now: i64) {
        let asleep = self.route(environment).is_some_and(|route| route.posture != Posture::Serve);
        let picked = self.pick(environment).map(|endpoint| endpoint.allocation);
        if come && let Some(allocation) = picked.filter(|_| !asleep) {
            let (open, used) = self.sessions.entry(allocation).or_default();
            (*open, *used) = (*open + 1, now);
        } else if let Some((open, used)) = self.sessions.values_mut().find(|(open, _)| *open > 0) {
            (*open, *used) = (*open - 1, now);
        }
    }

    /// All sessions end.
    pub(crate) fn empty(&mut self) {
        self.sessions.clear();
    }

    /// How many sessions are open.
    pub(crate) fn open(&self, allocation: AllocationId) -> u64 {
        self.sessions.get(&allocation).map_or(0, |(open, _)| *open)
    }

    /// Whether it knows that the environment is served elsewhere, under this epoch or a later one.
    pub(crate) fn gave_up(&self, environment: EnvironmentId, epoch: Epoch) -> bool {
        self.route(environment).is_some_and(|route| route.epoch >= epoch && route.region != self.region)
    }

    /// Asks the owner who it is, on the path that traffic takes.
    pub(crate) fn observe(&mut self, environment: EnvironmentId, now: i64) {
        let Some((epoch, deployment)) =
            self.route(environment).and_then(|route| Some((route.epoch, route.owner.as_ref()?.deployment)))
        else {
            return;
        };
        let answered = self.pick(environment);
        let seen = Observation {
            environment,
            epoch,
            deployment,
            allocation: answered.map(|endpoint| endpoint.allocation),
            digest: answered.map(|endpoint| endpoint.artifact),
            status: answered.map(|_| 200),
            elsewhere: self.route(environment).map(|route| route.region).filter(|region| *region != self.region),
            at: at(now),
        };
        if let Some(endpoint) = answered {
            self.proven.insert((environment, epoch, endpoint.artifact));
        }
        self.observed.insert(environment, seen);
    }

    pub(crate) fn status(&self, now: i64) -> EdgeStatus {
        let used = self.sessions.iter();
        let activity = used.map(|(allocation, (open, used))| Activity {
            allocation: *allocation,
            open: *open,
            used_at: at(*used),
        });
        let open = self.sessions.iter().filter(|(_, (open, _))| *open > 0);
        let sessions = open.map(|(allocation, (open, _))| Sessions { allocation: *allocation, open: *open });
        EdgeStatus {
            region: self.region,
            sessions: sessions.collect(),
            activity: activity.collect(),
            activity_since: Some(at(0)),
            closed: vec![],
            ..reported(self.n, self.observed.values().cloned().collect(), at(now))
        }
    }
}

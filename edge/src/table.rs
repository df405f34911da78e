//! The route table that requests read: host to environment, environment to its route and its endpoints. Written by the
//! applier alone; readers never wait. The trap: a host's route must flip whole, so a request takes route and endpoints once
//! and keeps to them.

use crate::allocations::Allocation;
use hyper::header::HeaderValue;
use papaya::HashMap;
use rhone_domain::{
    feed::{Endpoint, Route},
    ids::{AllocationId, EnvironmentId, RegionId},
};
use std::{fmt, net::SocketAddr, sync::Arc};

/// Whether this edge serves a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Served.
    Good,
    /// Two contents claim it, or its epoch fell: 503.
    Quarantined,
    /// Another region serves it: 421, whatever runs here and however healthy it is.
    Elsewhere(RegionId),
}

/// An environment's route, ready to serve.
#[derive(Debug)]
pub(crate) struct Lane {
    /// As the feed says.
    pub(crate) route: Route,
    /// Whether it is served.
    pub(crate) trust: Trust,
    /// `rhone-epoch`.
    pub(crate) epoch: HeaderValue,
}

impl Lane {
    /// Prepares a route.
    pub(crate) fn new(route: Route, trust: Trust) -> Self {
        let epoch = HeaderValue::from(route.epoch.0);
        Self { route, trust, epoch }
    }
}

/// An allocation that can be reached, ready to serve.
pub(crate) struct Target {
    /// As the feed says.
    pub(crate) endpoint: Endpoint,
    /// Its gate.
    pub(crate) address: SocketAddr,
    /// What this edge knows of it.
    pub(crate) allocation: Arc<Allocation>,
    /// `rhone-allocation`.
    pub(crate) id: HeaderValue,
    /// `rhone-deployment`.
    pub(crate) deployment: HeaderValue,
    /// `rhone-artifact`.
    pub(crate) artifact: HeaderValue,
}

impl Target {
    /// Prepares an endpoint; none when its address is none.
    pub(crate) fn new(endpoint: Endpoint, allocation: Arc<Allocation>) -> Option<Self> {
        let text = |shown: &dyn fmt::Display| {
            HeaderValue::from_str(&shown.to_string()).expect("ids and digests are made of visible ASCII")
        };
        Some(Self {
            address: endpoint.address.parse().ok()?,
            id: text(&endpoint.allocation),
            deployment: text(&endpoint.deployment),
            artifact: text(&endpoint.artifact),
            allocation,
            endpoint,
        })
    }
}

/// The endpoints of one environment.
pub(crate) type Targets = Arc<[Arc<Target>]>;

/// What a request needs to know of its host.
pub(crate) struct Found {
    /// The route.
    pub(crate) lane: Arc<Lane>,
    /// Every endpoint of its environment.
    pub(crate) targets: Targets,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Table {
    hosts: HashMap<Box<str>, EnvironmentId>,
    lanes: HashMap<EnvironmentId, Arc<Lane>>,
    targets: HashMap<EnvironmentId, Targets>,
}

impl Table {
    /// A table that will not grow in its first moments.
    pub(crate) fn with_capacity(routes: usize) -> Self {
        Self {
            hosts: HashMap::with_capacity(routes),
            lanes: HashMap::with_capacity(routes),
            targets: HashMap::with_capacity(routes),
        }
    }

    /// The route of a host in normal form: its own, or that of `*.` and its parent.
    pub(crate) fn find(&self, host: &str) -> Option<Found> {
        let hosts = self.hosts.pin();
        let wildcard = || host.find('.').and_then(|dot| hosts.get(&host[dot..]));
        let environment = *hosts.get(host).or_else(wildcard)?;
        self.environment(environment)
    }

    /// The route of an environment.
    pub(crate) fn environment(&self, environment: EnvironmentId) -> Option<Found> {
        let lane = Arc::clone(self.lanes.pin().get(&environment)?);
        Some(Found { lane, targets: self.targets(environment) })
    }

    /// The endpoints of an environment.
    pub(crate) fn targets(&self, environment: EnvironmentId) -> Targets {
        self.targets.pin().get(&environment).map_or_else(|| Arc::new([]), Arc::clone)
    }

    /// Replaces a route, and with it which hosts lead to it.
    pub(crate) fn set_lane(&self, lane: Lane) {
        let environment = lane.route.environment;
        let (lanes, hosts) = (self.lanes.pin(), self.hosts.pin());
        let lane = Arc::new(lane);
        let before = lanes.get(&environment).map(Arc::clone);
        lanes.insert(environment, Arc::clone(&lane));
        for host in &lane.route.hosts {
            hosts.insert(host_key(host), environment);
        }
        let dropped =
            before.iter().flat_map(|before| &before.route.hosts).filter(|host| !lane.route.hosts.contains(host));
        for host in dropped {
            let key = host_key(host);
            if hosts.get(&key) == Some(&environment) {
                hosts.remove(&key);
            }
        }
    }

    /// Replaces one endpoint of an environment.
    pub(crate) fn set_target(&self, target: Target) {
        let environment = target.endpoint.environment;
        let mut all = self.without(environment, target.endpoint.allocation);
        all.push(Arc::new(target));
        self.set_targets(environment, all.into());
    }

    /// Removes one endpoint of an environment.
    pub(crate) fn drop_target(&self, environment: EnvironmentId, allocation: AllocationId) {
        self.set_targets(environment, self.without(environment, allocation).into());
    }

    /// Replaces all endpoints of an environment.
    pub(crate) fn set_targets(&self, environment: EnvironmentId, targets: Targets) {
        self.targets.pin().insert(environment, targets);
    }

    /// Every route.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.pin().values().map(Arc::clone).collect()
    }

    fn without(&self, environment: EnvironmentId, allocation: AllocationId) -> Vec<Arc<Target>> {
        let all = self.targets(environment);
        all.iter().filter(|target| target.endpoint.allocation != allocation).map(Arc::clone).collect()
    }
}

/// `*.parent` is kept as `.parent`, which no request can spell.
fn host_key(host: &str) -> Box<str> {
    host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host).into()
}

#[cfg(test)]
mod tests {
    //! Hosts lead to their environment, and to no other.
    use super::*;
    use crate::apply::tests::{BLUE, PREVIEW, PRODUCTION, route};

    fn lane(environment: EnvironmentId, hosts: &[&str]) -> Lane {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Lane::new(Route { environment, hosts, ..route(1, 0, Some(BLUE)) }, Trust::Good)
    }

    fn leads(table: &Table, host: &str) -> Option<EnvironmentId> {
        table.find(host).map(|found| found.lane.route.environment)
    }

    #[test]
    fn a_wildcard_covers_one_label_and_yields_to_the_exact_host() {
        let table = Table::default();
        table.set_lane(lane(PRODUCTION, &["*.shop.example"]));
        table.set_lane(lane(PREVIEW, &["preview.shop.example"]));
        assert_eq!(leads(&table, "www.shop.example"), Some(PRODUCTION));
        assert_eq!(leads(&table, "preview.shop.example"), Some(PREVIEW));
        assert_eq!(leads(&table, "a.b.shop.example"), None);
        assert_eq!(leads(&table, "shop.example"), None);
    }

    #[test]
    fn a_host_that_moved_is_not_taken_from_its_new_route() {
        let table = Table::default();
        table.set_lane(lane(PRODUCTION, &["a.example", "b.example"]));
        table.set_lane(lane(PREVIEW, &["b.example"]));
        table.set_lane(lane(PRODUCTION, &["a.example"]));
        assert_eq!(leads(&table, "b.example"), Some(PREVIEW));
        assert_eq!(leads(&table, "a.example"), Some(PRODUCTION));
        table.set_lane(lane(PREVIEW, &[]));
        assert_eq!(leads(&table, "b.example"), None);
    }
}

//! The gates, case by case, each with the variants that get it wrong; the trap of Region by its name.

use super::*;
use crate::{
    aggregate::fold,
    binding::Declared,
    cell, environment,
    environment::Residency,
    ids::{CellId, RegionId},
    numbers::Epoch,
    provider::Vendor,
    provider_binding, region, route_owner,
    runtime_service::{Backend, Service},
    runtime_service_binding,
    story::{
        BERGEN, BLUE, CELL_1, FIRST, FJORD, LYON, PRODUCTION, SHOP, at, because,
        bindings::{binding_id, declared, proof},
        enabled, facts, name, needs, opened, owner as owned_by, production, slug,
    },
};

/// Everything that the gates look at.
#[derive(Clone, Debug)]
struct Given {
    wanted: Enablement,
    environment: Vec<environment::Event>,
    owned: bool,
    migrates: bool,
    needs: Needs,
    /// Where the database and the session store are proven.
    database: Vec<RegionId>,
    sessions: Vec<(RegionId, Backend)>,
    broadcast: Vec<RegionId>,
    region: Option<RegionId>,
    cell: Option<(CellId, RegionId)>,
}

/// BERGEN has all that production needs; so does LYON, its home.
fn fit() -> Given {
    let topology = Some(DataTopology::Replicated);
    Given {
        wanted: Enablement { app: SHOP, environment: PRODUCTION, region: BERGEN, cell: FJORD, topology },
        environment: vec![environment::Event::Created(production())],
        owned: true,
        migrates: false,
        needs: needs(),
        database: vec![LYON, BERGEN],
        sessions: vec![(LYON, Backend::Postgres), (BERGEN, Backend::Postgres)],
        broadcast: vec![LYON, BERGEN],
        region: Some(BERGEN),
        cell: Some((FJORD, BERGEN)),
    }
}

impl Given {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn providers(&self) -> ProviderBindings {
        let what = provider_binding::What { resource: Resource::Database, vendor: Vendor::Postgres };
        let events = self.database.iter().zip(1..).flat_map(|(region, n)| {
            let binding = binding_id(n);
            let asked = Declared { id: binding, region: *region, ..declared(what) };
            let verified = provider_binding::Event::Verified { binding, proof: proof(), credential: None };
            [provider_binding::Event::Requested(asked), verified]
        });
        fold(&events.collect::<Vec<_>>())
    }

    fn services(&self) -> RuntimeServices {
        let broadcast = self.broadcast.iter().map(|region| (*region, Service::Broadcast, Backend::Nats));
        let sessions = self.sessions.iter().map(|(region, backend)| (*region, Service::SessionStore, *backend));
        let events = sessions.chain(broadcast).zip(1..).flat_map(|((region, service, backend), n)| {
            let (binding, what) = (binding_id(n), runtime_service_binding::What { service, backend });
            let asked = Declared { id: binding, region, ..declared(what) };
            let verified = runtime_service_binding::Event::Verified { binding, proof: proof(), credential: None };
            [runtime_service_binding::Event::Requested(asked), verified]
        });
        fold(&events.collect::<Vec<_>>())
    }

    fn owner(&self) -> RouteOwner {
        let (by, epoch) = (FIRST, Epoch(1));
        let promoted = route_owner::Event::Promoted { by, epoch, owner: owned_by(BLUE), at: at(0), drain: None };
        let then = self.owned.then_some(promoted);
        fold(&[route_owner::Event::Opened(opened())].into_iter().chain(then).collect::<Vec<_>>())
    }

    /// The first closed gate's kind, code and field.
    fn first_closed(&self, gates: Gates) -> Option<(String, &'static str, Option<&'static str>)> {
        let (slug, name) = (slug("bergen"), name("Bergen"));
        let region = self.region.map(|id| region::Event::Created(region::Created { id, slug: slug.clone(), name }));
        let cell = self.cell.map(|(id, region)| cell::Event::Created(cell::Created { id, region, slug }));
        let migrations = if self.migrates {
            vec![crate::story::declared("0001_orders", crate::database_impact::Impact::Additive)]
        } else {
            vec![]
        };
        let artifact = ArtifactFacts { needs: self.needs.clone(), migrations, ..facts() };
        let judged = gates(&Facts {
            wanted: &self.wanted,
            environment: &fold(&self.environment),
            owner: &self.owner(),
            artifact: self.owned.then_some(&artifact),
            providers: &self.providers(),
            services: &self.services(),
            variables: &Variables::default(),
            region: &fold(&region.into_iter().collect::<Vec<_>>()),
            cell: &fold(&cell.into_iter().collect::<Vec<_>>()),
        });
        let closed = judged.into_iter().find(|one| one.refusal.is_some())?;
        closed.refusal.map(|refusal| (closed.gate.kind, refusal.code, refusal.field))
    }
}

type Gates = fn(&Facts<'_>) -> Vec<Judged>;

type Case = (&'static str, Given, Option<(&'static str, &'static str, Option<&'static str>)>);

fn resides(regions: &[RegionId]) -> environment::Event {
    let residency = Residency(regions.iter().copied().collect());
    environment::Event::ResidencySet { residency, reason: because("the contract") }
}

fn twice() -> environment::Event {
    environment::Event::Scaled { by: FIRST, replicas: environment::Replicas(2) }
}

fn cases() -> Vec<Case> {
    let missing = |code| Some(("runtime_services", code, Some("environmentId")));
    let topology = |code| Some(("data_topology", code, Some("dataTopology")));
    let violated = Some(("residency", "RESIDENCY_VIOLATION", Some("regionId")));
    let said = |given: Given, topology| given.with(|g| g.wanted.topology = topology);
    let bare = || fit().with(|g| g.needs.providers.clear());
    vec![
        ("fit", fit(), None),
        ("within its residency", fit().with(|g| g.environment.push(resides(&[LYON, BERGEN]))), None),
        ("beyond its residency", fit().with(|g| g.environment.push(resides(&[LYON]))), violated),
        (
            "enabled already",
            fit().with(|g| g.environment.push(environment::Event::RegionEnabled(enabled()))),
            Some(("already", "REGION_ENABLED", Some("regionId"))),
        ),
        (
            "its home",
            fit().with(|g| {
                (g.wanted.region, g.wanted.cell) = (LYON, CELL_1);
                (g.region, g.cell) = (Some(LYON), Some((CELL_1, LYON)));
            }),
            Some(("already", "HOME_REGION", Some("regionId"))),
        ),
        ("no such region", fit().with(|g| g.region = None), Some(("cell", "NOT_FOUND", Some("regionId")))),
        ("no such cell", fit().with(|g| g.cell = None), Some(("cell", "NOT_FOUND", Some("cellId")))),
        (
            "a cell of another region",
            fit().with(|g| g.cell = Some((FJORD, LYON))),
            Some(("cell", "CELL_ELSEWHERE", Some("cellId"))),
        ),
        ("no owner", fit().with(|g| g.owned = false), Some(("owner", "NO_OWNER", Some("environmentId")))),
        ("nobody said where the data is", said(fit(), None), topology("DATA_TOPOLOGY_UNDECLARED")),
        ("a database, said not to be there", said(fit(), Some(DataTopology::Nothing)), topology("DATA_NOT_REPLICATED")),
        ("a store that both reach", said(fit(), Some(DataTopology::Shared)), None),
        ("no database", said(bare(), Some(DataTopology::Nothing)), None),
        ("no database, and nobody said so", said(bare(), None), topology("DATA_TOPOLOGY_UNDECLARED")),
        (
            "migrations, and no database said to be there",
            said(bare().with(|g| g.migrates = true), Some(DataTopology::Nothing)),
            topology("DATA_NOT_REPLICATED"),
        ),
        (
            "a database proven at home alone",
            fit().with(|g| g.database = vec![LYON]),
            Some(("provider_bindings", "PROVIDER_MISSING", Some("environmentId"))),
        ),
        ("sessions kept at home alone", fit().with(|g| g.sessions.truncate(1)), missing("RUNTIME_SERVICE_MISSING")),
        (
            "two replicas, and no broadcast there",
            fit().with(|g| {
                g.environment.push(twice());
                g.broadcast = vec![LYON];
            }),
            missing("RUNTIME_SERVICE_MISSING"),
        ),
        (
            "two replicas, and sessions in memory there",
            fit().with(|g| {
                g.environment.push(twice());
                g.sessions[1] = (BERGEN, Backend::Memory);
            }),
            missing("RUNTIME_SERVICE_MISSING"),
        ),
        ("one replica, and no broadcast there", fit().with(|g| g.broadcast.clear()), None),
        (
            "a variable that is required",
            fit().with(|g| g.needs.variables = [key("TOKEN")].into()),
            Some(("secrets", "VARIABLES_MISSING", Some("environmentId"))),
        ),
    ]
}

fn key(text: &str) -> crate::variables::Key {
    crate::variables::Key::parse("key", text).expect("a key")
}

/// The cases about which these gates are wrong.
fn wrong(gates: Gates) -> Vec<&'static str> {
    let differs = |(_, given, said): &Case| {
        let found = given.first_closed(gates);
        found.as_ref().map(|(kind, code, field)| (kind.as_str(), *code, *field)) != *said
    };
    cases().iter().filter(|case| differs(case)).map(|(name, ..)| *name).collect()
}

fn without(facts: &Facts<'_>, kind: &str) -> Vec<Judged> {
    judge(facts).into_iter().filter(|one| one.gate.kind != kind).collect()
}

/// With what is proven at home taken for the region's.
fn by_home(facts: &Facts<'_>) -> Vec<Judged> {
    let needs = facts.artifact.map(|artifact| artifact.needs.clone()).unwrap_or_default();
    let replicas = facts.environment.replicas.0.into();
    let home = |one: Judged| match one.gate.kind.as_str() {
        "provider_bindings" => provider_bindings::of(&needs, LYON, facts.providers),
        "runtime_services" => runtime_services::of(replicas, &needs.services, &facts.services.standings(LYON)),
        _ => one,
    };
    judge(facts).into_iter().map(home).collect()
}

fn by_one_replica(facts: &Facts<'_>) -> Vec<Judged> {
    let environment = Environment { replicas: environment::Replicas::ONE, ..facts.environment.clone() };
    judge(&Facts { environment: &environment, ..*facts })
}

#[test]
fn trap_several_regions_are_only_a_matter_of_dns() {
    assert_eq!(wrong(judge), Vec::<&str>::new());
    let sins: [(&str, Gates); 10] = [
        ("eligible because a host is there", |_| vec![]),
        ("residency ignored", |facts| without(facts, "residency")),
        ("enabled twice", |facts| without(facts, "already")),
        ("any cell will do", |facts| without(facts, "cell")),
        ("nothing to bring there", |facts| without(facts, "owner")),
        ("data is somewhere", |facts| without(facts, "data_topology")),
        ("a missing session store ignored", |facts| without(facts, "runtime_services")),
        ("secrets ignored", |facts| without(facts, "secrets")),
        ("the home region's bindings counted", by_home),
        ("as if one allocation served", by_one_replica),
    ];
    let missed = sins.iter().filter(|(_, gates)| wrong(*gates).is_empty()).map(|(name, _)| *name);
    assert_eq!(missed.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_missing_session_store_is_named() {
    let given = fit().with(|g| g.sessions.truncate(1));
    let services = given.services();
    let closed = runtime_services::of(1, &given.needs.services, &services.standings(BERGEN));
    assert_eq!(closed.gate.reason, "no session store is bound");
}

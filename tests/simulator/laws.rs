//! What must never stop being true, told once more from the events alone: a naive reader of the log that knows no aggregate.

mod allocations;
mod bindings;
mod deploys;
mod hosts;
mod migrations;
mod numbers;
mod posture;
mod regions;

use allocations::One;
use bindings::Bindings;
use deploys::Deploys;
use hosts::Hosts;
use migrations::Migrations;
use numbers::Numbers;
use regions::Regions;
use rhone_domain::{
    artifact_facts::MigrationFacts,
    digest::Digest,
    feed::Runs,
    ids::{ActorId, AllocationId, BindingId, DeploymentId, EnvironmentId, OperationId, RegionId, ValueId},
    numbers::{EnvSet, SleepGeneration},
    operation::{self, Kind, Requested, RouteChange, Stage, Work as Wanted},
    provider::Needs,
    route_owner::{self, Place},
};
use rhone_eventstore::Recorded;
use rhone_tests::rules::{CELL, LYON};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

#[derive(Default)]
struct Lane {
    epoch: u64,
    /// Where it is served.
    place: Option<Place>,
    asleep: Option<SleepGeneration>,
    /// Its last sleep.
    slept: SleepGeneration,
    owner: Option<Runs>,
    /// Who ever owned it, and with which set of variables.
    owned: BTreeMap<DeploymentId, EnvSet>,
    /// At which epoch each last took the traffic.
    taken: BTreeMap<DeploymentId, u64>,
    frozen: bool,
    pinned: bool,
    quarantined: BTreeSet<Digest>,
}

impl Lane {
    /// Where it is served: where it was opened, until it is moved.
    fn place(&self) -> Place {
        self.place.unwrap_or(Place { region: LYON, cell: CELL })
    }
}

/// An operation as it was asked for, and where it stands.
struct Work {
    kind: Kind,
    expected: u64,
    environment: EnvironmentId,
    region: RegionId,
    stage: Stage,
    asked: Wanted,
}

/// The reader.
#[derive(Default)]
pub(crate) struct Laws {
    lanes: BTreeMap<Uuid, Lane>,
    works: BTreeMap<Uuid, Work>,
    allocations: BTreeMap<Uuid, One>,
    validated: BTreeSet<Digest>,
    deploys: Deploys,
    bindings: Bindings,
    numbers: Numbers,
    regions: Regions,
    hosts: Hosts,
    migrations: Migrations,
    /// What ended in the append that is being read.
    ended: Vec<(Uuid, Stage)>,
    /// Which stage was entered in it.
    entered: Vec<(Uuid, Stage)>,
    keys: BTreeSet<String>,
    /// How often what happened, of what must happen in some life.
    seen: BTreeMap<String, usize>,
}

/// Whether a probe of an operation was told what a binding is.
pub(crate) type Probed<'a> = dyn Fn(OperationId, BindingId, Option<ValueId>, &str) -> bool + 'a;

/// What the reader is told beside the events of one append.
pub(crate) struct Beside<'a> {
    /// Who holds the lease of an operation.
    pub(crate) holder: &'a dyn Fn(OperationId) -> Option<ActorId>,
    /// Whether every edge of a region has seen this epoch of an environment served with these bytes.
    pub(crate) proven: &'a dyn Fn(RegionId, EnvironmentId, u64, Digest) -> bool,
    /// Whether every edge of a region knows that it serves an environment no longer, since this epoch.
    pub(crate) gave_up: &'a dyn Fn(RegionId, EnvironmentId, u64) -> bool,
    /// How many sessions are open on an allocation.
    pub(crate) open: &'a dyn Fn(AllocationId) -> u64,
    /// Whether a probe of this operation was told that this binding is this resource, with this credential.
    pub(crate) probed: &'a Probed<'a>,
}

type Verdict = Result<(), String>;

/// Whether an event of this type, of this stream, is in an append.
fn here(append: &[Recorded], stream: Uuid, event_type: &str) -> bool {
    append.iter().any(|event| event.envelope.stream.id() == stream && event.envelope.event_type == event_type)
}

fn law(holds: bool, broken: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(broken()) }
}

impl Laws {
    pub(crate) fn validate(&mut self, digest: Digest) {
        self.validated.insert(digest);
    }

    pub(crate) fn declares(&mut self, digest: Digest, declared: Vec<MigrationFacts>) {
        self.migrations.declares(digest, declared);
    }

    pub(crate) fn needs(&mut self, digest: Digest, needs: Needs) {
        self.bindings.needs(digest, needs);
    }

    /// How many bindings were asked for and came to nothing definite.
    pub(crate) fn open_bindings(&self) -> usize {
        self.bindings.open()
    }

    /// How often what happened.
    pub(crate) fn seen(&self) -> BTreeMap<String, usize> {
        let mut seen = self.seen.clone();
        seen.insert("a binding was proven after it had failed".into(), self.bindings.proven_again());
        seen
    }

    fn saw(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn stage(&self, operation: OperationId) -> Option<Stage> {
        self.works.get(&operation.0).map(|work| work.stage)
    }

    pub(crate) fn owner(&self, environment: EnvironmentId) -> Option<DeploymentId> {
        self.lanes.get(&environment.0)?.owner.map(|owner| owner.deployment)
    }

    pub(crate) fn epoch(&self, environment: EnvironmentId) -> u64 {
        self.lanes.get(&environment.0).map_or(0, |lane| lane.epoch)
    }

    /// Reads one append.
    pub(crate) fn read(&mut self, append: &[Recorded], beside: &Beside<'_>) -> Verdict {
        for event in append {
            match event.envelope.stream.category() {
                "route_owner" => self.route(event, append)?,
                "operation" => self.operation(event, append, beside)?,
                "deployment" => self.release(event, append, beside)?,
                "allocation" => self.allocation(event, beside)?,
                "environment" => self.environment(event, append)?,
                "host" => self.host(event, append)?,
                "migrations" => self.migration(event, append)?,
                "artifact" => self.bindings.registered(event)?,
                "provider_binding" | "runtime_service_binding" => self.bindings.read(event, append, beside)?,
                "backend" => self.bindings.backend(event)?,
                _ => {}
            }
        }
        self.look_for_room();
        self.bindings.owed(append)?;
        self.owed()
    }

    /// What an append owes that ends an operation or takes it further, when all of it was read.
    fn owed(&mut self) -> Verdict {
        for (id, stage) in std::mem::take(&mut self.entered) {
            self.numbers_owed(id, stage)?;
            self.posture_owed(id, stage)?;
        }
        for (id, stage) in std::mem::take(&mut self.ended) {
            self.number_given_back(id, stage)?;
            self.sleep_owed(id, stage)?;
            self.record_owed(id, stage)?;
            self.proof_owed(id, stage)?;
            self.cordon_owed(id, stage)?;
        }
        Ok(())
    }

    fn route(&mut self, event: &Recorded, append: &[Recorded]) -> Verdict {
        let id = event.envelope.stream.id();
        let said: route_owner::Event = event.decode().map_err(|error| error.to_string())?;
        if let route_owner::Event::Promoted { by, epoch, owner, .. }
        | route_owner::Event::RolledBack { by, epoch, owner, .. } = &said
        {
            self.moved(id, by.0, epoch.0, owner.runs(), append)?;
            let back = matches!(said, route_owner::Event::RolledBack { .. });
            let kind = if back { Kind::Rollback } else { Kind::Promotion };
            law(self.works.get(&by.0).is_some_and(|work| work.kind == kind), || {
                "a route was moved by another kind".into()
            })?;
            self.database_allows(id, owner, by.0)?;
        }
        if let route_owner::Event::Moved(moved) = &said {
            self.relocated(id, moved, append)?;
        }
        self.posture(id, &said, append)?;
        if let route_owner::Event::Promoted { owner, .. } = &said
            && self.bindings.needs_something(owner.artifact)
        {
            let lacks = self.bindings.lacks(id, owner.artifact);
            law(lacks.is_none(), || format!("promoted without what it needs: {lacks:?}"))?;
            self.saw("promoted with all that it needs");
        }
        let lane = self.lanes.entry(id).or_default();
        match said {
            route_owner::Event::Promoted { owner, .. } => {
                law(!lane.frozen, || "a promotion passed a freeze".into())?;
                law(!lane.pinned, || "a promotion passed a pin".into())?;
                lane.owner = Some(owner.runs());
                lane.owned.insert(owner.deployment, owner.env_set);
                lane.taken.insert(owner.deployment, lane.epoch);
            }
            route_owner::Event::RolledBack { owner, .. } => {
                let left = lane.owner.map(|left| left.artifact).filter(|left| *left != owner.artifact);
                let here = |wanted: &str| append.iter().any(|event| event.envelope.event_type == wanted);
                law(lane.owned.contains_key(&owner.deployment), || "a rollback to what never owned".into())?;
                law(here("route_owner.pinned"), || "a rollback without a pin".into())?;
                law(left.is_none() || here("route_owner.quarantined"), || "a rollback without quarantine".into())?;
                lane.owner = Some(owner.runs());
                lane.taken.insert(owner.deployment, lane.epoch);
            }
            route_owner::Event::Pinned(_) => lane.pinned = true,
            route_owner::Event::PinReleased { .. } => lane.pinned = false,
            route_owner::Event::Frozen { .. } => lane.frozen = true,
            route_owner::Event::Unfrozen { .. } => lane.frozen = false,
            route_owner::Event::Quarantined { digest, .. } => drop(lane.quarantined.insert(digest)),
            route_owner::Event::QuarantineLifted { digest, .. } => drop(lane.quarantined.remove(&digest)),
            _ => {}
        }
        Ok(())
    }

    /// The owner changes: by one epoch, to validated bytes that answer here with its own variables, by an operation that goes on
    /// in this append.
    fn moved(&mut self, id: Uuid, by: Uuid, epoch: u64, to: Runs, append: &[Recorded]) -> Verdict {
        let lane = self.lanes.entry(id).or_default();
        law(epoch == lane.epoch + 1, || format!("epoch {epoch} after {}", lane.epoch))?;
        lane.epoch = epoch;
        let own = lane.owned.get(&to.deployment).is_none_or(|set| *set == to.env_set);
        law(own, || "a deployment owns again with other variables".into())?;
        law(!lane.quarantined.contains(&to.artifact), || "quarantined bytes came back".into())?;
        law(self.validated.contains(&to.artifact), || "bytes own the traffic that nobody validated".into())?;
        let work = self.works.get(&by).ok_or("a route changed without an operation")?;
        law(work.expected + 1 == epoch, || format!("decided on {} and landed at {epoch}", work.expected))?;
        law(work.environment.0 == id, || "an operation changed another route".into())?;
        let goes_on =
            |event: &Recorded| event.envelope.stream.id() == by && event.envelope.event_type.ends_with("entered");
        law(append.iter().any(goes_on), || "the route changed and its operation did not".into())?;
        law(self.allocations.values().any(|one| one.serves(id, to)), || {
            "no allocation of this environment answers".into()
        })
    }

    fn operation(&mut self, event: &Recorded, append: &[Recorded], beside: &Beside<'_>) -> Verdict {
        let id = OperationId(event.envelope.stream.id());
        let said: operation::Event = event.decode().map_err(|error| error.to_string())?;
        if let operation::Event::Requested(requested) = &said {
            return self.requested(event, requested.clone(), append);
        }
        let about_a_binding = self.bindings.is_about_one(id.0);
        match &said {
            operation::Event::Failed(failure) if about_a_binding => self.saw(format!("binding: {}", failure.code)),
            operation::Event::Failed(failure) => self.saw(failure.code.clone()),
            operation::Event::LateReportRecorded { .. } if about_a_binding => self.saw("binding: late report"),
            _ => {}
        }
        if matches!(said, operation::Event::LateReportRecorded { .. }) {
            law(append.len() == 1, || "a late report changed something".into())?;
        }
        let work = self.works.get_mut(&id.0).ok_or("an operation without a request")?;
        if matches!(said, operation::Event::LateReportRecorded { .. } | operation::Event::CancelRequested { .. }) {
            return Ok(());
        }
        law(!work.stage.is_final(), || "an operation went on after its end".into())?;
        let holder = (beside.holder)(id);
        let by_holder = holder == Some(event.envelope.actor.id) || matches!(said, operation::Event::Cancelled { .. });
        law(by_holder, || "a worker without the lease wrote".into())?;
        let changed = work.stage.is_past_route_change();
        work.stage = match said {
            operation::Event::StageEntered { stage, evidence } => {
                if matches!(stage, Stage::Healthy | Stage::RolledBack) {
                    let good = if work.kind == Kind::Rollback { Stage::RolledBack } else { Stage::Healthy };
                    let (epoch, bytes) = (evidence.epoch.ok_or("no epoch")?, evidence.digest.ok_or("no digest")?);
                    let proven = (beside.proven)(work.region, work.environment, epoch.0, bytes);
                    law(stage == good && changed && proven, || "a good end that no edge has proven".into())?;
                }
                if let (Wanted::RegionFailover(failover), Stage::Healthy, Some(epoch)) =
                    (&work.asked, stage, evidence.epoch)
                {
                    let gone = (beside.gave_up)(failover.from.region, work.environment, epoch.0);
                    law(gone, || "a failover is healthy, and the former region serves on".into())?;
                }
                if let (Wanted::Scale(scale), Stage::Verified) = (&work.asked, stage) {
                    let answered = |id: &Uuid| self.allocations.get(id).is_some_and(|one| one.answered);
                    let proofs = evidence.allocations.iter().map(|proof| proof.allocation.0).collect::<Vec<_>>();
                    let enough = proofs.len() == usize::from(scale.replicas.0) && proofs.iter().all(answered);
                    law(enough, || "a scale ended well, and not as many answered as were wanted".into())?;
                }
                if let (Wanted::Wake(wake), Stage::Hot) = (&work.asked, stage) {
                    posture::names_what_answered(wake, &evidence, &self.allocations)?;
                }
                if work.kind == Kind::Deploy {
                    self.deploys.entered(id.0, stage, evidence.promotion.map(|one| one.0), append)?;
                }
                stage
            }
            operation::Event::Cancelled { .. } => {
                law(!changed, || "cancelled after the route had changed".into())?;
                Stage::Cancelled
            }
            _ => Stage::Failed,
        };
        self.bindings.ended(id.0, work.stage);
        let to = if work.stage.is_final() { &mut self.ended } else { &mut self.entered };
        to.push((id.0, work.stage));
        Ok(())
    }

    fn requested(&mut self, event: &Recorded, requested: Requested, append: &[Recorded]) -> Verdict {
        if let Some(key) = event.envelope.idempotency_key.clone() {
            law(self.keys.insert(key), || "one request became two operations".into())?;
        }
        let (id, kind, stage) = (requested.id.0, requested.kind(), requested.machine().begins);
        let Requested { work: asked, region, .. } = requested;
        let environment = asked.environment().unwrap_or(EnvironmentId(Uuid::nil()));
        match &asked {
            Wanted::Deploy(deploy) => self.deploys.asked(id, deploy)?,
            Wanted::ProviderBinding(binding) | Wanted::RuntimeServiceBinding(binding) => {
                self.bindings.asked(id, binding);
            }
            Wanted::Promotion(change) if self.deploys.makes(change.deployment.0) => {
                self.promotion_of_a_deploy(id, change, append)?;
            }
            Wanted::Wake(wake) => self.no_stampede(wake)?,
            _ => {}
        }
        self.migrations.asked(id, environment.0);
        let expected = asked.route_change().map_or(0, |change| change.expected_epoch.0);
        self.works.insert(id, Work { kind, expected, environment, region, stage, asked });
        Ok(())
    }

    fn promotion_of_a_deploy(&mut self, id: Uuid, change: &RouteChange, append: &[Recorded]) -> Verdict {
        let (environment, expected) = (change.environment.0, change.expected_epoch.0);
        let lane = self.lanes.entry(environment).or_default();
        law(!lane.frozen && !lane.pinned, || "a deploy promotes through a freeze or a pin".into())?;
        law(lane.epoch == expected, || format!("a deploy promotes on {expected} at {}", lane.epoch))?;
        let lacks = self.bindings.lacks(environment, change.artifact);
        law(lacks.is_none(), || format!("a deploy promotes without what it needs: {lacks:?}"))?;
        self.deploys.promotion_asked(id, change.deployment.0, append)
    }

    /// A release that a deploy makes: on record with the stage that says so, and judged by whoever holds the lease.
    fn release(&mut self, event: &Recorded, append: &[Recorded], beside: &Beside<'_>) -> Verdict {
        let by = self.deploys.making(event.envelope.stream.id()).ok_or("a release that nobody makes")?;
        let holder = (beside.holder)(OperationId(by));
        law(holder == Some(event.envelope.actor.id), || "a worker without the lease made a release".into())?;
        let stage = self.works.get(&by).map(|work| work.stage);
        if let Some(digest) = self.deploys.release(event, stage, append)? {
            self.validated.insert(digest);
        }
        Ok(())
    }
}

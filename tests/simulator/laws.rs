//! What must never stop being true, told once more from the events alone: a naive reader of the log that knows no aggregate.

mod bindings;
mod deploys;

use bindings::Bindings;
use deploys::Deploys;
use rhone_domain::{
    allocation,
    digest::Digest,
    feed::Runs,
    ids::{ActorId, BindingId, DeploymentId, EnvironmentId, OperationId, ValueId},
    numbers::EnvSet,
    operation::{self, Kind, Requested, Stage, Work as Wanted},
    provider::Needs,
    route_owner,
};
use rhone_eventstore::Recorded;
use rhone_tests::rules::{change_of, folded};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

#[derive(Default)]
struct Lane {
    epoch: u64,
    owner: Option<Runs>,
    /// Who ever owned it, and with which set of variables.
    owned: BTreeMap<DeploymentId, EnvSet>,
    frozen: bool,
    pinned: bool,
    quarantined: BTreeSet<Digest>,
}

struct Work {
    kind: Kind,
    expected: u64,
    environment: EnvironmentId,
    stage: Stage,
}

/// An allocation as it was ordered, and whether it answers.
struct One {
    environment: EnvironmentId,
    runs: Runs,
    answers: bool,
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
    /// Whether every edge has seen this epoch of an environment served with these bytes.
    pub(crate) proven: &'a dyn Fn(EnvironmentId, u64, Digest) -> bool,
    /// Whether a probe of this operation was told that this binding is this resource, with this credential.
    pub(crate) probed: &'a Probed<'a>,
}

type Verdict = Result<(), String>;

fn law(holds: bool, broken: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(broken()) }
}

impl Laws {
    pub(crate) fn validate(&mut self, digest: Digest) {
        self.validated.insert(digest);
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
                "allocation" => self.allocation(event)?,
                "artifact" => self.bindings.registered(event)?,
                "provider_binding" | "runtime_service_binding" => self.bindings.read(event, append, beside)?,
                "backend" => self.bindings.backend(event)?,
                _ => {}
            }
        }
        self.bindings.owed(append)
    }

    fn route(&mut self, event: &Recorded, append: &[Recorded]) -> Verdict {
        let id = event.envelope.stream.id();
        let said: route_owner::Event = event.decode().map_err(|error| error.to_string())?;
        if let route_owner::Event::Promoted { by, epoch, owner, .. }
        | route_owner::Event::RolledBack { by, epoch, owner, .. } = &said
        {
            self.moved(id, by.0, epoch.0, owner.runs(), append)?;
        }
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
            }
            route_owner::Event::RolledBack { owner, .. } => {
                let left = lane.owner.map(|left| left.artifact).filter(|left| *left != owner.artifact);
                let here = |wanted: &str| append.iter().any(|event| event.envelope.event_type == wanted);
                law(lane.owned.contains_key(&owner.deployment), || "a rollback to what never owned".into())?;
                law(here("route_owner.pinned"), || "a rollback without a pin".into())?;
                law(left.is_none() || here("route_owner.quarantined"), || "a rollback without quarantine".into())?;
                lane.owner = Some(owner.runs());
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
        let serves = |one: &One| one.environment.0 == id && one.runs == to && one.answers;
        law(self.allocations.values().any(serves), || "no allocation of this environment answers".into())
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
                    let proven = (beside.proven)(work.environment, epoch.0, bytes);
                    law(stage == good && changed && proven, || "a good end that no edge has proven".into())?;
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
        Ok(())
    }

    fn requested(&mut self, event: &Recorded, requested: Requested, append: &[Recorded]) -> Verdict {
        if let Some(key) = event.envelope.idempotency_key.clone() {
            law(self.keys.insert(key), || "one request became two operations".into())?;
        }
        let (id, kind, stage) = (requested.id.0, requested.kind(), requested.machine().begins);
        if let Wanted::Deploy(deploy) = &requested.work {
            self.works.insert(id, Work { kind, expected: 0, environment: deploy.environment, stage });
            return self.deploys.asked(id, deploy);
        }
        if let Wanted::ProviderBinding(binding) | Wanted::RuntimeServiceBinding(binding) = &requested.work {
            self.works.insert(id, Work { kind, expected: 0, environment: binding.environment, stage });
            self.bindings.asked(id, binding);
            return Ok(());
        }
        let bytes = requested.work.route_change().map(|change| change.artifact);
        let known = folded::<operation::Operation>(&[operation::Event::Requested(requested)]);
        let (environment, deployment, expected) = change_of(&known).ok_or("an operation that changes no route")?;
        if kind == Kind::Promotion && self.deploys.makes(deployment.0) {
            let lane = self.lanes.entry(environment.0).or_default();
            law(!lane.frozen && !lane.pinned, || "a deploy promotes through a freeze or a pin".into())?;
            law(lane.epoch == expected.0, || format!("a deploy promotes on {} at {}", expected.0, lane.epoch))?;
            let lacks = bytes.and_then(|bytes| self.bindings.lacks(environment.0, bytes));
            law(lacks.is_none(), || format!("a deploy promotes without what it needs: {lacks:?}"))?;
            self.deploys.promotion_asked(id, deployment.0, append)?;
        }
        self.works.insert(id, Work { kind, expected: expected.0, environment, stage });
        Ok(())
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

    fn allocation(&mut self, event: &Recorded) -> Verdict {
        let id = event.envelope.stream.id();
        match event.decode().map_err(|error| error.to_string())? {
            allocation::Event::Planned(planned) => {
                let known = One { environment: planned.environment, runs: planned.runs(), answers: false };
                let same = self.allocations.insert(id, known).is_none();
                return law(same, || "an allocation was planned twice".into());
            }
            allocation::Event::Ready { digest, .. } | allocation::Event::Starting { digest } => {
                let ordered = self.allocations.get(&id).map(|one| one.runs.artifact);
                law(ordered == Some(digest), || "other bytes run than ordered".into())?;
            }
            allocation::Event::Draining { .. } => {
                let drained = self.allocations.get(&id);
                let owner = |one: &One| self.lanes.get(&one.environment.0).and_then(|lane| lane.owner);
                let owns = drained.is_some_and(|one| owner(one) == Some(one.runs));
                // What is too many may go, as long as another one answers.
                let like =
                    |one: &One| drained.is_some_and(|of| (one.environment, one.runs) == (of.environment, of.runs));
                let mut others = self.allocations.iter().filter(|(other, _)| **other != id);
                let spare = others.any(|(_, one)| one.answers && like(one)) || drained.is_some_and(|one| !one.answers);
                law(!owns || spare, || "the scheduler drained what owns the traffic".into())?;
            }
            _ => {}
        }
        if let Some(one) = self.allocations.get_mut(&id) {
            one.answers = event.envelope.event_type == "allocation.ready"
                || one.answers && event.envelope.event_type == "allocation.restarted";
        }
        Ok(())
    }
}

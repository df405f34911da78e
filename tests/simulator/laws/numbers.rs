//! How many are wanted, and who may go: a number changes by compare-and-swap, in the append that says so, only with what several
//! allocations share; a bad end gives it back; and a drain leaves as many ready as are wanted.

use super::{Laws, One, Verdict, Wanted, here, law};
use rhone_domain::{
    allocation::State,
    environment::{self, Replicas},
    operation::Stage,
    scale::Scale,
    scale_readiness::SHARED,
};
use rhone_eventstore::Recorded;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What each environment wants, and which operation said so last.
#[derive(Default)]
pub(super) struct Numbers(BTreeMap<Uuid, (u8, Uuid)>);

impl Numbers {
    fn wanted(&self, environment: Uuid) -> u8 {
        self.0.get(&environment).map_or(1, |(wanted, _)| *wanted)
    }
}

impl Laws {
    /// One event of an environment.
    pub(super) fn environment(&mut self, event: &Recorded, append: &[Recorded]) -> Verdict {
        let id = event.envelope.stream.id();
        match event.decode().map_err(|error| error.to_string())? {
            environment::Event::Scaled { by, replicas } => self.scaled(id, by.0, replicas, append),
            environment::Event::RegionEnabled(enabled) => self.enabled(id, &enabled, append),
            environment::Event::RegionDisabled { region, .. } => {
                self.regions.disabled(id, region);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn scaled(&mut self, id: Uuid, by: Uuid, replicas: Replicas, append: &[Recorded]) -> Verdict {
        let wanted = self.numbers.wanted(id);
        let Some(Wanted::Scale(scale)) = self.works.get(&by).map(|work| &work.asked) else {
            return Err("a number was changed by what scales nothing".into());
        };
        if here(append, by, "operation.stage_entered") {
            let decided_on = (wanted, replicas) == (scale.from.0, scale.replicas);
            law(decided_on, || format!("{replicas} wanted on {} at {wanted}", scale.from))?;
            self.shared(id, scale)?;
        } else {
            let ends = here(append, by, "operation.failed") || here(append, by, "operation.cancelled");
            law(ends && replicas == scale.from, || "a number was given back by what has not ended".into())?;
        }
        self.numbers.0.insert(id, (replicas.0, by));
        Ok(())
    }

    fn shared(&self, environment: Uuid, scale: &Scale) -> Verdict {
        if scale.replicas <= scale.from {
            return Ok(());
        }
        let lacks = SHARED.into_iter().find(|service| !self.bindings.serves(environment, *service));
        law(lacks.is_none(), || format!("several allocations without what they share: {lacks:?}"))
    }

    /// A scale that ended badly leaves no number behind, and one that ended well has what it wanted.
    pub(super) fn number_given_back(&self, id: Uuid, stage: Stage) -> Verdict {
        let Some(work) = self.works.get(&id) else { return Ok(()) };
        if let (Wanted::Scale(_), Stage::Verified) = (&work.asked, stage) {
            return self.number_answers(work.environment.0);
        }
        let (Wanted::Scale(scale), Stage::Failed | Stage::Cancelled) = (&work.asked, stage) else {
            return self.drain_owed(id, stage);
        };
        let left = self.numbers.0.get(&work.environment.0) == Some(&(scale.replicas.0, id));
        law(!left, || "a scale ended badly, and its number stays".into())
    }

    /// A drain that told: of the owner, as many others answer as are wanted.
    pub(super) fn numbers_owed(&self, id: Uuid, stage: Stage) -> Verdict {
        let Some(work) = self.works.get(&id) else { return Ok(()) };
        let (Wanted::Drain(drain), Stage::Draining) = (&work.asked, stage) else { return Ok(()) };
        let Some(lane) = self.lanes.get(&work.environment.0) else { return Ok(()) };
        let Some(owner) = lane.owner.filter(|owner| owner.deployment == drain.deployment) else { return Ok(()) };
        let stays = |one: &&One| {
            let there = one.serves(work.environment.0, owner) && one.planned.place() == lane.place();
            there && !drain.allocations.contains(&one.planned.id)
        };
        let stay = self.allocations.values().filter(stays).count();
        let wanted = usize::from(self.numbers.wanted(work.environment.0));
        law(stay >= wanted, || format!("a drain leaves {stay} where {wanted} are wanted"))
    }

    /// A scale that ended well: as many of the owner's answer as are wanted.
    fn number_answers(&self, environment: Uuid) -> Verdict {
        let Some((lane, owner)) = self.lanes.get(&environment).and_then(|lane| Some((lane, lane.owner?))) else {
            return Err("a number is proven without an owner".into());
        };
        let answers = |one: &&One| one.serves(environment, owner) && one.planned.place() == lane.place();
        let (answer, wanted) = (self.allocations.values().filter(answers).count(), self.numbers.wanted(environment));
        law(answer >= usize::from(wanted), || format!("{answer} answer where {wanted} are proven"))
    }

    fn drain_owed(&self, id: Uuid, stage: Stage) -> Verdict {
        let Some(Wanted::Drain(drain)) = self.works.get(&id).map(|work| &work.asked) else { return Ok(()) };
        let ended = |id: &Uuid| self.allocations.get(id).is_some_and(|one| one.ended);
        let over = drain.allocations.iter().all(|id| ended(&id.0));
        let good = stage == Stage::Verified;
        law(!good || over, || format!("a drain ended well, and not everything is {}", State::Stopped))
    }
}

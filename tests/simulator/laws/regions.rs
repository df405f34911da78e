//! Where an environment may be and is: a region is fit by a proof that answered in it, in the append that says so and lets the
//! proof go; a route moves there with the same owner, by a failover, to what answers there; and no proof outlives its operation.

use super::{Laws, One, Verdict, Wanted, here, law};
use rhone_domain::{
    environment::Enabled,
    ids::{CellId, RegionId},
    operation::Stage,
    route_owner::{Moved, Place},
};
use rhone_eventstore::Recorded;
use rhone_tests::rules::{CELL, LYON};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where each environment may be besides its home.
#[derive(Default)]
pub(super) struct Regions(BTreeMap<(Uuid, RegionId), CellId>);

impl Regions {
    pub(super) fn disabled(&mut self, environment: Uuid, region: RegionId) {
        self.0.remove(&(environment, region));
    }

    fn allow(&self, environment: Uuid, place: Place) -> bool {
        place == Place { region: LYON, cell: CELL } || self.0.get(&(environment, place.region)) == Some(&place.cell)
    }
}

impl Laws {
    pub(super) fn enabled(&mut self, id: Uuid, enabled: &Enabled, append: &[Recorded]) -> Verdict {
        let by = enabled.by;
        law(here(append, by.0, "operation.stage_entered"), || "a region apart from its operation".into())?;
        let owner = self.lanes.get(&id).and_then(|lane| lane.owner).ok_or("a region for nobody's traffic")?;
        let place = Place { region: enabled.region, cell: enabled.cell };
        let proves = |one: &&One| one.planned.proves == Some(by) && one.planned.place() == place;
        let answered = |one: &&One| one.answered && one.planned.runs() == owner;
        let mut proofs = self.allocations.values().filter(proves).filter(answered).peekable();
        law(proofs.peek().is_some(), || "a region is fit, and nothing has answered there".into())?;
        let let_go = proofs.any(|one| here(append, one.planned.id.0, "allocation.draining"));
        law(let_go, || "a region is fit, and its proof runs on".into())?;
        // Nothing is attached to an environment but where it is at home.
        let needs = self.bindings.needs_something(owner.artifact);
        law(!needs, || "a region is fit without what the owner needs there".into())?;
        self.regions.0.insert((id, enabled.region), enabled.cell);
        self.saw("a region is fit");
        Ok(())
    }

    /// The same owner elsewhere.
    pub(super) fn relocated(&mut self, id: Uuid, moved: &Moved, append: &[Recorded]) -> Verdict {
        let work = self.works.get(&moved.by.0).map(|work| &work.asked);
        let Some(Wanted::RegionFailover(asked)) = work else { return Err("a route was moved by another kind".into()) };
        law(asked.to == moved.to && asked.sessions == moved.sessions, || "a route moved otherwise than asked".into())?;
        let lane = self.lanes.entry(id).or_default();
        let (owner, from) = (lane.owner.ok_or("nobody's route was moved")?, lane.place());
        law(from == moved.from && from.region != moved.to.region, || "a route moved from where it was not".into())?;
        law(self.regions.allow(id, moved.to), || "a route moved to where it may not be".into())?;
        self.moved(id, moved.by.0, moved.epoch.0, owner, append)?;
        let there = |one: &One| one.serves(id, owner) && one.planned.place() == moved.to;
        law(self.allocations.values().any(there), || "a route moved to where nothing answers".into())?;
        self.lanes.entry(id).or_default().place = Some(moved.to);
        self.saw("moved to another region");
        Ok(())
    }

    /// A proof is told to go in the append of whatever end its operation comes to.
    pub(super) fn proof_owed(&self, id: Uuid, stage: Stage) -> Verdict {
        if !matches!(self.works.get(&id).map(|work| &work.asked), Some(Wanted::RegionEnablement(_))) {
            return Ok(());
        }
        let left = |one: &&One| one.planned.proves.is_some_and(|by| by.0 == id) && !one.drains && !one.ended;
        let left = self.allocations.values().filter(left).count();
        law(left == 0, || format!("an enablement is {stage}, and {left} proofs run on"))
    }
}

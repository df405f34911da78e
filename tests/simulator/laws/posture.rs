//! Sleep and wake: under the same epoch and owner, each in the append of its operation, one wake a sleep; a route serves again
//! only with something that answers, which its wake names, and a wake that came to nothing leaves it asleep under another
//! generation.

use super::{Laws, One, Verdict, Wanted, here, law};
use rhone_domain::{
    feed::Runs,
    operation::{Evidence, Stage},
    route_owner::Event,
    wake::Wake,
};
use rhone_eventstore::Recorded;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A wake's good end names what it was that answered: allocations of its environment that run what owns it.
pub(super) fn names_what_answered(wake: &Wake, evidence: &Evidence, all: &BTreeMap<Uuid, One>) -> Verdict {
    let runs = Runs { deployment: wake.deployment, artifact: wake.artifact, env_set: wake.env_set };
    let of_it = |one: &One| one.planned.environment == wake.environment && one.planned.runs() == runs;
    let answered = |id: Uuid| all.get(&id).is_some_and(|one| one.answered && of_it(one));
    let named = &evidence.allocations;
    let proven = !named.is_empty() && named.iter().all(|proof| answered(proof.allocation.0));
    law(proven, || "a wake ended well, and names nothing that answered".into())
}

impl Laws {
    /// What an event of a route says of its posture.
    pub(super) fn posture(&mut self, id: Uuid, said: &Event, append: &[Recorded]) -> Verdict {
        match said {
            Event::Slept { by, sleep_generation, .. } => {
                let work = self.works.get(&by.0).map(|work| &work.asked);
                let Some(Wanted::Sleep(asked)) = work else { return Err("what is no sleep let a route sleep".into()) };
                let lane = self.lanes.entry(id).or_default();
                let expected = asked.environment.0 == id && asked.expected_epoch.0 == lane.epoch;
                law(expected, || "a route sleeps that was not meant".into())?;
                law(lane.asleep.is_none() && *sleep_generation > lane.slept, || "a route sleeps twice".into())?;
                law(here(append, by.0, "operation.stage_entered"), || {
                    "a route sleeps apart from its operation".into()
                })?;
                (lane.asleep, lane.slept) = (Some(*sleep_generation), *sleep_generation);
                self.saw("slept");
            }
            Event::Woken { by, sleep_generation, .. } => {
                let lane = self.lanes.entry(id).or_default();
                law(lane.asleep == Some(*sleep_generation), || "another sleep was ended".into())?;
                law(here(append, by.0, "operation.stage_entered"), || {
                    "a route serves apart from its operation".into()
                })?;
                lane.asleep = None;
                let owner = lane.owner.ok_or("nobody's route was woken")?;
                let answers = self.allocations.values().any(|one| one.serves(id, owner));
                law(answers, || "a route was woken before anything of it answers".into())?;
                self.saw("woken");
            }
            Event::WakeFailed { by, sleep_generation, .. } => {
                let lane = self.lanes.entry(id).or_default();
                let ends = here(append, by.0, "operation.failed") || here(append, by.0, "operation.cancelled");
                law(ends, || "a wake failed and its operation goes on".into())?;
                law(lane.asleep.is_some() && *sleep_generation > lane.slept, || "the same sleep goes on".into())?;
                (lane.asleep, lane.slept) = (Some(*sleep_generation), *sleep_generation);
                self.saw("a wake failed");
            }
            Event::Promoted { .. } | Event::RolledBack { .. } | Event::Moved(_) => {
                self.lanes.entry(id).or_default().asleep = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// However many come, one wake follows.
    pub(super) fn no_stampede(&self, wake: &Wake) -> Verdict {
        let same = |asked: &Wanted| match asked {
            Wanted::Wake(other) => {
                (other.environment, other.expected_epoch, other.sleep_generation)
                    == (wake.environment, wake.expected_epoch, wake.sleep_generation)
            }
            _ => false,
        };
        let twice = self.works.values().any(|work| same(&work.asked));
        law(!twice, || "two wakes of one sleep".into())
    }

    /// What a stage says of a route is so.
    pub(super) fn posture_owed(&self, id: Uuid, stage: Stage) -> Verdict {
        let Some(work) = self.works.get(&id) else { return Ok(()) };
        let (Wanted::Sleep(sleep), Stage::Sleeping) = (&work.asked, stage) else { return Ok(()) };
        let asleep = self.lanes.get(&work.environment.0).and_then(|lane| lane.asleep);
        law(asleep == Some(sleep.sleep_generation), || "it says that its route sleeps, and the route serves".into())
    }

    /// What the end of a sleep or of a wake leaves behind.
    pub(super) fn sleep_owed(&self, id: Uuid, stage: Stage) -> Verdict {
        let Some(work) = self.works.get(&id) else { return Ok(()) };
        let Some(lane) = self.lanes.get(&work.environment.0) else { return Ok(()) };
        match (&work.asked, stage) {
            (Wanted::Sleep(sleep), Stage::Cold) => {
                law(lane.asleep == Some(sleep.sleep_generation), || "it is cold, and its route serves".into())
            }
            (Wanted::Wake(wake), Stage::Failed | Stage::Cancelled) => {
                law(lane.asleep != Some(wake.sleep_generation), || "a wake failed, and nobody may ask again".into())
            }
            _ => Ok(()),
        }
    }
}

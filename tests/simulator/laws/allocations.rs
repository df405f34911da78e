//! Allocations: each is ordered once, runs what was ordered, and is told to go only when it may: never the last of an owner, nothing
//! that somebody uses because its environment sleeps, and nothing of a host that is emptied before its replacement answers.

use super::{Beside, Laws, Verdict, law};
use rhone_domain::{
    allocation::{self, Planned},
    feed::Runs,
};
use rhone_eventstore::Recorded;
use uuid::Uuid;

/// An allocation as it was ordered, and what became of it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts, each by itself, of which no two follow from one another"
)]
pub(super) struct One {
    pub(super) planned: Planned,
    pub(super) answers: bool,
    /// Whether it ever did.
    pub(super) answered: bool,
    pub(super) drains: bool,
    pub(super) ended: bool,
}

impl One {
    /// Whether it is there for traffic of what it runs, and answers.
    pub(super) fn serves(&self, environment: Uuid, runs: Runs) -> bool {
        let Planned { environment: of, proves, .. } = &self.planned;
        of.0 == environment && proves.is_none() && self.planned.runs() == runs && self.answers
    }
}

impl Laws {
    /// One event of an allocation.
    pub(super) fn allocation(&mut self, event: &Recorded, beside: &Beside<'_>) -> Verdict {
        let id = event.envelope.stream.id();
        let said = event.decode().map_err(|error| error.to_string())?;
        match &said {
            allocation::Event::Planned(planned) => {
                self.ordered(planned)?;
                let planned = planned.clone();
                let known = One { planned, answers: false, answered: false, drains: false, ended: false };
                let same = self.allocations.insert(id, known).is_none();
                return law(same, || "an allocation was planned twice".into());
            }
            allocation::Event::Ready { digest, .. } | allocation::Event::Starting { digest } => {
                let ordered = self.allocations.get(&id).map(|one| one.planned.artifact);
                law(ordered == Some(*digest), || "other bytes run than ordered".into())?;
            }
            allocation::Event::Draining { reason, .. } => self.drained(id, reason, beside)?,
            _ => {}
        }
        if let Some(one) = self.allocations.get_mut(&id) {
            one.answers = event.envelope.event_type == "allocation.ready"
                || one.answers && event.envelope.event_type == "allocation.restarted";
            one.answered |= one.answers;
            one.drains |= matches!(said, allocation::Event::Draining { .. });
            one.ended |= matches!(said, allocation::Event::Stopped { .. } | allocation::Event::Failed { .. });
        }
        Ok(())
    }

    /// What owns the traffic is told to go only while another one answers that is the same.
    fn drained(&mut self, id: Uuid, reason: &str, beside: &Beside<'_>) -> Verdict {
        let Some(one) = self.allocations.get(&id) else { return Err("a drain of what was never ordered".into()) };
        if reason == "its environment sleeps" {
            let open = (beside.open)(one.planned.id);
            return law(open == 0, || format!("{open} sessions are open on what goes to sleep"));
        }
        if reason.starts_with("its host is drained") {
            let stands_in = |other: &One| other.planned.replaces == Some(one.planned.id) && other.answers;
            return law(self.allocations.values().any(stands_in), || {
                "told to go before its replacement answers".into()
            });
        }
        let (environment, runs) = (one.planned.environment.0, one.planned.runs());
        let lane = self.lanes.get(&environment);
        let here = lane.is_some_and(|lane| lane.owner == Some(runs) && lane.place() == one.planned.place());
        // What is too many may go, as long as another one answers.
        let mut others = self.allocations.iter().filter(|(other, _)| **other != id);
        let spare = !one.answers || others.any(|(_, other)| other.serves(environment, runs));
        law(!here || spare || one.planned.proves.is_some(), || "the scheduler drained what owns the traffic".into())
    }
}

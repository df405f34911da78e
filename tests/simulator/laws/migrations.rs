//! What ran against a database: on record once, as declared, in the append that ends its operation well; nobody owns the traffic
//! before what it counts on has run, no route goes back behind what took away what it needs, and no promotion closes the way back
//! but for whoever acknowledged it when it had run.

use super::{Kind, Laws, Verdict, Wanted, here, law};
use rhone_domain::{
    artifact_facts::MigrationFacts,
    digest::Digest,
    feed::Owner,
    migrations::{self, Recorded as Ran},
    operation::Stage,
};
use rhone_eventstore::Recorded;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What is declared by which bytes, and what ran where.
#[derive(Default)]
pub(super) struct Migrations {
    declared: BTreeMap<Digest, Vec<MigrationFacts>>,
    ran: BTreeMap<Uuid, Vec<Ran>>,
    /// How many had run when an operation was asked for, where it was.
    before: BTreeMap<Uuid, usize>,
}

impl Migrations {
    pub(super) fn declares(&mut self, bytes: Digest, declared: Vec<MigrationFacts>) {
        self.declared.insert(bytes, declared);
    }

    /// An operation on an environment was asked for: whatever it acknowledges had run by then.
    pub(super) fn asked(&mut self, operation: Uuid, environment: Uuid) {
        let before = self.ran(environment).len();
        self.before.insert(operation, before);
    }

    fn of(&self, bytes: Digest) -> &[MigrationFacts] {
        self.declared.get(&bytes).map_or(&[], Vec::as_slice)
    }

    fn ran(&self, environment: Uuid) -> &[Ran] {
        self.ran.get(&environment).map_or(&[], Vec::as_slice)
    }
}

impl Laws {
    /// One event of an environment's migrations.
    pub(super) fn migration(&mut self, event: &Recorded, append: &[Recorded]) -> Verdict {
        let id = event.envelope.stream.id();
        let migrations::Event::Recorded(ran) = event.decode().map_err(|error| error.to_string())? else {
            return Ok(());
        };
        law(here(append, ran.by.0, "operation.stage_entered"), || "a record apart from its operation".into())?;
        let twice = self.migrations.ran(id).iter().any(|known| known.id == ran.id);
        law(!twice, || "one migration is on record twice".into())?;
        let declared = |one: &MigrationFacts| (&one.id, one.digest, one.impact) == (&ran.id, ran.digest, ran.impact);
        let known = self.migrations.declared.values().flatten().any(declared);
        law(known, || "a migration is on record that nobody declares".into())?;
        self.migrations.ran.entry(id).or_default().push(ran);
        self.saw("a migration on record");
        Ok(())
    }

    /// A migration that ended well is on record.
    pub(super) fn record_owed(&self, id: Uuid, stage: Stage) -> Verdict {
        let Some(work) = self.works.get(&id) else { return Ok(()) };
        let (Wanted::Migration(told), Stage::Verified) = (&work.asked, stage) else { return Ok(()) };
        let on_record = self.migrations.ran(work.environment.0).iter().any(|one| one.id == told.migration);
        law(on_record, || "a migration ended well and is not on record".into())
    }

    /// Whether the database lets this owner have the traffic.
    pub(super) fn database_allows(&mut self, environment: Uuid, owner: &Owner, by: Uuid) -> Verdict {
        let kind = self.works.get(&by).map(|work| work.kind);
        let (declared, ran) = (self.migrations.of(owner.artifact), self.migrations.ran(environment));
        let missing = declared.iter().find(|one| !ran.iter().any(|known| known.id == one.id));
        law(missing.is_none(), || format!("it owns the traffic before {missing:?} has run"))?;
        let taken = self.lanes.get(&environment).and_then(|lane| lane.taken.get(&owner.deployment)).copied();
        let behind = |one: &&Ran| {
            let since = one.epoch.0 >= taken.unwrap_or_default();
            since && one.impact.closes_the_way_back() && !declares(declared, one)
        };
        let behind = ran.iter().find(behind).filter(|_| kind == Some(Kind::Rollback));
        law(behind.is_none(), || format!("a route went back behind {behind:?}"))?;
        if !declared.is_empty() {
            self.saw("an owner that counts on a migration");
        }
        if kind == Some(Kind::Promotion) { self.acknowledged(environment, owner, by) } else { Ok(()) }
    }

    /// A promotion goes nowhere behind what the present owner counts on, and what closes the way back to it was acknowledged by
    /// whoever asked for this very promotion, after all of it had run.
    fn acknowledged(&mut self, environment: Uuid, owner: &Owner, by: Uuid) -> Verdict {
        let left = self.lanes.get(&environment).and_then(|lane| lane.owner);
        let present = left.map_or(Digest::ZERO, |left| left.artifact);
        let (next, present) = (self.migrations.of(owner.artifact), self.migrations.of(present));
        let ran = self.migrations.ran(environment).iter().enumerate();
        let grave = ran.filter(|(_, one)| one.impact.closes_the_way_back()).collect::<Vec<_>>();
        let behind = grave.iter().find(|(_, one)| declares(present, one) && !declares(next, one));
        law(behind.is_none(), || format!("a promotion went back behind {behind:?}"))?;
        let new = grave.iter().filter(|(_, one)| declares(next, one) && !declares(present, one));
        let Some(last) = new.map(|(nth, _)| *nth).max() else { return Ok(()) };
        let change = self.works.get(&by).and_then(|work| work.asked.route_change());
        let taken = change.is_some_and(|change| change.acknowledgements.iter().any(|one| one.gate == "database"));
        law(taken, || "a promotion closed the way back, and nobody acknowledged it".into())?;
        let before = self.migrations.before.get(&by).copied().unwrap_or_default();
        law(last < before, || "what closes the way back was acknowledged before it ran".into())?;
        self.saw("a closed way back was acknowledged");
        Ok(())
    }
}

fn declares(declared: &[MigrationFacts], ran: &Ran) -> bool {
    declared.iter().any(|one| one.id == ran.id)
}

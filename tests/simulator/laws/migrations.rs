//! What ran against a database: on record once, as declared, in the append that ends its operation well; nobody owns the traffic
//! before what it counts on has run, and no route goes back behind what took away what it needs.

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
}

impl Migrations {
    pub(super) fn declares(&mut self, bytes: Digest, declared: Vec<MigrationFacts>) {
        self.declared.insert(bytes, declared);
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
    pub(super) fn database_allows(&mut self, environment: Uuid, owner: &Owner, kind: Kind) -> Verdict {
        let (declared, ran) = (self.migrations.of(owner.artifact), self.migrations.ran(environment));
        let missing = declared.iter().find(|one| !ran.iter().any(|known| known.id == one.id));
        law(missing.is_none(), || format!("it owns the traffic before {missing:?} has run"))?;
        let taken = self.lanes.get(&environment).and_then(|lane| lane.taken.get(&owner.deployment)).copied();
        let behind = |one: &&Ran| {
            let since = one.epoch.0 >= taken.unwrap_or_default();
            since && one.impact.closes_the_way_back() && !declared.iter().any(|its| its.id == one.id)
        };
        let behind = ran.iter().find(behind).filter(|_| kind == Kind::Rollback);
        law(behind.is_none(), || format!("a route went back behind {behind:?}"))?;
        if !declared.is_empty() {
            self.saw("an owner that counts on a migration");
        }
        Ok(())
    }
}

//! What is there before a life begins, put into the log by the real nouns: two regions with their hosts, two environments, and the
//! first deployments with their bytes. Who asks later is judged on streams, and not on what a test holds in its hands.

use super::{DEPLOYMENTS, ENVIRONMENTS, World};
use crate::{
    bindings::needs,
    fleet::{BERGEN, FJORD},
    sins::Sinner,
};
use rhone_domain::{
    actor::Writer,
    artifact::{self, Artifact},
    artifact_facts::{ArtifactFacts, MigrationFacts},
    cell::{self, Cell},
    database_impact::Impact,
    deployment::{self, Deployment},
    environment::{self, Environment},
    host::Host,
    ids::{ArtifactId, CorrelationId, ProjectId},
    region::{self, Region},
    route_owner::{self, RouteOwner},
    text::{MigrationName, Name, Slug},
};
use rhone_tests::rules::{ACME, CELL, DRAIN, LYON, SHOP, bytes, created, deployment, environment, facts, opened};
use uuid::Uuid;

impl World {
    pub(super) fn begin(&mut self) {
        let slug = |text| Slug::parse("slug", text).expect("a slug");
        let name = Name::parse("name", "a region").expect("a name");
        for (id, cell, text) in [(LYON, CELL, "lyon"), (BERGEN, FJORD, "bergen")] {
            let region = region::Created { id, slug: slug(text), name: name.clone() };
            self.bring::<Region>(Writer::Platform, id.0, [region::Command::Create(region)]);
            let of = cell::Created { id: cell, region: id, slug: slug(text) };
            self.bring::<Cell>(Writer::Platform, cell.0, [cell::Command::Create(of)]);
        }
        for (id, commands) in self.fleet.created() {
            self.bring::<Host>(Writer::Platform, id.0, commands);
        }
        for n in 0..ENVIRONMENTS {
            self.bring::<Environment>(Writer::Api, environment(n).0, [environment::Command::Create(lane(n))]);
            self.bring::<RouteOwner>(Writer::Api, environment(n).0, [route_owner::Command::Open(opened(n))]);
        }
        (0..DEPLOYMENTS).for_each(|n| self.bring_release(n));
    }

    /// The nth deployment, and its bytes; the last of the first ones was never validated.
    fn bring_release(&mut self, n: usize) {
        let (digest, facts) = (bytes(n), ArtifactFacts { needs: needs(n), migrations: self.declared(n), ..facts() });
        let id = ArtifactId::of(ACME, digest);
        let registered = artifact::Created { id, workspace: ACME, digest, size: 1, facts: facts.clone() };
        self.bring::<Artifact>(Writer::Pipeline, id.0, [artifact::Command::Create(registered)]);
        let create = deployment::Command::Create(created(n));
        self.bring::<Deployment>(Writer::Pipeline, deployment(n).0, [create]);
        if n < DEPLOYMENTS - 1 {
            let validate = deployment::Command::Validate { digest, facts: Box::new(facts) };
            self.bring::<Deployment>(Writer::Pipeline, deployment(n).0, [validate]);
        }
    }

    /// The migrations that the nth deployment counts on: one takes away what the others need, one adds.
    pub(crate) fn declared(&self, n: usize) -> Vec<MigrationFacts> {
        let impact = match n {
            2 => Impact::Destructive,
            3 => Impact::Additive,
            _ => return Vec::new(),
        };
        let id = MigrationName::parse("id", &format!("000{n}")).expect("a name");
        if self.is_estate() { vec![MigrationFacts { id, digest: bytes(100 + n), impact }] } else { Vec::new() }
    }

    fn bring<A: Sinner>(&mut self, writer: Writer, id: Uuid, commands: impl IntoIterator<Item = A::Command>) {
        let mut loaded = self.load::<A>(id);
        let mut unit = self.unit(writer, 9, CorrelationId(id), None);
        for command in commands {
            assert!(unit.decide(&mut loaded, command).is_ok(), "{} cannot be brought into being", A::CATEGORY);
        }
        self.commit(unit, None, None).expect("a log in memory takes it");
    }
}

fn lane(n: usize) -> environment::Created {
    let (slug, kind) =
        if n == 0 { ("production", environment::Kind::Production) } else { ("preview", environment::Kind::Preview) };
    environment::Created {
        id: environment(n),
        workspace: ACME,
        project: ProjectId(Uuid::from_u128(0x9707)),
        app: SHOP,
        slug: Slug::parse("slug", slug).expect("a slug"),
        kind,
        region: LYON,
        cell: CELL,
        drain: DRAIN,
    }
}

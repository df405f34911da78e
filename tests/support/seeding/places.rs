//! Where seeded apps run: a region of its own with one cell and one host that nobody runs, so that the scheduler of a real
//! platform leaves them alone.

use rhone_domain::{
    actor::{Actor, ActorKind, Writer},
    authorization::Authority,
    cell::{self, Cell},
    claim::{self, Claim, Kind},
    host::{self, Host},
    ids::{ActorId, CellId, CorrelationId, HostId, PLATFORM, RegionId, derived},
    region::{self, Region},
    text::{Name, Slug},
};
use rhone_eventstore::{AppendError, Clock, Context, Dispatcher, PgLog};
use rhone_projections::inline::AuthorityRows;
use uuid::Uuid;

/// The region, its cell and its host.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Where.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
    /// On what.
    pub host: HostId,
}

const SLUG: &str = "seeded";

impl Places {
    /// Records them, unless they are there.
    pub(super) async fn open(log: &PgLog) -> Result<Self, AppendError> {
        let id = |noun: &str| derived(&["seed", noun]);
        let places = Self { region: RegionId(id("region")), cell: CellId(id("cell")), host: HostId(id("host")) };
        let door = Dispatcher::new(log.clone(), Clock::system(), AuthorityRows);
        match places.record(&door).await {
            Ok(()) | Err(AppendError::Conflict { .. }) => Ok(places),
            Err(error) => Err(error),
        }
    }

    async fn record(self, door: &Dispatcher<PgLog, AuthorityRows>) -> Result<(), AppendError> {
        let Self { region, cell, host } = self;
        let mut unit = door.unit(context(CorrelationId(region.0)));
        let slug = || Slug::parse("slug", SLUG).expect("a slug");
        let name = Name::parse("name", "Seeded").expect("a name");
        let sound = "they are not there yet";
        let claims = [(Kind::RegionSlug, Uuid::nil(), region.0), (Kind::CellSlug, region.0, cell.0)];
        for (kind, scope, holder) in claims.into_iter().chain([(Kind::HostSlug, cell.0, host.0)]) {
            let command = claim::Command::Claim { kind, value: SLUG.into(), holder };
            unit.decide(&mut super::life::fresh::<Claim>(claim::id(kind, scope, SLUG)), command).expect(sound);
        }
        let created = region::Created { id: region, slug: slug(), name };
        unit.decide(&mut super::life::fresh::<Region>(region.0), region::Command::Create(created)).expect(sound);
        unit.place(Some(region), None);
        let created = cell::Created { id: cell, region, slug: slug() };
        unit.decide(&mut super::life::fresh::<Cell>(cell.0), cell::Command::Create(created)).expect(sound);
        unit.place(Some(region), Some(cell));
        let created = host::Created { id: host, region, cell, slug: slug() };
        unit.decide(&mut super::life::fresh::<Host>(host.0), host::Command::Create(created)).expect(sound);
        door.commit(unit, None, None).await.map(drop)
    }
}

fn context(correlation: CorrelationId) -> Context {
    Context {
        actor: Actor { id: ActorId(derived(&["seed", "operator"])), kind: ActorKind::Worker, on_behalf_of: None },
        writer: Writer::Platform,
        authority: Authority::itself(),
        workspace: PLATFORM,
        correlation,
        causation: None,
        idempotency_key: None,
        traceparent: None,
        region: None,
        cell: None,
    }
}

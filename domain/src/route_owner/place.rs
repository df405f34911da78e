//! Where a route's traffic is served. Writer: failover operations, by compare-and-swap on the epoch; an environment's home is
//! where it was opened, and no more than that. One truth: [`RouteOwner::lane`] is the only way to a route's region and cell.
//! Traps: an edge of the former region that goes on as if it owned the route; allocations left there that still count;
//! sessions said to have moved. They live where they are until the drain deadline, and what they get then is in the event.

use super::{Event, Rejection, RouteOwner};
use crate::{
    allocation::Planned,
    feed::Drain,
    ids::{AppId, CellId, EnvironmentId, OperationId, RegionId, WorkspaceId},
    numbers::Epoch,
    session_fate::Fate,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is known of it from its opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The route key.
    pub environment: EnvironmentId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// Where.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
}

/// A region and a cell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Where.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
}

/// A change of place that an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Which operation; nothing else may change a route.
    pub by: OperationId,
    /// The epoch it was decided on.
    pub expected: Epoch,
    /// Where it shall be served.
    pub to: Place,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when the sessions at the former place live.
    pub drain_until: DateTime<Utc>,
    /// What those get that are still open then, and whoever comes anew.
    pub sessions: Fate,
}

/// The same owner, served elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// By which operation.
    pub by: OperationId,
    /// Under which epoch.
    pub epoch: Epoch,
    /// From where.
    pub from: Place,
    /// To where.
    pub to: Place,
    /// When.
    pub at: DateTime<Utc>,
    /// The owner's own allocations at the former place, and until when their sessions live.
    pub drain: Drain,
    /// What the sessions get that are still open then.
    pub sessions: Fate,
}

impl Opened {
    /// Its region and cell.
    pub fn place(&self) -> Place {
        Place { region: self.region, cell: self.cell }
    }

    /// The same lane elsewhere.
    #[must_use]
    pub fn at(&self, place: Place) -> Self {
        Self { region: place.region, cell: place.cell, ..self.clone() }
    }
}

impl RouteOwner {
    /// Whose traffic it is and where it is served now; none before it is open.
    pub fn lane(&self) -> Option<Opened> {
        let opened = self.opened.as_ref()?;
        Some(self.moved_to.map_or_else(|| opened.clone(), |place| opened.at(place)))
    }

    /// Where its traffic is served now; none before it is open.
    pub fn place(&self) -> Option<Place> {
        self.moved_to.or_else(|| self.opened.as_ref().map(Opened::place))
    }

    /// Whether an allocation is the owner's: it runs exactly what the owner is, variables and all, where the traffic is served.
    /// What the same deployment has elsewhere, where it was served before, or with another set, counts for nothing, for no
    /// edge sends anybody there; nor does what only proves a region.
    pub fn owns(&self, planned: &Planned) -> bool {
        planned.proves.is_none()
            && self.owner.as_ref().is_some_and(|owner| planned.runs() == owner.runs())
            && self.place().is_some_and(|place| planned.place() == place)
    }

    /// Whether its traffic may be served there, decided on this epoch. Neither a freeze nor a pin is asked: both hold back
    /// other bytes, and a move keeps the very same.
    pub fn may_move(&self, expected: Epoch, to: Place) -> Result<(), Rejection> {
        self.same_epoch(expected)?;
        let Some(owner) = &self.owner else { return Err(Rejection::NothingToMove) };
        if let Some(asleep) = &self.asleep {
            return Err(Rejection::Asleep { generation: asleep.generation });
        }
        // Edges know regions and not cells: within one they could not tell the owner's allocations from those it left.
        if self.place().is_some_and(|place| place.region == to.region) {
            return Err(Rejection::IsThere { region: to.region });
        }
        self.not_quarantined(owner.artifact)
    }

    pub(super) fn relocate(&self, wish: Relocation) -> Result<Vec<Event>, Rejection> {
        if self.by == Some(wish.by) {
            return Ok(vec![]);
        }
        self.may_move(wish.expected, wish.to)?;
        let (Some(owner), Some(from)) = (&self.owner, self.place()) else { return Err(Rejection::NothingToMove) };
        let drain = Drain { deployment: owner.deployment, deadline: wish.drain_until };
        let Relocation { by, to, at, sessions, .. } = wish;
        Ok(vec![Event::Moved(Moved { by, epoch: self.epoch.next(), from, to, at, drain, sessions })])
    }

    pub(super) fn arrive(&mut self, moved: &Moved) {
        self.left.insert(moved.from.region);
        self.left.remove(&moved.to.region);
        self.moved_to = Some(moved.to);
        self.drain = Some(moved.drain.clone());
    }
}

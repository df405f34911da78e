//! Who owns the traffic: a promotion or a rollback, by compare-and-swap on the epoch. Trap: a decision made on an epoch that has
//! passed.

use super::{Change, Event, Pin, Rejection, RouteOwner};
use crate::{digest::Digest, feed::Drain, ids::DeploymentId, numbers::Epoch, text::Reason};

impl RouteOwner {
    pub(super) fn promote(&self, change: Change) -> Result<Vec<Event>, Rejection> {
        if self.by == Some(change.by) {
            return Ok(vec![]);
        }
        self.may_promote(change.expected, change.owner.artifact)?;
        let drain = self.drain_of(&change);
        let Change { by, owner, at, .. } = change;
        Ok(vec![Event::Promoted { by, epoch: self.epoch.next(), owner, at, drain }])
    }

    pub(super) fn roll_back(&self, change: Change, reason: Reason) -> Result<Vec<Event>, Rejection> {
        if self.by == Some(change.by) {
            return Ok(vec![]);
        }
        self.may_roll_back(change.expected, change.owner.deployment, change.owner.artifact)?;
        let drain = self.drain_of(&change);
        let Change { by, owner, at, .. } = change;
        let pin = Pin { deployment: owner.deployment, by, reason: reason.clone() };
        let left = self.owner.as_ref().map(|left| left.artifact).filter(|left| *left != owner.artifact);
        let mut events = vec![
            Event::RolledBack { by, epoch: self.epoch.next(), owner, at, drain, reason: reason.clone() },
            Event::Pinned(pin),
        ];
        events.extend(left.map(|digest| Event::Quarantined { digest, reason }));
        Ok(events)
    }

    /// Whether a promotion of these bytes, decided on this epoch, would be allowed now.
    pub fn may_promote(&self, expected: Epoch, artifact: Digest) -> Result<(), Rejection> {
        self.same_epoch(expected)?;
        if let Some(reason) = &self.frozen {
            return Err(Rejection::Frozen { reason: reason.clone() });
        }
        if let Some(Pin { deployment, reason, .. }) = &self.pin {
            return Err(Rejection::Pinned { deployment: *deployment, reason: reason.clone() });
        }
        self.not_quarantined(artifact)
    }

    /// Whether a rollback to this deployment, decided on this epoch, would be allowed now.
    pub fn may_roll_back(&self, expected: Epoch, deployment: DeploymentId, artifact: Digest) -> Result<(), Rejection> {
        self.same_epoch(expected)?;
        if self.owner.as_ref().is_some_and(|owner| owner.deployment == deployment) {
            return Err(Rejection::IsOwner { deployment });
        }
        if self.former.get(&deployment).is_none_or(|former| former.artifact != artifact) {
            return Err(Rejection::NeverOwned { deployment });
        }
        self.not_quarantined(artifact)
    }

    pub(super) fn same_epoch(&self, expected: Epoch) -> Result<(), Rejection> {
        if self.opened.is_none() {
            return Err(Rejection::NotFound);
        }
        let actual = self.epoch;
        if expected == actual { Ok(()) } else { Err(Rejection::StaleEpoch { expected, actual }) }
    }

    pub(super) fn not_quarantined(&self, digest: Digest) -> Result<(), Rejection> {
        match self.quarantined.get(&digest) {
            Some(reason) => Err(Rejection::Quarantined { digest, reason: reason.clone() }),
            None => Ok(()),
        }
    }

    fn drain_of(&self, change: &Change) -> Option<Drain> {
        let left = self.owner.as_ref().filter(|left| left.deployment != change.owner.deployment)?;
        Some(Drain { deployment: left.deployment, deadline: change.drain_until })
    }
}

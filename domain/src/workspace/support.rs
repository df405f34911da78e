//! Support: who runs the platform acts for a member, because that member allowed it. Writer: the workspace. Trap: an access that
//! outlives its member's own rights; what it may do is asked of the member each time.

use super::{Event, Rejection, Workspace};
use crate::{
    authorization::{Grant, Membership},
    ids::{ActorId, SupportId},
    text::Reason,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The longest time in which support may act.
pub const LONGEST_SUPPORT: TimeDelta = TimeDelta::days(7);

/// A time in which support may act for a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// For whom: never more than they may, and recorded with every event.
    pub user: ActorId,
    /// Why.
    pub reason: Reason,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Whether it was ended before.
    pub ended: Ended,
}

/// Whether somebody ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It lasts until its time is over.
    NotYet,
    /// It is over.
    Early,
}

impl Workspace {
    pub(super) fn end_support(&self, access: SupportId, by: ActorId) -> Result<Vec<Event>, Rejection> {
        let support = self.support.get(&access).ok_or(Rejection::NoSupport)?;
        if support.user != by {
            self.has_all(by, &[Grant::MembersManage])?;
        }
        Ok(match support.ended {
            Ended::NotYet => vec![Event::SupportEnded { access }],
            Ended::Early => vec![],
        })
    }

    /// What support may do under an access now: what its user may, while it lasts.
    pub fn supported(&self, access: SupportId, now: DateTime<Utc>) -> Option<&Membership> {
        let support = self.support.get(&access)?;
        let lasts = support.ended == Ended::NotYet && now < support.until;
        if lasts { self.members.get(&support.user) } else { None }
    }
}

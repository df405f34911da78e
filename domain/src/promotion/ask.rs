//! A promotion or rollback as it is asked for, complete: what an API caller wishes and what follows a deploy are made into a
//! request in one place. Trap: an epoch or a set of variables read at another moment than the gates; all of it is taken from
//! the streams that the gates look at.

use crate::{
    deployment,
    environment::DrainPolicy,
    ids::{ActorId, OperationId},
    numbers::{EnvSet, Epoch},
    operation::{Acknowledgement, Kind, Requested, RouteChange, Work},
    route_owner::RouteOwner,
    text::Reason,
    variables,
};
use chrono::{DateTime, TimeDelta, Utc};

/// How long it may take.
const DEADLINE: TimeDelta = TimeDelta::seconds(120);

/// A change of route that somebody wishes for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Promotion or rollback.
    pub kind: Kind,
    /// Why.
    pub reason: Option<Reason>,
    /// The epoch it was decided on; the present one when nobody says.
    pub expected: Option<Epoch>,
    /// How sessions of the former owner end.
    pub drain: DrainPolicy,
    /// Who asks.
    pub by: Option<ActorId>,
    /// What they take upon themselves.
    pub acknowledgements: Vec<Acknowledgement>,
}

impl Ask {
    /// The request; none while the environment has no route.
    pub fn requested(
        &self,
        id: OperationId,
        owner: &RouteOwner,
        deployment: &deployment::Created,
        current: EnvSet,
        now: DateTime<Utc>,
    ) -> Option<Requested> {
        let opened = owner.lane()?;
        let change = RouteChange {
            app: opened.app,
            environment: opened.environment,
            deployment: deployment.id,
            artifact: deployment.digest,
            env_set: variables::pinned(owner, deployment.id, current),
            expected_epoch: self.expected.unwrap_or(owner.epoch),
            drain: self.drain,
            requested_by: self.by,
            acknowledgements: self.acknowledgements.clone(),
        };
        Some(Requested {
            id,
            workspace: opened.workspace,
            region: opened.region,
            cell: Some(opened.cell),
            reason: self.reason.clone(),
            deadline: now + DEADLINE,
            work: if self.kind == Kind::Rollback { Work::Rollback(change) } else { Work::Promotion(change) },
        })
    }
}

#[cfg(test)]
mod tests {
    //! What becomes of a wish.
    use super::*;
    use crate::{
        aggregate::fold,
        route_owner,
        story::{BLUE, FIRST, created, opened},
    };

    fn requested(kind: Kind, owner: &RouteOwner, now: DateTime<Utc>) -> Option<Requested> {
        let drain = DrainPolicy::default();
        let ask = Ask { kind, reason: None, expected: None, drain, by: None, acknowledgements: Vec::new() };
        ask.requested(FIRST, owner, &created(BLUE), EnvSet(3), now)
    }

    #[test]
    fn a_wish_is_a_request_of_its_kind_with_an_end() {
        let (owner, now) = (fold::<RouteOwner>(&[route_owner::Event::Opened(opened())]), DateTime::UNIX_EPOCH);
        let promotion = requested(Kind::Promotion, &owner, now).expect("it has a route");
        let rollback = requested(Kind::Rollback, &owner, now).expect("it has a route");
        assert!(matches!(&promotion.work, Work::Promotion(change) if change.deployment == BLUE), "{promotion:?}");
        assert!(matches!(&rollback.work, Work::Rollback(change) if change.deployment == BLUE), "{rollback:?}");
        assert_eq!(promotion.deadline, now + DEADLINE);
    }

    #[test]
    fn there_is_no_request_without_a_route() {
        assert_eq!(requested(Kind::Promotion, &RouteOwner::default(), DateTime::UNIX_EPOCH), None);
    }
}

//! What people ask of a route: all but who owns it. The trap avoided: a hostname that leads to two environments; its claim is part of
//! the same append.

use super::route_of;
use crate::{
    fault::Fault,
    graphql::{
        change::{Answer, Bench, Change, Judged, Manner, No, change, decide, permit},
        id,
    },
};
use async_graphql::{Context, ID};
use rhone_domain::{
    actor::Writer,
    aggregate::Command as _,
    claim,
    digest::Digest,
    ids::{CorrelationId, EnvironmentId},
    route_owner::Command,
    text::{Hostname, Reason},
};
use rhone_eventstore::Unit;
use uuid::Uuid;

/// What is asked of a route.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    AttachHost(Hostname),
    DetachHost(Hostname),
    Freeze(Reason),
    Unfreeze(Reason),
    ReleasePin(Reason),
    LiftQuarantine(Digest, Reason),
}

struct RouteChange {
    environment: EnvironmentId,
    asked: Asked,
}

/// Has it judged and appended.
pub(super) async fn ask(ctx: &Context<'_>, environment: &ID, manner: Manner, asked: Asked) -> Result<Answer, Fault> {
    change(ctx, manner, RouteChange { environment: id::read("environmentId", environment)?, asked }).await
}

impl Change for RouteChange {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::AttachHost(_) => "environmentHostAttach",
            Asked::DetachHost(_) => "environmentHostDetach",
            Asked::Freeze(_) => "environmentFreeze",
            Asked::Unfreeze(_) => "environmentUnfreeze",
            Asked::ReleasePin(_) => "environmentPinRelease",
            Asked::LiftQuarantine(..) => "environmentQuarantineLift",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{:?}", self.environment, self.asked)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (mut owner, opened) = route_of(bench, self.environment).await?;
        let mut unit = bench.unit(Writer::Api, opened.workspace, CorrelationId(bench.new_id()));
        unit.place(Some(opened.region), Some(opened.cell));
        let concerning = |no: No| no.concerning(opened.app, Some(self.environment));
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, self.command().name(), &owner.stream).map_err(concerning)?;
        self.claim(bench, &mut unit).await.map_err(concerning)?;
        decide(&mut unit, &mut owner, self.command()).map_err(concerning)?;
        Ok(Judged { unit, object: self.environment.0, operation: None, decided_on: Some(owner.stream.clone()) })
    }
}

impl RouteChange {
    fn command(&self) -> Command {
        match self.asked.clone() {
            Asked::AttachHost(host) => Command::AttachHost { host },
            Asked::DetachHost(host) => Command::DetachHost { host },
            Asked::Freeze(reason) => Command::Freeze { reason },
            Asked::Unfreeze(reason) => Command::Unfreeze { reason },
            Asked::ReleasePin(reason) => Command::ReleasePin { reason },
            Asked::LiftQuarantine(digest, reason) => Command::LiftQuarantine { digest, reason },
        }
    }

    /// A hostname is claimed or released in the same append that lets it lead here or no longer.
    async fn claim(&self, bench: &Bench<'_>, unit: &mut Unit) -> Result<(), No> {
        let holder = self.environment.0;
        let (host, command) = match &self.asked {
            Asked::AttachHost(host) => {
                let (kind, value) = (claim::Kind::Hostname, host.to_string());
                (host, claim::Command::Claim { kind, value, holder })
            }
            Asked::DetachHost(host) => (host, claim::Command::Release { holder }),
            Asked::Freeze(_) | Asked::Unfreeze(_) | Asked::ReleasePin(_) | Asked::LiftQuarantine(..) => return Ok(()),
        };
        let mut claim = bench.claim(claim::Kind::Hostname, Uuid::nil(), host.as_str()).await?;
        decide(unit, &mut claim, command).map_err(|no| no.about("host"))
    }
}

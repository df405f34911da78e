//! An environment's bindings of the noun that an operation is about: one of two aggregates of the same shape.

use crate::process::{AdvanceError, Drive, decide};
use rhone_domain::{
    binding::{BindingWork, Change, Credential, Proof, Seen, Unproven},
    environment::Environment,
    gate::Refusal,
    ids::BindingId,
    operation,
    provider_binding::{self, ProviderBindings},
    route_owner::RouteOwner,
    runtime_service_binding::{self, RuntimeServices},
    text::Reason,
};
use rhone_eventstore::{Loaded, Unit};
use rhone_providers::probe::Kind;

/// What serves an environment's traffic, as an unbind of a runtime service was judged on it.
pub(super) struct Serving {
    environment: Loaded<Environment>,
    owner: Loaded<RouteOwner>,
}

impl Serving {
    /// None for what needs not look at it.
    pub(super) async fn load(drive: &Drive<'_>, work: &BindingWork) -> Result<Option<Self>, AdvanceError> {
        let services = drive.requested.kind() == operation::Kind::RuntimeServiceBinding;
        if !services || work.change != Change::Unbind {
            return Ok(None);
        }
        let environment = drive.door.load::<Environment>(work.environment).await?;
        let owner = drive.door.load::<RouteOwner>(work.environment).await?;
        Ok(Some(Self { environment, owner }))
    }

    /// Lets the append fail if another number is wanted by now, or another place serves.
    pub(super) fn assert(&self, unit: &mut Unit) {
        unit.assert(&self.environment);
        unit.assert(&self.owner);
    }
}

/// One of the two.
pub(super) enum Lane {
    Providers(Box<Loaded<ProviderBindings>>),
    Services(Box<Loaded<RuntimeServices>>),
}

impl Lane {
    pub(super) async fn load(drive: &Drive<'_>, work: &BindingWork) -> Result<Self, AdvanceError> {
        Ok(if drive.requested.kind() == operation::Kind::ProviderBinding {
            Self::Providers(Box::new(drive.door.load(work.environment).await?))
        } else {
            Self::Services(Box::new(drive.door.load(work.environment).await?))
        })
    }

    pub(super) fn seen(&self, binding: BindingId) -> Option<Seen<'_>> {
        match self {
            Self::Providers(lane) => lane.state.bindings.get(&binding).map(|b| b.seen(b.declared.what.purpose())),
            Self::Services(lane) => lane.state.bindings.get(&binding).map(|b| b.seen(b.declared.what.purpose())),
        }
    }

    /// How it is probed.
    pub(super) fn kind(&self, binding: BindingId) -> Option<Kind> {
        match self {
            Self::Providers(lane) => lane.state.bindings.get(&binding).map(|b| b.declared.what.vendor.into()),
            Self::Services(lane) => lane.state.bindings.get(&binding).map(|b| b.declared.what.backend.into()),
        }
    }

    /// Why what serves cannot do without it.
    pub(super) fn needed(&self, binding: BindingId, serving: Option<&Serving>) -> Option<Refusal> {
        let (Self::Services(lane), Some(serving)) = (self, serving) else { return None };
        lane.state.may_do_without(binding, &serving.environment.state, &serving.owner.state).err()
    }

    pub(super) fn assert(&self, unit: &mut Unit) {
        match self {
            Self::Providers(lane) => unit.assert(lane),
            Self::Services(lane) => unit.assert(lane),
        }
    }

    pub(super) fn verify(
        &mut self,
        unit: &mut Unit,
        binding: BindingId,
        proof: Proof,
        credential: Option<Credential>,
    ) -> Result<(), AdvanceError> {
        match self {
            Self::Providers(lane) => {
                decide(unit, lane, provider_binding::Command::Verify { binding, proof, credential })
            }
            Self::Services(lane) => {
                decide(unit, lane, runtime_service_binding::Command::Verify { binding, proof, credential })
            }
        }
    }

    pub(super) fn fail(&mut self, unit: &mut Unit, binding: BindingId, unproven: Unproven) -> Result<(), AdvanceError> {
        match self {
            Self::Providers(lane) => decide(unit, lane, provider_binding::Command::Fail { binding, unproven }),
            Self::Services(lane) => decide(unit, lane, runtime_service_binding::Command::Fail { binding, unproven }),
        }
    }

    pub(super) fn disable(&mut self, unit: &mut Unit, binding: BindingId, reason: Reason) -> Result<(), AdvanceError> {
        match self {
            Self::Providers(lane) => decide(unit, lane, provider_binding::Command::Disable { binding, reason }),
            Self::Services(lane) => decide(unit, lane, runtime_service_binding::Command::Disable { binding, reason }),
        }
    }
}

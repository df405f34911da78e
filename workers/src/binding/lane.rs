//! An environment's bindings of the noun that an operation is about: one of two aggregates of the same shape.

use crate::process::{AdvanceError, Drive, decide};
use rhone_domain::{
    binding::{BindingWork, Credential, Proof, Seen, Unproven},
    ids::BindingId,
    operation,
    provider_binding::{self, ProviderBindings},
    runtime_service_binding::{self, RuntimeServices},
    text::Reason,
};
use rhone_eventstore::{Loaded, Unit};
use rhone_providers::probe::Kind;

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

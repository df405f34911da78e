//! Samples of the events about bindings.

use crate::{
    backend,
    provider::{Resource, Vendor},
    provider_binding,
    runtime_service::{Backend, Service},
    runtime_service_binding,
    story::{
        because,
        bindings::{binding_id, credential, declared, proof, unproven, used},
    },
};

pub(super) fn backends() -> [backend::Event; 2] {
    [backend::Event::Taken(used(backend::Purpose::Truth)), backend::Event::Released { binding: binding_id(1) }]
}

pub(super) fn provider_bindings() -> [provider_binding::Event; 4] {
    let what = provider_binding::What { resource: Resource::Database, vendor: Vendor::Postgres };
    [
        provider_binding::Event::Requested(declared(what)),
        provider_binding::Event::Verified { binding: binding_id(1), proof: proof(), credential: credential(1) },
        provider_binding::Event::Failed { binding: binding_id(1), unproven: unproven() },
        provider_binding::Event::Disabled { binding: binding_id(1), reason: because("moved to another provider") },
    ]
}

pub(super) fn runtime_services() -> [runtime_service_binding::Event; 4] {
    let what = runtime_service_binding::What { service: Service::SessionStore, backend: Backend::Postgres };
    [
        runtime_service_binding::Event::Requested(declared(what)),
        runtime_service_binding::Event::Verified { binding: binding_id(1), proof: proof(), credential: credential(1) },
        runtime_service_binding::Event::Failed { binding: binding_id(1), unproven: unproven() },
        runtime_service_binding::Event::Disabled { binding: binding_id(1), reason: because("not needed any more") },
    ]
}

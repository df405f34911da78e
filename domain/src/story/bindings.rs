//! The part of the story that is about bindings: what ALICE asks to be attached to production, and what a probe said.

use super::{ACME, LYON, PRODUCTION, SHOP, THIRD, at, because, slug};
use crate::{
    aggregate::fold,
    backend,
    binding::{Credential, Declared, Proof, Unproven},
    environment,
    ids::BindingId,
    numbers::EnvSet,
    runtime_service::{Backend, Service},
    runtime_service_binding::{Event, RuntimeServices, What},
};
use uuid::Uuid;

pub(crate) fn binding_id(n: u128) -> BindingId {
    BindingId(Uuid::from_u128(0xb1d0_0000 + n))
}

/// The how manieth credential of a binding.
#[expect(clippy::unnecessary_wraps, reason = "it is where one may be missing")]
pub(crate) fn credential(generation: u64) -> Option<Credential> {
    Some(Credential { value: Uuid::from_u128(u128::from(generation)).into(), generation: EnvSet(generation) })
}

/// What ALICE asks to be attached to production.
pub(crate) fn declared<W>(what: W) -> Declared<W> {
    Declared {
        id: binding_id(1),
        workspace: ACME,
        app: SHOP,
        environment: PRODUCTION,
        slug: slug("production"),
        kind: environment::Kind::Production,
        region: LYON,
        what,
        endpoint: "postgres://db.example.com:5432/shop".into(),
        credential: credential(1),
        shared: Some(because("a rehearsal on real data")),
    }
}

pub(crate) fn proof() -> Proof {
    Proof {
        by: THIRD,
        identity: Some("postgres:7412345678901234567/16384/shop".into()),
        evidence: vec!["a row was written, read and dropped".into()],
        at: at(2),
    }
}

pub(crate) fn unproven() -> Unproven {
    Unproven { by: THIRD, code: "UNREACHABLE".into(), message: "nothing answers".into() }
}

/// How the binding of the story uses its backend.
pub(crate) fn used(purpose: backend::Purpose) -> backend::Use {
    backend::Use {
        binding: binding_id(1),
        workspace: ACME,
        app: SHOP,
        environment: PRODUCTION,
        slug: slug("production"),
        kind: environment::Kind::Production,
        purpose,
        shared: Some(because("a rehearsal on real data")),
    }
}

/// A session store on PostgreSQL, proven in this region.
pub(crate) fn session_store(region: crate::ids::RegionId) -> RuntimeServices {
    let what = What { service: Service::SessionStore, backend: Backend::Postgres };
    fold(&[
        Event::Requested(Declared { region, ..declared(what) }),
        Event::Verified { binding: binding_id(1), proof: proof(), credential: None },
    ])
}

/// All that several allocations share, proven in LYON.
pub(crate) fn shared_services() -> RuntimeServices {
    let of = |n: u128, (service, backend)| {
        let asked = Declared { id: binding_id(n), ..declared(What { service, backend }) };
        [Event::Requested(asked), Event::Verified { binding: binding_id(n), proof: proof(), credential: None }]
    };
    let (store, broadcast) = ((Service::SessionStore, Backend::Postgres), (Service::Broadcast, Backend::Nats));
    fold([of(1, store), of(2, broadcast)].as_flattened())
}

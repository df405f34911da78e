//! An environment's bindings of either noun, as users and workers act on them.

use crate::{
    sins::{Sin, Sinful, committed},
    world::World,
};
use rhone_domain::{
    binding::{BindingWork, Credential, Declared, Proof, Seen, State, Unproven},
    environment,
    ids::{BindingId, EnvironmentId},
    numbers::EnvSet,
    operation::Work,
    provider::{Resource, Vendor},
    provider_binding::{self, ProviderBindings},
    runtime_service::{Backend, Service},
    runtime_service_binding::{self, RuntimeServices},
    text::{Reason, Slug},
};
use rhone_eventstore::{Loaded, Unit};
use rhone_tests::rules::{ACME, LYON, SHOP, environment};

/// Which of the two nouns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    /// The database that deployments need.
    Provider,
    /// Their session store.
    Service,
}

impl Noun {
    /// An operation on a binding of it.
    pub(crate) fn work(self, work: BindingWork) -> Work {
        match self {
            Self::Provider => Work::ProviderBinding(work),
            Self::Service => Work::RuntimeServiceBinding(work),
        }
    }
}

/// The bindings of one noun.
#[derive(Clone)]
pub(crate) enum Lane {
    Providers(Box<Loaded<Sinful<ProviderBindings>>>),
    Services(Box<Loaded<Sinful<RuntimeServices>>>),
}

/// The same for either noun, whose module may be named.
macro_rules! either {
    ($lane:expr, $loaded:ident => $what:expr) => {
        match $lane {
            Lane::Providers($loaded) => $what,
            Lane::Services($loaded) => $what,
        }
    };
    ($lane:expr, $module:ident, $loaded:ident => $what:expr) => {
        match $lane {
            Lane::Providers($loaded) => {
                use provider_binding as $module;
                $what
            }
            Lane::Services($loaded) => {
                use runtime_service_binding as $module;
                $what
            }
        }
    };
}

impl Lane {
    pub(crate) fn load(world: &World, noun: Noun, environment: EnvironmentId) -> Self {
        match noun {
            Noun::Provider => Self::Providers(Box::new(world.load(environment.0))),
            Noun::Service => Self::Services(Box::new(world.load(environment.0))),
        }
    }

    /// Every binding that is not disabled.
    pub(crate) fn attached(&self) -> Vec<BindingId> {
        either!(self, loaded => {
            let attached = loaded.state.0.bindings.values().filter(|bound| bound.state != State::Disabled);
            attached.map(|bound| bound.declared.id).collect()
        })
    }

    pub(crate) fn seen(&self, binding: BindingId) -> Option<Seen<'_>> {
        either!(self, loaded => {
            let bound = loaded.state.0.bindings.get(&binding);
            bound.map(|bound| bound.seen(bound.declared.what.purpose()))
        })
    }

    pub(crate) fn next_generation(&self, binding: BindingId) -> EnvSet {
        either!(self, loaded => {
            let bound = loaded.state.0.bindings.get(&binding);
            bound.map_or(EnvSet(1), rhone_domain::binding::Bound::next_generation)
        })
    }

    pub(crate) fn assert(&self, unit: &mut Unit) {
        either!(self, loaded => unit.assert(loaded.as_ref()));
    }

    /// Asks for one of the nth environment.
    pub(crate) fn request(
        &mut self,
        unit: &mut Unit,
        (binding, n): (BindingId, usize),
        service: Service,
        credential: Credential,
        shared: Option<Reason>,
    ) -> Option<()> {
        match self {
            Self::Providers(loaded) => {
                let what = provider_binding::What { resource: Resource::Database, vendor: Vendor::Postgres };
                let declared = declared(binding, n, what, credential, shared);
                unit.decide(loaded.as_mut(), provider_binding::Command::Request(declared)).ok().map(drop)
            }
            Self::Services(loaded) => {
                let backend = if service == Service::Broadcast { Backend::Nats } else { Backend::Postgres };
                let what = runtime_service_binding::What { service, backend };
                let declared = declared(binding, n, what, credential, shared);
                unit.decide(loaded.as_mut(), runtime_service_binding::Command::Request(declared)).ok().map(drop)
            }
        }
    }

    pub(crate) fn verify(
        &mut self,
        unit: &mut Unit,
        binding: BindingId,
        proof: Proof,
        credential: Option<Credential>,
    ) -> Option<()> {
        either!(self, noun, loaded => {
            unit.decide(loaded.as_mut(), noun::Command::Verify { binding, proof, credential }).ok().map(drop)
        })
    }

    pub(crate) fn fail(&mut self, unit: &mut Unit, binding: BindingId, unproven: Unproven) -> Option<()> {
        if committed(Sin::FailedProbeForgotten) {
            return Some(());
        }
        either!(self, noun, loaded => {
            unit.decide(loaded.as_mut(), noun::Command::Fail { binding, unproven }).ok().map(drop)
        })
    }

    pub(crate) fn disable(&mut self, unit: &mut Unit, binding: BindingId, reason: Reason) -> Option<()> {
        either!(self, noun, loaded => {
            unit.decide(loaded.as_mut(), noun::Command::Disable { binding, reason }).ok().map(drop)
        })
    }
}

/// What somebody asks to be attached to the nth environment: the first is production, and every other one a preview.
fn declared<W>(id: BindingId, n: usize, what: W, credential: Credential, shared: Option<Reason>) -> Declared<W> {
    let (slug, kind) = match n {
        0 => ("production", environment::Kind::Production),
        _ => ("preview", environment::Kind::Preview),
    };
    Declared {
        id,
        workspace: ACME,
        app: SHOP,
        environment: environment(n),
        slug: Slug::parse("slug", slug).expect("a slug"),
        kind,
        region: LYON,
        what,
        endpoint: "postgres://db.example.com:5432/shop".into(),
        credential: Some(credential),
        shared,
    }
}

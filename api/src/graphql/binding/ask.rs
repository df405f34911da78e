//! The one `Change` of every mutation on bindings, whatever the noun.

use super::Address;
use crate::{
    fault::Fault,
    graphql::{
        change::{Bench, Change, Judged, Manner, No, decide, permit, refused},
        context::{Ask as _, begin, belongs_to, door},
        id,
    },
};
use async_graphql::Context;
use chrono::TimeDelta;
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate,
    binding::{self, BindingWork, Credential, Declared, vault_name},
    environment,
    gate::Refusal,
    ids::{BindingId, EnvironmentId, OperationId, RegionId},
    numbers::EnvSet,
    operation::{self, Requested, Work},
    region,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    text::Reason,
};
use rhone_eventstore::{Unit, vault::Place};
use std::marker::PhantomData;

/// How long an operation on a binding may take.
const DEADLINE: TimeDelta = TimeDelta::seconds(30);

/// One of the two nouns.
pub(crate) trait Noun: Send + Sync + std::fmt::Debug + 'static {
    /// What is attached.
    type What: Copy + std::fmt::Debug + Send + Sync;
    /// An environment's bindings.
    type Lane: Aggregate;
    /// The command that the grant is asked for.
    const ASKS: &'static str;
    /// The work of an operation on one.
    fn work(work: BindingWork) -> Work;
    /// The command that asks for one.
    fn request(declared: Declared<Self::What>) -> <Self::Lane as Aggregate>::Command;
    /// The generation that the next credential of this binding has; none when there is no such binding.
    fn next_generation(lane: &Self::Lane, binding: BindingId) -> Option<EnvSet>;
    /// The runtime services, for this noun's bindings if they are those: what several allocations share is not detached.
    fn services(_lane: &Self::Lane) -> Option<&RuntimeServices> {
        None
    }
    /// Where it is reached from.
    fn region(lane: &Self::Lane, binding: BindingId) -> Option<RegionId>;
}

/// The environment that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) created: environment::Created,
}

/// The environment, if the caller may ask.
pub(crate) async fn home(ctx: &Context<'_>, id: EnvironmentId) -> Result<Home, Fault> {
    let missing = || id::not_found::<EnvironmentId>("environmentId");
    let door = door(ctx.platform(), ctx.principal());
    let loaded = door.load::<environment::Environment>(id).await.map_err(Fault::internal)?;
    let created = loaded.state.created.ok_or_else(missing)?;
    if belongs_to(ctx, created.workspace).await? { Ok(Home { created }) } else { Err(missing()) }
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Asked<N: Noun> {
    /// A binding.
    New { what: N::What, region: Option<RegionId>, address: Address, shared: Option<Reason> },
    /// Something about one.
    Alter {
        binding: BindingId,
        field: &'static str,
        change: binding::Change,
        address: Option<Address>,
        reason: Option<Reason>,
    },
}

/// Whether the credential is put into the vault: on a dry run it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    Credential,
    Nothing,
}

/// A mutation on bindings.
#[derive(Debug)]
pub(crate) struct Ask<N: Noun> {
    name: &'static str,
    home: Home,
    pub(crate) asked: Asked<N>,
    keeping: Keeping,
    noun: PhantomData<N>,
}

impl<N: Noun> Ask<N> {
    pub(crate) fn new(name: &'static str, home: Home, asked: Asked<N>, manner: &Manner) -> Self {
        let keeping = if manner.dry_run { Keeping::Nothing } else { Keeping::Credential };
        Self { name, home, asked, keeping, noun: PhantomData }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// With another address.
    pub(crate) fn at(mut self, new: Address) -> Self {
        if let Asked::Alter { address, .. } = &mut self.asked {
            *address = Some(new);
        }
        self
    }

    /// For this reason.
    pub(crate) fn because(mut self, why: Reason) -> Self {
        if let Asked::Alter { reason, .. } = &mut self.asked {
            *reason = Some(why);
        }
        self
    }

    fn address(&self) -> Option<&Address> {
        match &self.asked {
            Asked::New { address, .. } => Some(address),
            Asked::Alter { address, .. } => address.as_ref(),
        }
    }

    async fn keep(&self, bench: &Bench<'_>, binding: BindingId, credential: Option<Credential>) -> Result<(), Fault> {
        let secret = self.address().and_then(|address| address.secret.as_ref());
        let (Some(credential), Some(secret), Keeping::Credential) = (credential, secret, self.keeping) else {
            return Ok(());
        };
        let environment::Created { workspace, app, id: environment, .. } = self.home.created;
        let environment = Some(environment);
        let place = Place { workspace, app, environment, name: vault_name(binding), set: credential.generation };
        let mut transaction = begin(bench.ctx).await?;
        let vault = &bench.ctx.platform().vault;
        vault.seal(&mut transaction, credential.value, &place, secret).await.map_err(Fault::internal)?;
        transaction.commit().await.map_err(Fault::internal)
    }

    fn credential(&self, bench: &Bench<'_>, generation: EnvSet) -> Option<Credential> {
        self.address()?.secret.as_ref()?;
        Some(Credential { value: bench.ctx.platform().clock.new_id(), generation })
    }

    fn requested(&self, id: OperationId, bench: &Unit, place: RegionId, work: BindingWork) -> Requested {
        let reason = match &self.asked {
            Asked::New { shared, .. } => shared.clone(),
            Asked::Alter { reason, .. } => reason.clone(),
        };
        let (workspace, deadline) = (self.home.created.workspace, bench.now() + DEADLINE);
        Requested { id, workspace, region: place, cell: None, reason, deadline, work: N::work(work) }
    }
}

impl<N: Noun> Change for Ask<N> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fingerprint(&self) -> String {
        format!("{} {:?}", self.home.created.id, self.asked)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let home = &self.home.created;
        let id: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, home.workspace, id);
        bench.about(&mut unit, home.id).await?;
        let mut lane = bench.load::<N::Lane>(home.id).await?;
        let concerning = |no: No| no.concerning(home.app, Some(home.id));
        permit(&unit, N::ASKS, &lane.stream).map_err(concerning)?;
        let (binding, change, credential, place) = match &self.asked {
            Asked::New { what, region, address, shared } => {
                let place = placed(bench, region.unwrap_or(home.region)).await?;
                let binding: BindingId = bench.new_id();
                let credential = self.credential(bench, EnvSet(1));
                let declared = Declared {
                    id: binding,
                    workspace: home.workspace,
                    app: home.app,
                    environment: home.id,
                    slug: home.slug.clone(),
                    kind: home.kind,
                    region: place,
                    what: *what,
                    endpoint: address.endpoint.clone(),
                    credential,
                    shared: shared.clone(),
                };
                unit.place(Some(place), None);
                decide(&mut unit, &mut lane, N::request(declared)).map_err(concerning)?;
                (binding, binding::Change::Bind, credential, place)
            }
            Asked::Alter { binding, field, change, .. } => {
                let missing = || No::from(id::not_found::<BindingId>(field));
                let next = N::next_generation(&lane.state, *binding).ok_or_else(missing)?;
                let place = N::region(&lane.state, *binding).ok_or_else(missing)?;
                unit.place(Some(place), None);
                if let (binding::Change::Unbind, Some(services)) = (*change, N::services(&lane.state)) {
                    let no = |refusal| refused(&refusal, lane.stream.clone(), home.workspace);
                    spared(bench, &mut unit, services, (home.id, *binding)).await?.map_err(no).map_err(concerning)?;
                }
                unit.assert(&lane);
                (*binding, *change, self.credential(bench, next), place)
            }
        };
        let rotated = credential.filter(|_| change == binding::Change::Rotate);
        let work = BindingWork { app: home.app, environment: home.id, binding, change, credential: rotated };
        let requested = self.requested(id, &unit, place, work);
        let mut operation = bench.fresh::<operation::Operation>();
        decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        self.keep(bench, binding, credential).await?;
        Ok(Judged { unit, object: home.id.0, operation: Some(id), decided_on: Some(lane.stream.clone()) })
    }
}

async fn placed(bench: &Bench<'_>, region: RegionId) -> Result<RegionId, No> {
    let known = bench.load::<region::Region>(region).await?.state.created.is_some();
    if known { Ok(region) } else { Err(id::not_found::<RegionId>("regionId").into()) }
}

/// Whether what serves can do without a binding, on what the append asserts.
async fn spared(
    bench: &Bench<'_>,
    unit: &mut Unit,
    services: &RuntimeServices,
    (environment, binding): (EnvironmentId, BindingId),
) -> Result<Result<(), Refusal>, No> {
    let settings = bench.load::<environment::Environment>(environment).await?;
    let owner = bench.load::<RouteOwner>(environment).await?;
    unit.assert(&settings);
    unit.assert(&owner);
    Ok(services.may_do_without(binding, &settings.state, &owner.state))
}

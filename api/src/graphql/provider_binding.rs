//! Provider bindings: outside resources attached to an environment, each proven before it counts.

use super::{
    binding::{Ask, Asked, BindingAffordances, Noun, Shown, address, alter, environment_of, home},
    change::{Manner, change, payload},
    context::Ask as _,
    environment::Environment,
    id,
    route_owner::reason,
    variables::HiddenText,
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, Object};
use rhone_domain::{
    binding::{BindingWork, Change, Declared},
    ids::{BindingId, EnvironmentId, RegionId, WorkspaceId},
    numbers::{EnvSet, Version},
    operation::{Kind, Work},
    provider::{Resource, Vendor},
    provider_binding::{Command, ProviderBindings, What},
};
use rhone_eventstore::Loads as _;

/// An outside resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Resource")]
pub(crate) enum ProviderResource {
    /// Where product data lives.
    Database,
    /// What sends mail.
    Email,
    /// Any other service over HTTP.
    Api,
}

/// How a resource is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Vendor")]
pub(crate) enum ProviderVendor {
    /// As a PostgreSQL database.
    Postgres,
    /// Over HTTP.
    Http,
}

/// The noun.
#[derive(Debug)]
pub(crate) struct ProviderNoun;

impl Noun for ProviderNoun {
    type What = What;
    type Lane = ProviderBindings;
    const ASKS: &'static str = "operation.request_provider_binding";

    fn work(work: BindingWork) -> Work {
        Work::ProviderBinding(work)
    }

    fn request(declared: Declared<What>) -> Command {
        Command::Request(declared)
    }

    fn next_generation(lane: &ProviderBindings, binding: BindingId) -> Option<EnvSet> {
        lane.bindings.get(&binding).map(rhone_domain::binding::Bound::next_generation)
    }

    fn region(lane: &ProviderBindings, binding: BindingId) -> Option<RegionId> {
        lane.bindings.get(&binding).map(|bound| bound.declared.region)
    }
}

/// A platform-owned attachment between an environment and an outside resource.
#[derive(Clone, Debug)]
pub(crate) struct ProviderBinding {
    what: What,
    home: (WorkspaceId, EnvironmentId, BindingId),
    version: Version,
    binding: Shown,
}

/// A platform-owned attachment between an environment and an outside resource.
#[Object]
impl ProviderBinding {
    /// The binding's own.
    pub(crate) async fn id(&self) -> ID {
        self.binding.shown_id()
    }

    /// Which resource.
    async fn resource(&self) -> ProviderResource {
        self.what.resource.into()
    }

    /// How it is reached.
    async fn vendor(&self) -> ProviderVendor {
        self.what.vendor.into()
    }

    /// How it stands.
    async fn binding(&self) -> &Shown {
        &self.binding
    }

    /// The version of the stream of all of its kind in the environment, in which it stands.
    async fn version(&self) -> u64 {
        self.version.0
    }

    /// What the caller may do with it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<BindingAffordances> {
        Ok(BindingAffordances::of::<ProviderNoun>(ctx, self.home).await?)
    }
}

impl ProviderBinding {
    /// One by its id alone, if the caller may see it.
    pub(crate) async fn find(ctx: &Context<'_>, id: BindingId) -> Result<Option<Self>, Fault> {
        let Some(environment) = environment_of(ctx, id, Kind::ProviderBinding).await? else { return Ok(None) };
        let all = of_environment(ctx, environment).await?;
        Ok(all.into_iter().find(|one| one.binding.shown_id() == id::show(id)))
    }
}

/// An environment's bindings, as the log has them now.
pub(crate) async fn of_environment(ctx: &Context<'_>, id: EnvironmentId) -> Result<Vec<ProviderBinding>, Fault> {
    let lane = ctx.loaders().load::<ProviderBindings>(id).await?;
    let shown = |bound: &rhone_domain::binding::Bound<What>| ProviderBinding {
        what: bound.declared.what,
        home: (bound.declared.workspace, id, bound.declared.id),
        version: lane.version,
        binding: Shown::of(bound),
    };
    Ok(lane.state.bindings.values().map(shown).collect())
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct ProviderBindingCreateInput {
    environment_id: ID,
    /// Which resource.
    resource: ProviderResource,
    /// How it is reached.
    vendor: ProviderVendor,
    /// Where it is and with what it is reached, in one URL; goes into the vault, and no answer ever shows it.
    url: Option<HiddenText>,
    /// Where it is reached from; the environment's own region unless said otherwise.
    region_id: Option<ID>,
    /// Why it may be the same database as that of an environment of another kind; 1 to 500 characters.
    shared_because: Option<String>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct ProviderBindingVerifyInput {
    environment_id: ID,
    provider_binding_id: ID,
    /// The `version` of the binding that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct ProviderBindingRotateInput {
    environment_id: ID,
    provider_binding_id: ID,
    /// The same resource with another credential, in one URL.
    url: HiddenText,
    /// The `version` of the binding that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct ProviderBindingDisableInput {
    environment_id: ID,
    provider_binding_id: ID,
    /// 1 to 500 characters.
    reason: String,
    /// The `version` of the binding that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of every mutation on provider bindings; the operation says what became of it.
    ProviderBindingPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct ProviderBindingMutation;

#[Object]
impl ProviderBindingMutation {
    /// Asks for an outside resource to be attached; it counts once an operation has proven it.
    async fn provider_binding_create(
        &self,
        ctx: &Context<'_>,
        input: ProviderBindingCreateInput,
    ) -> async_graphql::Result<ProviderBindingPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let environment: EnvironmentId = id::read("environmentId", &input.environment_id)?;
        let region = input.region_id.map(|region| id::read::<RegionId>("regionId", &region)).transpose()?;
        let shared = input.shared_because.map(|why| named("sharedBecause", &why)).transpose()?;
        let what = What { resource: input.resource.into(), vendor: input.vendor.into() };
        let home = home(ctx, environment).await?;
        let address = address(ctx, &home, what.vendor.into(), input.url).await?;
        let asked = Asked::New { what, region, address, shared };
        let ask = Ask::<ProviderNoun>::new("providerBindingCreate", home, asked, &manner);
        Ok(ProviderBindingPayload(change(ctx, manner, ask).await?))
    }

    /// Proves one again. If that fails, it counts no longer.
    async fn provider_binding_verify(
        &self,
        ctx: &Context<'_>,
        input: ProviderBindingVerifyInput,
    ) -> async_graphql::Result<ProviderBindingPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let which = (&input.environment_id, "providerBindingId", &input.provider_binding_id);
        let ask = alter::<ProviderNoun>(ctx, which, Change::Verify, &manner, "providerBindingVerify").await?;
        Ok(ProviderBindingPayload(change(ctx, manner, ask).await?))
    }

    /// Changes the credential, once it is proven that it leads to the same resource.
    async fn provider_binding_rotate(
        &self,
        ctx: &Context<'_>,
        input: ProviderBindingRotateInput,
    ) -> async_graphql::Result<ProviderBindingPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let which = (&input.environment_id, "providerBindingId", &input.provider_binding_id);
        let ask = alter::<ProviderNoun>(ctx, which, Change::Rotate, &manner, "providerBindingRotate").await?;
        let kind = made_of(ctx, &input.environment_id, &input.provider_binding_id).await?;
        let address = address(ctx, ask.home(), kind, Some(input.url)).await?;
        Ok(ProviderBindingPayload(change(ctx, manner, ask.at(address)).await?))
    }

    /// Ends one; it counts no longer, and its backend is free for others.
    async fn provider_binding_disable(
        &self,
        ctx: &Context<'_>,
        input: ProviderBindingDisableInput,
    ) -> async_graphql::Result<ProviderBindingPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let which = (&input.environment_id, "providerBindingId", &input.provider_binding_id);
        let why = reason(&input.reason)?;
        let ask = alter::<ProviderNoun>(ctx, which, Change::Unbind, &manner, "providerBindingDisable").await?;
        Ok(ProviderBindingPayload(change(ctx, manner, ask.because(why)).await?))
    }
}

fn named(field: &str, text: &str) -> Result<rhone_domain::text::Reason, Fault> {
    rhone_domain::text::Reason::parse(field, text).map_err(|invalid| Fault::bad_input(invalid.field, invalid.rule))
}

/// How an existing one is probed.
async fn made_of(ctx: &Context<'_>, environment: &ID, binding: &ID) -> Result<rhone_providers::probe::Kind, Fault> {
    let environment: EnvironmentId = id::read("environmentId", environment)?;
    let binding: BindingId = id::read("providerBindingId", binding)?;
    let door = super::context::door(ctx.platform(), ctx.principal());
    let lane = door.load::<ProviderBindings>(environment).await.map_err(Fault::internal)?;
    let bound = lane.state.bindings.get(&binding).ok_or_else(|| id::not_found::<BindingId>("providerBindingId"))?;
    Ok(bound.declared.what.vendor.into())
}

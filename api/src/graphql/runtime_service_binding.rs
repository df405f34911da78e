//! Runtime service bindings: session store, broadcast and the like of an environment, each proven before it counts.

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
    runtime_service::{Backend, Service},
    runtime_service_binding::{Command, RuntimeServices, What},
};
use rhone_eventstore::Loads as _;

/// What an app may need beside its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Service")]
pub(crate) enum RuntimeService {
    /// Keeps persisted session state, so that another allocation may hydrate it; no process is ever kept.
    SessionStore,
    /// Carries live updates from one allocation to the others.
    Broadcast,
    /// Remembers which requests were carried out.
    Idempotency,
    /// Keeps what can be computed again.
    Cache,
    /// Keeps jobs until they are done.
    Queue,
    /// Keeps files.
    ObjectStorage,
}

/// What a runtime service is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Backend")]
pub(crate) enum RuntimeServiceBackend {
    /// A PostgreSQL database.
    Postgres,
    /// A server that speaks RESP.
    Redis,
    /// A NATS server.
    Nats,
    /// The process' own memory: the same allocation's only.
    Memory,
    /// The platform's own storage on this host.
    Fs,
    /// A bucket.
    S3,
}

/// The noun.
#[derive(Debug)]
pub(crate) struct RuntimeServiceNoun;

impl Noun for RuntimeServiceNoun {
    type What = What;
    type Lane = RuntimeServices;
    const ASKS: &'static str = "operation.request_runtime_service_binding";

    fn work(work: BindingWork) -> Work {
        Work::RuntimeServiceBinding(work)
    }

    fn request(declared: Declared<What>) -> Command {
        Command::Request(declared)
    }

    fn next_generation(lane: &RuntimeServices, binding: BindingId) -> Option<EnvSet> {
        lane.bindings.get(&binding).map(rhone_domain::binding::Bound::next_generation)
    }

    fn services(lane: &RuntimeServices) -> Option<&RuntimeServices> {
        Some(lane)
    }

    fn region(lane: &RuntimeServices, binding: BindingId) -> Option<RegionId> {
        lane.bindings.get(&binding).map(|bound| bound.declared.region)
    }
}

/// The declared and proven availability of a runtime service for an environment.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeServiceBinding {
    what: What,
    home: (WorkspaceId, EnvironmentId, BindingId),
    version: Version,
    binding: Shown,
}

/// The declared and proven availability of a runtime service for an environment.
#[Object]
impl RuntimeServiceBinding {
    /// The binding's own.
    pub(crate) async fn id(&self) -> ID {
        self.binding.shown_id()
    }

    /// Which service.
    async fn service(&self) -> RuntimeService {
        self.what.service.into()
    }

    /// What it is made of.
    async fn backend(&self) -> RuntimeServiceBackend {
        self.what.backend.into()
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
        Ok(BindingAffordances::of::<RuntimeServiceNoun>(ctx, self.home).await?)
    }
}

impl RuntimeServiceBinding {
    /// One by its id alone, if the caller may see it.
    pub(crate) async fn find(ctx: &Context<'_>, id: BindingId) -> Result<Option<Self>, Fault> {
        let Some(environment) = environment_of(ctx, id, Kind::RuntimeServiceBinding).await? else { return Ok(None) };
        let all = of_environment(ctx, environment).await?;
        Ok(all.into_iter().find(|one| one.binding.shown_id() == id::show(id)))
    }
}

/// An environment's bindings, as the log has them now.
pub(crate) async fn of_environment(ctx: &Context<'_>, id: EnvironmentId) -> Result<Vec<RuntimeServiceBinding>, Fault> {
    let lane = ctx.loaders().load::<RuntimeServices>(id).await?;
    let shown = |bound: &rhone_domain::binding::Bound<What>| RuntimeServiceBinding {
        what: bound.declared.what,
        home: (bound.declared.workspace, id, bound.declared.id),
        version: lane.version,
        binding: Shown::of(bound),
    };
    Ok(lane.state.bindings.values().map(shown).collect())
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct RuntimeServiceBindingCreateInput {
    environment_id: ID,
    /// Which service.
    service: RuntimeService,
    /// What it is made of.
    backend: RuntimeServiceBackend,
    /// Where it is and with what it is reached, in one URL; goes into the vault, and no answer ever shows it. Memory and the platform's own storage
    /// have none.
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
pub(crate) struct RuntimeServiceBindingVerifyInput {
    environment_id: ID,
    runtime_service_binding_id: ID,
    /// The `version` of the binding that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct RuntimeServiceBindingRotateInput {
    environment_id: ID,
    runtime_service_binding_id: ID,
    /// The same resource with another credential, in one URL.
    url: HiddenText,
    /// The `version` of the binding that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct RuntimeServiceBindingDisableInput {
    environment_id: ID,
    runtime_service_binding_id: ID,
    /// 1 to 500 characters.
    reason: String,
    /// The `version` of the binding that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of every mutation on runtime service bindings; the operation says what became of it.
    RuntimeServiceBindingPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct RuntimeServiceBindingMutation;

#[Object]
impl RuntimeServiceBindingMutation {
    /// Asks for a runtime service to be attached; it counts once an operation has proven it.
    async fn runtime_service_binding_create(
        &self,
        ctx: &Context<'_>,
        input: RuntimeServiceBindingCreateInput,
    ) -> async_graphql::Result<RuntimeServiceBindingPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let environment: EnvironmentId = id::read("environmentId", &input.environment_id)?;
        let region = input.region_id.map(|region| id::read::<RegionId>("regionId", &region)).transpose()?;
        let shared = input.shared_because.map(|why| named("sharedBecause", &why)).transpose()?;
        let what = What { service: input.service.into(), backend: input.backend.into() };
        let home = home(ctx, environment).await?;
        let address = address(ctx, &home, what.backend.into(), input.url).await?;
        let asked = Asked::New { what, region, address, shared };
        let ask = Ask::<RuntimeServiceNoun>::new("runtimeServiceBindingCreate", home, asked, &manner);
        Ok(RuntimeServiceBindingPayload(change(ctx, manner, ask).await?))
    }

    /// Proves one again. If that fails, it counts no longer.
    async fn runtime_service_binding_verify(
        &self,
        ctx: &Context<'_>,
        input: RuntimeServiceBindingVerifyInput,
    ) -> async_graphql::Result<RuntimeServiceBindingPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let which = (&input.environment_id, "runtimeServiceBindingId", &input.runtime_service_binding_id);
        let ask =
            alter::<RuntimeServiceNoun>(ctx, which, Change::Verify, &manner, "runtimeServiceBindingVerify").await?;
        Ok(RuntimeServiceBindingPayload(change(ctx, manner, ask).await?))
    }

    /// Changes the credential, once it is proven that it leads to the same resource.
    async fn runtime_service_binding_rotate(
        &self,
        ctx: &Context<'_>,
        input: RuntimeServiceBindingRotateInput,
    ) -> async_graphql::Result<RuntimeServiceBindingPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let which = (&input.environment_id, "runtimeServiceBindingId", &input.runtime_service_binding_id);
        let ask =
            alter::<RuntimeServiceNoun>(ctx, which, Change::Rotate, &manner, "runtimeServiceBindingRotate").await?;
        let kind = made_of(ctx, &input.environment_id, &input.runtime_service_binding_id).await?;
        let address = address(ctx, ask.home(), kind, Some(input.url)).await?;
        Ok(RuntimeServiceBindingPayload(change(ctx, manner, ask.at(address)).await?))
    }

    /// Ends one; it counts no longer, and its backend is free for others. What several allocations share is refused with
    /// `RUNTIME_SERVICE_NEEDED` while several are wanted.
    async fn runtime_service_binding_disable(
        &self,
        ctx: &Context<'_>,
        input: RuntimeServiceBindingDisableInput,
    ) -> async_graphql::Result<RuntimeServiceBindingPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let which = (&input.environment_id, "runtimeServiceBindingId", &input.runtime_service_binding_id);
        let why = reason(&input.reason)?;
        let ask =
            alter::<RuntimeServiceNoun>(ctx, which, Change::Unbind, &manner, "runtimeServiceBindingDisable").await?;
        Ok(RuntimeServiceBindingPayload(change(ctx, manner, ask.because(why)).await?))
    }
}

fn named(field: &str, text: &str) -> Result<rhone_domain::text::Reason, Fault> {
    rhone_domain::text::Reason::parse(field, text).map_err(|invalid| Fault::bad_input(invalid.field, invalid.rule))
}

/// How an existing one is probed.
async fn made_of(ctx: &Context<'_>, environment: &ID, binding: &ID) -> Result<rhone_providers::probe::Kind, Fault> {
    let environment: EnvironmentId = id::read("environmentId", environment)?;
    let binding: BindingId = id::read("runtimeServiceBindingId", binding)?;
    let door = super::context::door(ctx.platform(), ctx.principal());
    let lane = door.load::<RuntimeServices>(environment).await.map_err(Fault::internal)?;
    let bound =
        lane.state.bindings.get(&binding).ok_or_else(|| id::not_found::<BindingId>("runtimeServiceBindingId"))?;
    Ok(bound.declared.what.backend.into())
}

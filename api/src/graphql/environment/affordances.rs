//! What the caller may do with an environment besides changing its owner, number or region: those have plans of their own.

use crate::{
    fault::Fault,
    graphql::{
        affordance::{Affordance, Caller, some_reason},
        context::Ask as _,
        posture::To,
    },
};
use async_graphql::{Context, SimpleObject};
use rhone_domain::{
    digest::Digest,
    environment::{Created, Kind},
    route_owner::{Command, RouteOwner},
    text::Hostname,
};

/// What the caller may do with an environment now, each by the name of its mutation. Where a rule looks at what is given, only
/// the caller's grant and the environment's own state are judged.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct EnvironmentAffordances {
    /// `deploymentBuild`
    deployment_build: Affordance,
    /// `deploymentImport`
    deployment_import: Affordance,
    /// `environmentFreeze`
    freeze: Affordance,
    /// `environmentUnfreeze`
    unfreeze: Affordance,
    /// `environmentPinRelease`
    pin_release: Affordance,
    /// `environmentQuarantineLift`, of whatever is in quarantine.
    quarantine_lift: Affordance,
    /// `environmentHostAttach`
    host_attach: Affordance,
    /// `environmentHostDetach`, of whatever host leads to it.
    host_detach: Affordance,
    /// `promotionApprove`
    promotion_approve: Affordance,
    /// `environmentSleep`, by the route alone; `sleepReadiness` says the rest.
    sleep: Affordance,
    /// `environmentWake`
    wake: Affordance,
    /// `environmentSleepPolicySet`
    sleep_policy_set: Affordance,
    /// `environmentDrainPolicySet`
    drain_policy_set: Affordance,
    /// `environmentPolicySet`
    policy_set: Affordance,
    /// `environmentResidencySet`
    residency_set: Affordance,
    /// `environmentVariablesSet`
    variables_set: Affordance,
    /// `environmentVariableUnset`
    variable_unset: Affordance,
    /// `providerBindingCreate`
    provider_binding_create: Affordance,
    /// `runtimeServiceBindingCreate`
    runtime_service_binding_create: Affordance,
    /// `migrationRecord`
    migration_record: Affordance,
    /// `migrationRestore`
    migration_restore: Affordance,
}

impl EnvironmentAffordances {
    /// By the route as it is written together with its changes: never stale.
    pub(crate) async fn of(ctx: &Context<'_>, environment: &Created) -> Result<Self, Fault> {
        let loaders = ctx.loaders();
        let (caller, owner) = futures_util::try_join!(Caller::in_environment(ctx, environment), async {
            loaders.route_owners.load_one(environment.id).await.map_err(Fault::internal)
        })?;
        let (owner, now) = (owner.map(|(owner, _)| owner).unwrap_or_default(), ctx.platform().clock.now());
        let deploy = caller.may(deploys(&caller, environment.kind));
        Ok(Self {
            deployment_build: deploy.clone(),
            deployment_import: deploy,
            freeze: caller.may_tell(&owner, Command::Freeze { reason: some_reason() }),
            unfreeze: caller.may_tell(&owner, Command::Unfreeze { reason: some_reason() }),
            pin_release: caller.may_tell(&owner, Command::ReleasePin { reason: some_reason() }),
            quarantine_lift: caller.may_tell(&owner, lift(&owner)),
            host_attach: caller.may_tell(&owner, Command::AttachHost { host: some_host() }),
            host_detach: caller.may_tell(&owner, detach(&owner)),
            promotion_approve: caller.may("environment.approve"),
            sleep: To::Sleep.shown(&caller, environment.id, &owner, now),
            wake: To::Wake.shown(&caller, environment.id, &owner, now),
            sleep_policy_set: caller.may("environment.set_sleep_policy"),
            drain_policy_set: caller.may("environment.set_drain_policy"),
            policy_set: caller.may("environment.set_policy"),
            residency_set: caller.may("environment.set_residency"),
            variables_set: caller.may("variables.change"),
            variable_unset: caller.may("variables.change"),
            provider_binding_create: caller.may("operation.request_provider_binding"),
            runtime_service_binding_create: caller.may("operation.request_runtime_service_binding"),
            migration_record: caller.may("operation.request_migration"),
            migration_restore: caller.may("migrations.restore"),
        })
    }
}

/// What a deploy there asks for, and of that what the caller may not: a preview environment shows the release by itself.
fn deploys(caller: &Caller, kind: Kind) -> &'static str {
    const DEPLOY: &str = "operation.request_deploy";
    if kind == Kind::Preview && caller.permit(DEPLOY).is_ok() { "operation.request_promotion" } else { DEPLOY }
}

/// Of something that is in quarantine; where nothing is, of what never was.
fn lift(owner: &RouteOwner) -> Command {
    let digest = owner.quarantined.keys().next().copied().unwrap_or(Digest::ZERO);
    Command::LiftQuarantine { digest, reason: some_reason() }
}

/// Of a host that leads there; where none does, of what never did.
fn detach(owner: &RouteOwner) -> Command {
    Command::DetachHost { host: owner.hosts.iter().next().cloned().unwrap_or_else(some_host) }
}

/// What stands for the name that the caller would give.
fn some_host() -> Hostname {
    Hostname::parse("host", "as-it-would-be.example").expect("it is a name")
}

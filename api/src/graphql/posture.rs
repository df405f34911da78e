//! Sleep and wake as people ask for them, and the rule by which an environment falls asleep by itself. Each is an operation
//! that the workers carry on; asking for a wake that is on its way already is answered by that very operation.

use super::{
    affordance::{Affordance, Caller},
    change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload, permit, refused},
    environment::Environment,
    id,
    readiness::About,
    route_owner::{RouteOwnerPayload, reason, route_of},
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    environment::{self, SleepPolicy},
    gate,
    ids::{CorrelationId, EnvironmentId, OperationId},
    operation::{self, Operation, Requested},
    route_owner::{Rejection, RouteOwner},
    sleep,
    text::Reason,
    wake::{self, Ask, Lifecycle},
};

/// Where an environment is between sleeping and serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Lifecycle")]
pub(crate) enum WakeLifecycle {
    /// It serves by its route, and nothing of it runs.
    Cold,
    /// Somebody has asked for it.
    WakeRequested,
    /// An allocation is ordered.
    Starting,
    /// The allocation runs, and does not answer yet.
    ReadinessWait,
    /// It serves.
    Hot,
    /// The last wake failed; the next may be asked for later.
    Failed,
    /// It runs nowhere, by policy.
    Sleeping,
}

/// Which environment, and why.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentPostureInput {
    environment_id: ID,
    /// 1 to 500 characters.
    reason: String,
    /// The `version` of the environment's route owner that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

/// When an environment goes to sleep by itself.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentSleepPolicySetInput {
    environment_id: ID,
    /// After how many seconds without an open session, an open request or a request at all; 0 for never.
    sleep_after_seconds: i64,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentSleepPolicySet.
    EnvironmentSleepPolicySetPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct PostureMutation;

#[Object]
impl PostureMutation {
    /// Puts an environment to sleep: the same route, owner and epoch, and nothing runs. Refused while sessions or requests are open
    /// or another operation is under way: `sleepReadiness` says so before. Judged again before the route sleeps.
    async fn environment_sleep(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentPostureInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        Ok(RouteOwnerPayload(turn(ctx, input, To::Sleep).await?))
    }

    /// Wakes a sleeping environment before somebody visits it.
    async fn environment_wake(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentPostureInput,
    ) -> async_graphql::Result<RouteOwnerPayload> {
        Ok(RouteOwnerPayload(turn(ctx, input, To::Wake).await?))
    }

    /// Says when an environment goes to sleep by itself; unless this is said, never.
    async fn environment_sleep_policy_set(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentSleepPolicySetInput,
    ) -> async_graphql::Result<EnvironmentSleepPolicySetPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let seconds = natural("sleepAfterSeconds", Some(input.sleep_after_seconds))?.unwrap_or_default();
        let environment = id::read("environmentId", &input.environment_id)?;
        let set = SetPolicy { environment, policy: SleepPolicy { sleep_after_seconds: seconds } };
        Ok(EnvironmentSleepPolicySetPayload(change(ctx, manner, set).await?))
    }
}

/// Which posture is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Sleep,
    Wake,
}

impl To {
    fn command(self) -> &'static str {
        match self {
            Self::Wake => "operation.request_wake",
            Self::Sleep => "operation.request_sleep",
        }
    }

    fn requested(
        self,
        id: OperationId,
        environment: EnvironmentId,
        owner: &RouteOwner,
        reason: Option<Reason>,
        now: DateTime<Utc>,
    ) -> Result<Requested, Rejection> {
        match (self, &owner.asleep) {
            (Self::Wake, Some(asleep)) => {
                let (epoch, sleep_generation) = (owner.epoch, asleep.generation);
                wake::request(owner, Ask { environment, epoch, sleep_generation }, reason, now)
            }
            (Self::Wake, None) => Err(Rejection::NotAsleep),
            (Self::Sleep, _) => sleep::request(id, owner, None, reason, now),
        }
    }

    /// Whether it may be asked for now.
    pub(crate) fn shown(
        self,
        caller: &Caller,
        of: EnvironmentId,
        owner: &RouteOwner,
        now: DateTime<Utc>,
    ) -> Affordance {
        let requested = || self.requested(OperationId(of.0), of, owner, None, now).map(drop);
        caller.may_if(self.command(), requested)
    }
}

async fn turn(ctx: &Context<'_>, input: EnvironmentPostureInput, to: To) -> Result<super::change::Answer, Fault> {
    let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
    let environment = id::read("environmentId", &input.environment_id)?;
    change(ctx, manner, Turn { environment, reason: reason(&input.reason)?, to }).await
}

#[derive(Debug)]
struct Turn {
    environment: EnvironmentId,
    reason: Reason,
    to: To,
}

impl Change for Turn {
    fn name(&self) -> &'static str {
        match self.to {
            To::Sleep => "environmentSleep",
            To::Wake => "environmentWake",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (owner, opened) = route_of(bench, self.environment).await?;
        let concerning = |no: No| no.concerning(opened.app, Some(self.environment));
        let reason = Some(self.reason.clone());
        let mut unit = bench.unit(Writer::Api, opened.workspace, CorrelationId(bench.new_id()));
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, self.to.command(), &owner.stream).map_err(concerning)?;
        let requested = self.to.requested(bench.new_id(), self.environment, &owner.state, reason, unit.now());
        let requested =
            requested.map_err(|rejection| concerning(refused(&rejection, owner.stream.clone(), opened.workspace)))?;
        if self.to == To::Sleep {
            // A closed gate is refused now; one that closes later ends the operation with the same words.
            let judged = About::of(bench.ctx, self.environment).await?.sleep(&owner.state, unit.now());
            if let Some(refusal) = gate::closed(&judged) {
                let no = refused(refusal, owner.stream.clone(), opened.workspace).judged(&judged);
                return Err(concerning(no));
            }
        }
        let id = requested.id;
        unit.place(Some(opened.region), Some(opened.cell));
        unit.assert(&owner);
        let mut operation = bench.load::<Operation>(id).await?;
        if operation.state.requested.is_none() {
            decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        }
        Ok(Judged { unit, object: self.environment.0, operation: Some(id), decided_on: Some(owner.stream.clone()) })
    }
}

#[derive(Debug)]
struct SetPolicy {
    environment: EnvironmentId,
    policy: SleepPolicy,
}

impl Change for SetPolicy {
    fn name(&self) -> &'static str {
        "environmentSleepPolicySet"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let mut environment = bench.load::<environment::Environment>(self.environment).await?;
        let Some(created) = environment.state.created.clone() else {
            return Err(id::not_found::<EnvironmentId>("environmentId").into());
        };
        if !bench.belongs_to(created.workspace) {
            return Err(id::not_found::<EnvironmentId>("environmentId").into());
        }
        let mut unit = bench.unit(Writer::Api, created.workspace, CorrelationId(bench.new_id()));
        bench.about(&mut unit, self.environment).await?;
        unit.place(Some(created.region), Some(created.cell));
        decide(&mut unit, &mut environment, environment::Command::SetSleepPolicy(self.policy))
            .map_err(|no| no.concerning(created.app, Some(self.environment)))?;
        Ok(Judged { unit, object: self.environment.0, operation: None, decided_on: Some(environment.stream.clone()) })
    }
}

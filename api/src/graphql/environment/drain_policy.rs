//! How sessions of an environment's former owners end, as somebody says it after its creation. The trap avoided: a drain that is
//! on its way and changes under those who are promised its deadline; whatever was asked for before keeps what it was asked with.

use super::Environment;
use crate::graphql::{
    change::{Bench, Change, Judged, Manner, No, change, decide, natural, payload},
    id,
};
use async_graphql::{Context, ID, InputObject, Object};
use rhone_domain::{
    actor::Writer,
    environment::{self, DrainPolicy},
    ids::{CorrelationId, EnvironmentId},
};

/// How sessions of an environment's former owners end; what is left out stays as it is.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentDrainPolicySetInput {
    environment_id: ID,
    /// How long open sockets of a former owner live on.
    drain_seconds: Option<i64>,
    /// How long a former owner's allocations are kept for a rollback.
    standby_seconds: Option<i64>,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentDrainPolicySet.
    EnvironmentDrainPolicySetPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct DrainPolicyMutation;

#[Object]
impl DrainPolicyMutation {
    /// Says how sessions of an environment's former owners end, from the next change of owner on.
    async fn environment_drain_policy_set(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentDrainPolicySetInput,
    ) -> async_graphql::Result<EnvironmentDrainPolicySetPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let set = SetDrainPolicy {
            environment: id::read("environmentId", &input.environment_id)?,
            drain_seconds: natural("drainSeconds", input.drain_seconds)?,
            standby_seconds: natural("standbySeconds", input.standby_seconds)?,
        };
        Ok(EnvironmentDrainPolicySetPayload(change(ctx, manner, set).await?))
    }
}

#[derive(Debug)]
struct SetDrainPolicy {
    environment: EnvironmentId,
    drain_seconds: Option<u64>,
    standby_seconds: Option<u64>,
}

impl Change for SetDrainPolicy {
    fn name(&self) -> &'static str {
        "environmentDrainPolicySet"
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
        let now = environment.state.drain();
        let policy = DrainPolicy {
            drain_seconds: self.drain_seconds.unwrap_or(now.drain_seconds),
            standby_seconds: self.standby_seconds.unwrap_or(now.standby_seconds),
        };
        decide(&mut unit, &mut environment, environment::Command::SetDrainPolicy(policy))
            .map_err(|no| no.concerning(created.app, Some(self.environment)))?;
        Ok(Judged { unit, object: self.environment.0, operation: None, decided_on: Some(environment.stream.clone()) })
    }
}

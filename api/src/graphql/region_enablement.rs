//! Where an environment may be besides its home region: residency, readiness of a region gate by gate, and enablement as it is
//! asked for. The trap: a region that is enabled because somebody says so; an operation proves it, and only the declaration of
//! where the data is comes from a person.

use super::{
    affordance::{Caller, Outlook},
    change::{Bench, Change, Judged, Manner, No, change, decide, payload, permit, refused, stream},
    context::Ask as _,
    environment::Environment,
    id,
    operation::Gate,
    refusal_code::RefusalCode,
    region_standing::serving,
    route_owner::{reason, route_of},
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    environment::{self, Enabled, Residency},
    gate,
    ids::{CellId, CorrelationId, EnvironmentId, OperationId, RegionId},
    operation::{self, Requested, Work},
    region,
    region_enablement::{self, DEADLINE, Enablement},
    route_owner::RouteOwner,
    text::Reason,
};
use rhone_eventstore::Loaded;
use rhone_projections::region_facts::RegionFacts;

/// No residency names more regions.
const MOST_REGIONS: usize = 32;

/// Where an app's database is, seen from a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "environment::DataTopology")]
pub(crate) enum DataTopology {
    /// A replica is there that can be written to, or made so.
    Replicated,
    /// The same store, which needs no region to be alive, is reached from both.
    Shared,
    /// The app has no database.
    #[graphql(name = "NONE")]
    Nothing,
}

/// A region that an environment's traffic may be moved to.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct EnabledRegion {
    region_id: ID,
    cell_id: ID,
    data_topology: DataTopology,
    /// The operation that proved it.
    operation_id: ID,
}

/// Whether a region is fit for an environment now.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RegionReadiness {
    /// Whether every gate is open, and the caller may ask for it; the exact bytes are proven by the enablement itself.
    allowed: bool,
    /// The code that it would be refused with; null if it is allowed.
    code: Option<RefusalCode>,
    /// The grant that the caller lacks there, if so; then a gate `caller` is closed before all others.
    missing_grant: Option<&'static str>,
    gates: Vec<Gate>,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentResidencySetInput {
    environment_id: ID,
    /// The regions in which its traffic and data may ever be, at most 32; none: anywhere.
    region_ids: Vec<ID>,
    /// Why: 1 to 500 characters.
    reason: String,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentRegionEnableInput {
    environment_id: ID,
    region_id: ID,
    /// Where in the region.
    cell_id: ID,
    /// Where its data is; without that nothing is enabled.
    data_topology: Option<DataTopology>,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct EnvironmentRegionDisableInput {
    environment_id: ID,
    region_id: ID,
    /// Why: 1 to 500 characters.
    reason: String,
    /// The `version` of the environment that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of environmentResidencySet.
    EnvironmentResidencySetPayload { environment: unchanged Environment }
}
payload! {
    /// The answer of environmentRegionEnable.
    EnvironmentRegionEnablePayload { environment: unchanged Environment }
}
payload! {
    /// The answer of environmentRegionDisable.
    EnvironmentRegionDisablePayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct RegionEnablementMutation;

#[Object]
impl RegionEnablementMutation {
    /// Says in which regions an environment's traffic and data may ever be.
    async fn environment_residency_set(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentResidencySetInput,
    ) -> async_graphql::Result<EnvironmentResidencySetPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        if input.region_ids.len() > MOST_REGIONS {
            return Err(Fault::bad_input("regionIds", format!("must be at most {MOST_REGIONS}")).into());
        }
        let regions = input.region_ids.iter().map(|region| id::read("regionIds", region));
        let residency = Residency(regions.collect::<Result<_, Fault>>()?);
        let environment = id::read("environmentId", &input.environment_id)?;
        let decision = Decision { environment, asked: Asked::Residency(residency), reason: reason(&input.reason)? };
        Ok(EnvironmentResidencySetPayload(change(ctx, manner, decision).await?))
    }

    /// Asks for a region to become one that an environment's traffic may be moved to.
    async fn environment_region_enable(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentRegionEnableInput,
    ) -> async_graphql::Result<EnvironmentRegionEnablePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let wish = Wish {
            environment: id::read("environmentId", &input.environment_id)?,
            region: id::read("regionId", &input.region_id)?,
            cell: id::read("cellId", &input.cell_id)?,
            topology: input.data_topology.map(Into::into),
        };
        Ok(EnvironmentRegionEnablePayload(change(ctx, manner, wish).await?))
    }

    /// Lets an environment's traffic be moved to a region no longer.
    async fn environment_region_disable(
        &self,
        ctx: &Context<'_>,
        input: EnvironmentRegionDisableInput,
    ) -> async_graphql::Result<EnvironmentRegionDisablePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let asked = Asked::Disable(id::read("regionId", &input.region_id)?);
        let environment = id::read("environmentId", &input.environment_id)?;
        let decision = Decision { environment, asked, reason: reason(&input.reason)? };
        Ok(EnvironmentRegionDisablePayload(change(ctx, manner, decision).await?))
    }
}

/// What an environment says of its regions.
pub(crate) async fn settings(ctx: &Context<'_>, id: EnvironmentId) -> Result<environment::Environment, Fault> {
    ctx.loaders().folded(id).await
}

impl From<&Enabled> for EnabledRegion {
    fn from(enabled: &Enabled) -> Self {
        Self {
            region_id: id::show(enabled.region),
            cell_id: id::show(enabled.cell),
            data_topology: enabled.topology.into(),
            operation_id: id::show(enabled.by),
        }
    }
}

/// The gates of an enablement, as they are judged now.
pub(crate) async fn readiness(ctx: &Context<'_>, wanted: Enablement) -> Result<RegionReadiness, Fault> {
    let facts = RegionFacts::load(ctx.loaders(), wanted).await?;
    let judged = region_enablement::judge(&facts.facts());
    let missing = || id::not_found::<EnvironmentId>("id");
    let of = facts.environment.state.created.as_ref().ok_or_else(missing)?;
    let may = Caller::in_environment(ctx, of).await?.permit("operation.request_region_enablement");
    let outlook = Outlook::of(&may, &judged);
    Ok(RegionReadiness {
        allowed: outlook.allowed,
        code: outlook.code,
        missing_grant: outlook.missing_grant,
        gates: outlook.gates,
    })
}

#[derive(Debug)]
struct Wish {
    environment: EnvironmentId,
    region: RegionId,
    cell: CellId,
    topology: Option<environment::DataTopology>,
}

impl Change for Wish {
    fn name(&self) -> &'static str {
        "environmentRegionEnable"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (owner, opened) = route_of(bench, self.environment).await?;
        let id: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, opened.workspace, id);
        unit.place(Some(opened.region), Some(opened.cell));
        let concerning = |no: No| no.concerning(opened.app, Some(self.environment));
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, "operation.request_region_enablement", &owner.stream).map_err(concerning)?;
        let &Self { environment, region, cell, topology } = self;
        let wanted = Enablement { app: opened.app, environment, region, cell, topology };
        let facts = RegionFacts::load(bench, wanted).await?;
        let judged = region_enablement::judge(&facts.facts());
        if let Some(refusal) = gate::closed(&judged) {
            let no = refused(refusal, owner.stream.clone(), opened.workspace).judged(&judged);
            return Err(concerning(no));
        }
        facts.assert(&mut unit);
        unit.place(Some(region), Some(cell));
        let requested = Requested {
            id,
            workspace: opened.workspace,
            region,
            cell: Some(cell),
            reason: None,
            deadline: unit.now() + DEADLINE,
            work: Work::RegionEnablement(wanted),
        };
        let mut operation = bench.fresh::<operation::Operation>();
        decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        Ok(Judged {
            unit,
            object: self.environment.0,
            operation: Some(id),
            decided_on: Some(stream::<environment::Environment>(self.environment)),
        })
    }
}

#[derive(Debug)]
enum Asked {
    Residency(Residency),
    Disable(RegionId),
}

#[derive(Debug)]
struct Decision {
    environment: EnvironmentId,
    asked: Asked,
    reason: Reason,
}

impl Decision {
    fn grant(&self) -> &'static str {
        match self.asked {
            Asked::Residency(_) => "environment.set_residency",
            Asked::Disable(_) => "environment.disable_region",
        }
    }

    fn command(&self, owner: &Loaded<RouteOwner>, at: DateTime<Utc>) -> environment::Command {
        let reason = self.reason.clone();
        match &self.asked {
            Asked::Residency(residency) => environment::Command::SetResidency { residency: residency.clone(), reason },
            Asked::Disable(region) => {
                environment::Command::DisableRegion { region: *region, serving: serving(&owner.state), reason, at }
            }
        }
    }

    /// A residency names regions that are there.
    async fn known(&self, bench: &Bench<'_>) -> Result<(), No> {
        let Asked::Residency(residency) = &self.asked else { return Ok(()) };
        for region in &residency.0 {
            if bench.load::<region::Region>(*region).await?.state.created.is_none() {
                return Err(id::not_found::<RegionId>("regionIds").into());
            }
        }
        Ok(())
    }
}

impl Change for Decision {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::Residency(_) => "environmentResidencySet",
            Asked::Disable(_) => "environmentRegionDisable",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (owner, opened) = route_of(bench, self.environment).await?;
        let mut settings = bench.load::<environment::Environment>(self.environment).await?;
        let mut unit = bench.unit(Writer::Api, opened.workspace, CorrelationId(bench.new_id()));
        unit.place(Some(opened.region), Some(opened.cell));
        let concerning = |no: No| no.concerning(opened.app, Some(self.environment));
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, self.grant(), &settings.stream).map_err(concerning)?;
        self.known(bench).await.map_err(concerning)?;
        unit.assert(&owner);
        let command = self.command(&owner, unit.now());
        decide(&mut unit, &mut settings, command).map_err(concerning)?;
        Ok(Judged { unit, object: self.environment.0, operation: None, decided_on: Some(settings.stream.clone()) })
    }
}

//! Gates before the button is pressed: what would become of a promotion or of a rollback to each earlier owner, judged on the
//! same folded streams and by the same rules as the operation. The trap: a preview with rules of its own.

use super::{
    affordance::{Caller, Outlook},
    context::Ask as _,
    id,
    listed::{Element, Listed},
    lists::AllocationsOf,
    operation::Gate,
    refusal_code::RefusalCode,
    route_change::Wish,
    variables::VariableDifference,
};
use crate::fault::Fault;
use async_graphql::{Context, Enum, ID, InputObject, SimpleObject};
use futures_util::{future::try_join_all, try_join};
use rhone_domain::{
    aggregate::Command as _,
    database_impact, deploy_impact, gate,
    ids::{DeploymentId, EnvironmentId, OperationId},
    operation::{self, Acknowledgement, Kind},
    route_owner::RouteOwner,
    text::Reason,
    vango_state,
};
use rhone_projections::{
    authority::allocations::Ended,
    gate_facts::{GateFacts, Rows},
};
use std::collections::BTreeSet;

/// What a gate warned of, taken upon oneself.
#[derive(Clone, Debug, InputObject)]
pub(crate) struct AcknowledgementInput {
    /// Which gate: vango_state or database, or sessions for a failover.
    gate: String,
    /// Why it is all right: 1 to 500 characters.
    reason: String,
}

impl Element for AcknowledgementInput {
    const FIELD: &'static str = "acknowledgements";
}

/// Acknowledgements of the input.
pub(crate) fn acknowledgements(input: Option<Listed<AcknowledgementInput>>) -> Result<Vec<Acknowledgement>, Fault> {
    let input = input.map(|Listed(all)| all).unwrap_or_default();
    let named: BTreeSet<&str> = input.iter().map(|one| one.gate.as_str()).collect();
    if named.len() < input.len() {
        return Err(Fault::bad_input("acknowledgements", "must name each gate at most once"));
    }
    let read = |AcknowledgementInput { gate, reason: why }: AcknowledgementInput| {
        if !gate::ACKNOWLEDGEABLE.contains(&gate.as_str()) {
            let rule = format!("the gate must be one of {}", gate::ACKNOWLEDGEABLE.join(", "));
            return Err(Fault::bad_input("acknowledgements", rule));
        }
        let reason = Reason::parse("acknowledgements", &why);
        let reason =
            reason.map_err(|invalid| Fault::bad_input("acknowledgements", format!("the reason: {}", invalid.rule)))?;
        Ok(Acknowledgement { gate, reason, covers: None })
    };
    input.into_iter().map(read).collect()
}

/// The impact of a change of owner in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "deploy_impact::Word")]
pub(crate) enum DeployImpactWord {
    /// Sessions go on.
    Warm,
    /// Sessions begin anew; somebody has to acknowledge it.
    Cold,
    /// It may not happen as it is.
    Blocked,
}

/// How the state that sessions keep relates to what owns the traffic now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "vango_state::Compatibility")]
pub(crate) enum StateCompatibility {
    /// Nothing that is kept has changed.
    Same,
    /// Something is kept that was not, or under another name.
    Additive,
    /// Something that was kept is not, or is written otherwise.
    Incompatible,
    /// One side does not say.
    Unknown,
}

/// What was done to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "database_impact::Impact")]
pub(crate) enum DatabaseImpactWord {
    /// Nothing.
    None,
    /// It adds.
    Additive,
    /// It changes, and the code before it still works.
    BackwardCompatible,
    /// It takes away what the code before it needs.
    Destructive,
    /// Nobody says.
    Unknown,
}

/// What a change of owner means for whoever uses the app.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RouteChangeImpact {
    /// In one word. Where somebody owns the traffic, they are taken to have visitors.
    word: DeployImpactWord,
    /// Why.
    reasons: Vec<String>,
    /// What becomes of what sessions keep.
    state: StateCompatibility,
    /// Why.
    state_reasons: Vec<String>,
    /// What was done to the database. A gate of its own: a warm deploy is not a safe rollback.
    database: DatabaseImpactWord,
    /// Why, and for a rollback that it blocks, both ways out.
    database_reason: String,
    /// The migrations it is about; for a rollback, those that ran since.
    migrations: Vec<String>,
}

impl From<gate::Impact> for RouteChangeImpact {
    fn from(found: gate::Impact) -> Self {
        Self {
            word: found.deploy.word.into(),
            reasons: found.deploy.reasons,
            state: found.state.compatibility.into(),
            state_reasons: found.state.reasons,
            database: found.database.impact.into(),
            database_reason: found.database.reason,
            migrations: found.database.migrations,
        }
    }
}

/// What would become of a promotion or rollback now.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RouteChangePlan {
    /// To which deployment.
    deployment_id: ID,
    /// Exactly which bytes.
    artifact_digest: String,
    /// Whether every gate is open, and the caller may ask for it.
    allowed: bool,
    /// The code that it would be refused with; null if it is allowed.
    code: Option<RefusalCode>,
    /// The grant that the caller lacks there, if so; then a gate `caller` is closed before all others.
    missing_grant: Option<&'static str>,
    /// The epoch it was judged on: hand it in as `expectedRouteEpoch`.
    route_epoch: u64,
    gates: Vec<Gate>,
    /// The gates that wait for somebody to acknowledge them.
    to_acknowledge: Vec<String>,
    impact: RouteChangeImpact,
    /// What its variables are, compared with the newest ones.
    variables: VariableDifference,
}

impl RouteChangePlan {
    /// Of this change, if there is such a deployment and such a route.
    pub(crate) async fn of(
        ctx: &Context<'_>,
        environment: EnvironmentId,
        deployment: DeploymentId,
        kind: Kind,
    ) -> Result<Option<Self>, Fault> {
        let (running, own, facts) = try_join!(
            running(ctx, environment),
            Caller::own(ctx),
            GateFacts::load(ctx.loaders(), environment, deployment, Rows::new())
        )?;
        let facts = facts.beside(running);
        let wish = Wish::shown(kind, &facts.environment.state, ctx.principal().actor);
        let (owner, state) = (&facts.owner.state, &facts.deployment.state);
        let at = ctx.platform().clock.now();
        let Some(requested) = wish.requested(OperationId(deployment.0), &facts, at) else { return Ok(None) };
        let same_app = state.created.as_ref().zip(owner.lane()).is_some_and(|(c, o)| c.app == o.app);
        let Some(seen) = facts.facts(&requested).filter(|_| same_app) else { return Ok(None) };
        let judged = gate::judge(&seen);
        let request = operation::Command::Request(requested.clone());
        let Some(of) = &facts.environment.state.created else { return Ok(None) };
        let may = Caller::there(ctx, &own, of).permit(request.name());
        let outlook = Outlook::of(&may, &judged);
        let sessions = match owner.owner {
            Some(_) => deploy_impact::Sessions::Active,
            None => deploy_impact::Sessions::None,
        };
        Ok(Some(Self {
            deployment_id: id::show(deployment),
            artifact_digest: seen.change.artifact.to_string(),
            allowed: outlook.allowed,
            code: outlook.code,
            missing_grant: outlook.missing_grant,
            route_epoch: owner.epoch.0,
            gates: outlook.gates,
            to_acknowledge: outlook.to_acknowledge,
            impact: gate::impact(&seen, sessions).into(),
            variables: VariableDifference::of(&facts.variables.state, owner, deployment),
        }))
    }

    /// Of a rollback to every earlier owner, the one that took the traffic last first.
    pub(crate) async fn back(ctx: &Context<'_>, environment: EnvironmentId) -> Result<Vec<Self>, Fault> {
        let route = ctx.loaders().folded::<RouteOwner>(environment).await?;
        let present = route.owner.as_ref().map(|owner| owner.deployment);
        let mut earlier = route.taken.iter().filter(|(of, _)| Some(**of) != present).collect::<Vec<_>>();
        earlier.sort_by_key(|(_, epoch)| std::cmp::Reverse(**epoch));
        let plan = |(deployment, _): (&DeploymentId, _)| Self::of(ctx, environment, *deployment, Kind::Rollback);
        let plans = try_join_all(earlier.into_iter().take(MOST_PLANS).map(plan)).await?;
        Ok(plans.into_iter().flatten().collect())
    }
}

/// The allocations of an environment that have not ended, as the caller sees them; gathered over the request. What is accepted does
/// not rest on them: the gate that looks at them closes nothing before the route changes.
pub(crate) async fn running(ctx: &Context<'_>, environment: EnvironmentId) -> Result<Rows, Fault> {
    let found = ctx.loaders().lists.load_one(AllocationsOf(environment.0, Ended::Excluded)).await;
    Ok(found.map_err(Fault::internal)?.unwrap_or_default())
}

/// How many earlier owners are judged for one answer.
const MOST_PLANS: usize = 50;

//! What the caller may do with a thing now, told before the button is pressed: by the caller's grants there and by the rules that
//! the mutation itself goes by, with the code that it would be refused with. What counts is judged again with the mutation. The
//! trap avoided: a button that is offered to somebody who is then told GRANT_MISSING.

use super::{
    context::{Ask as _, authority_of},
    lists::OwnMemberships,
    operation::Gate,
    refusal_code::RefusalCode,
};
use crate::fault::Fault;
use async_graphql::{Context, SimpleObject};
use rhone_domain::{
    actor::Writer,
    aggregate::{Aggregate, Command as _, Rejection},
    authorization::{Authority, Grant, Level, Scope, Unauthorized},
    environment,
    gate::{self, Judged},
    ids::{EnvironmentId, ProjectId, WorkspaceId},
    operation::Verdict,
    text::Reason,
    workspace,
};
use rhone_projections::authority::members::Member;
use std::{collections::BTreeMap, sync::Arc};

/// Whether the caller may do something now.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Affordance {
    /// Whether the mutation would be accepted.
    allowed: bool,
    /// The code that it would be refused with; null if it is allowed.
    code: Option<RefusalCode>,
    /// Why it would be, in words.
    reason: Option<String>,
    /// The grant that the caller lacks there, if that is why.
    missing_grant: Option<&'static str>,
}

/// What the caller is to each workspace.
pub(crate) type Own = Arc<BTreeMap<WorkspaceId, Member>>;

/// The caller in one place: what they may do there.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    authority: Authority,
    scope: Scope,
}

impl Caller {
    /// What who asks is to each workspace; gathered over the request.
    pub(crate) async fn own(ctx: &Context<'_>) -> Result<Own, Fault> {
        Ok(ctx.loaders().lists.load_one(OwnMemberships).await.map_err(Fault::internal)?.unwrap_or_default())
    }

    /// Who asks, in a workspace.
    pub(crate) async fn within(ctx: &Context<'_>, workspace: WorkspaceId, scope: Scope) -> Result<Self, Fault> {
        Ok(Self::of(ctx, &Self::own(ctx).await?, workspace, scope))
    }

    fn of(ctx: &Context<'_>, own: &Own, workspace: WorkspaceId, scope: Scope) -> Self {
        let membership = own.get(&workspace).map(|member| member.membership.clone());
        Self { authority: authority_of(ctx.principal(), workspace, membership), scope }
    }

    /// In a project.
    pub(crate) async fn in_project(ctx: &Context<'_>, of: WorkspaceId, project: ProjectId) -> Result<Self, Fault> {
        Self::within(ctx, of, Scope { project: Some(project), environment: None }).await
    }

    /// In an environment.
    pub(crate) async fn in_environment(ctx: &Context<'_>, of: &environment::Created) -> Result<Self, Fault> {
        Ok(Self::there(ctx, &Self::own(ctx).await?, of))
    }

    /// In an environment, by what they are to each workspace.
    pub(crate) fn there(ctx: &Context<'_>, own: &Own, of: &environment::Created) -> Self {
        let scope = Scope { project: Some(of.project), environment: Some((of.id, of.kind)) };
        Self::of(ctx, own, of.workspace, scope)
    }

    /// In an environment of which no more than the id is known.
    pub(crate) async fn about(ctx: &Context<'_>, of: WorkspaceId, id: Option<EnvironmentId>) -> Result<Self, Fault> {
        let Some(id) = id else { return Self::within(ctx, of, Scope::default()).await };
        match ctx.loaders().folded::<environment::Environment>(id).await?.created {
            Some(created) => Self::in_environment(ctx, &created).await,
            None => Self::within(ctx, of, Scope::default()).await,
        }
    }

    /// The grants that are held there.
    pub(crate) fn grants(&self) -> Vec<&'static str> {
        Grant::ALL.iter().filter(|grant| self.holds(**grant)).map(|grant| grant.as_str()).collect()
    }

    /// Whether a grant is held there.
    pub(crate) fn holds(&self, grant: Grant) -> bool {
        self.authority.holds(grant, Level::Environment, self.scope)
    }

    /// Whether a command may be issued there, whatever else a rule may say.
    pub(crate) fn permit(&self, command: &'static str) -> Result<(), Unauthorized> {
        self.permit_as(Writer::Api, command)
    }

    /// The same, where another capacity than the API's own writes.
    pub(crate) fn permit_as(&self, writer: Writer, command: &'static str) -> Result<(), Unauthorized> {
        self.authority.permit(command, writer, self.scope)
    }

    /// The same, shown.
    pub(crate) fn may(&self, command: &'static str) -> Affordance {
        self.may_if(command, || Ok::<_, Unauthorized>(()))
    }

    /// The same, where another capacity than the API's own writes.
    pub(crate) fn may_as(&self, writer: Writer, command: &'static str) -> Affordance {
        Affordance::told(self.permit_as(writer, command), || Ok::<_, Unauthorized>(()))
    }

    /// The same, and then by a rule.
    pub(crate) fn may_if<R: Rejection>(
        &self,
        command: &'static str,
        rule: impl FnOnce() -> Result<(), R>,
    ) -> Affordance {
        Affordance::told(self.permit(command), rule)
    }

    /// Whether what belongs to the platform takes a command of those who run it.
    pub(crate) fn may_run<A: Aggregate>(&self, noun: &A, command: A::Command) -> Affordance {
        let permitted = self.permit_as(Writer::Platform, command.name());
        Affordance::told(permitted, || noun.decide(command).map(drop))
    }

    /// Whether the noun itself takes a command.
    pub(crate) fn may_tell<A: Aggregate>(&self, noun: &A, command: A::Command) -> Affordance {
        self.may_if(command.name(), || noun.decide(command).map(drop))
    }
}

impl Affordance {
    fn told<R: Rejection>(permitted: Result<(), Unauthorized>, rule: impl FnOnce() -> Result<(), R>) -> Self {
        match permitted {
            Err(why) => Self { missing_grant: missing(&why), ..Self::refused(&why) },
            Ok(()) => match rule() {
                Err(no) => Self::refused(&no),
                Ok(()) => Self { allowed: true, code: None, reason: None, missing_grant: None },
            },
        }
    }

    /// What a mutation comes to that answers with an error, before any rule is asked.
    pub(crate) fn faulted(fault: &Fault) -> Self {
        let code = Some(RefusalCode::of(fault.code.as_str()));
        Self { allowed: false, code, reason: Some(fault.message.to_string()), missing_grant: None }
    }

    /// What a refusal comes to.
    pub(crate) fn refused(rejection: &impl Rejection) -> Self {
        let code = Some(RefusalCode::of(rejection.code()));
        Self { allowed: false, code, reason: Some(rejection.to_string()), missing_grant: None }
    }
}

/// Whether a workspace takes a command of the caller's now, by what its own stream says.
pub(crate) async fn of_workspace(
    ctx: &Context<'_>,
    id: WorkspaceId,
    command: workspace::Command,
) -> Result<Affordance, Fault> {
    let caller = Caller::within(ctx, id, Scope::default()).await?;
    let workspace = ctx.loaders().folded::<workspace::Workspace>(id).await?;
    Ok(caller.may_tell(&workspace, command))
}

/// What stands for the reason that the caller would give; no rule looks at its words.
pub(crate) fn some_reason() -> Reason {
    Reason::parse("reason", "as it would be").expect("it is short and plain")
}

/// What a plan says of all that stands in the caller's way.
pub(crate) struct Outlook {
    pub(crate) allowed: bool,
    pub(crate) code: Option<RefusalCode>,
    pub(crate) missing_grant: Option<&'static str>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) to_acknowledge: Vec<String>,
}

impl Outlook {
    /// By the caller's right, and then by the first closed gate.
    pub(crate) fn of(may: &Result<(), Unauthorized>, judged: &[Judged]) -> Self {
        Self::closed_by(may, judged, gate::closed(judged).map(|refusal| refusal.code))
    }

    /// By the caller's right, and then by this, if anything.
    pub(crate) fn closed_by(may: &Result<(), Unauthorized>, judged: &[Judged], closed: Option<&'static str>) -> Self {
        let code = may.as_ref().err().map(Rejection::code).or(closed);
        Self {
            allowed: code.is_none(),
            code: code.map(RefusalCode::of),
            missing_grant: may.as_ref().err().and_then(missing),
            gates: caller(may).into_iter().chain(judged.iter().map(|one| (&one.gate).into())).collect(),
            to_acknowledge: judged.iter().filter(|one| waits(one)).map(|one| one.gate.kind.clone()).collect(),
        }
    }
}

/// Whether a gate waits for somebody to acknowledge it.
pub(crate) fn waits(one: &Judged) -> bool {
    one.refusal.as_ref().is_some_and(|no| no.code == "NEEDS_ACKNOWLEDGEMENT")
}

/// The grant that is missing, if that is why.
fn missing(why: &Unauthorized) -> Option<&'static str> {
    match why {
        Unauthorized::GrantMissing { grant, .. } => Some(grant.as_str()),
        Unauthorized::WrongWriter { .. } | Unauthorized::TokenNarrowed { .. } => None,
    }
}

/// What a plan says of the caller: nothing where nothing is in the way; else a closed gate before all others.
fn caller(may: &Result<(), Unauthorized>) -> Option<Gate> {
    let why = may.as_ref().err()?;
    let held = why.expected_and_actual().map(|(_, held)| held).unwrap_or_default();
    let (kind, state) = ("caller".to_owned(), Verdict::Fail.to_string());
    Some(Gate { kind, state, reason: format!("{}: {why}", why.code()), evidence: held })
}

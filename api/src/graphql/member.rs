//! Members: who belongs to a workspace, and what they may do. The rules are the workspace's own; here are only their words.

use super::{
    affordance::{Affordance, of_workspace},
    change::{Bench, Change, Judged, Manner, No, change, decide, payload, permit},
    context::Ask as _,
    id, who,
    workspace::Workspace,
};
use crate::fault::{Code, Fault};
use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use rhone_domain::{
    actor::Writer,
    aggregate::Command as _,
    authorization::Grant,
    environment,
    ids::{ActorId, CorrelationId, EnvironmentId, ProjectId, WorkspaceId},
    project,
    workspace::{self, Command, Reach, Role},
};
use rhone_projections::authority::members;
use std::collections::BTreeSet;
use uuid::Uuid;

/// What a member is to all of a workspace: a set of grants, as authorizationTable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Role")]
pub(crate) enum MemberRole {
    /// Everything.
    Owner,
    /// Everything but the workspace itself.
    Admin,
    /// Deploys and previews.
    Member,
}

/// Who belongs to a workspace.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Member {
    /// As `viewer` says it.
    actor: String,
    /// In all of the workspace.
    role: MemberRole,
    /// Beside the role, in single projects and environments.
    custom_grants: Vec<CustomGrants>,
    /// The version of the workspace, in whose stream it stands.
    version: u64,
    #[graphql(skip)]
    id: Uuid,
    #[graphql(skip)]
    workspace: WorkspaceId,
}

/// What the caller may do with a member now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct MemberAffordances {
    /// `memberRoleSet`, to the role that it is.
    role_set: Affordance,
    /// `memberRemove`
    remove: Affordance,
    /// `memberProjectGrantsSet` or `memberEnvironmentGrantsSet`, to nothing beside the role.
    grants_set: Affordance,
}

#[ComplexObject]
impl Member {
    /// What the caller may do with them now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<MemberAffordances> {
        let (actor, by) = (ActorId(self.id), ctx.principal().eyes());
        let role_set = Command::SetRole { actor, role: self.role.into(), by };
        // Whose place it is, the mutation judges.
        let reach = Reach::Project(ProjectId(self.workspace.0));
        let grants_set = Command::SetGrants { actor, reach, grants: BTreeSet::new(), by };
        Ok(MemberAffordances {
            role_set: of_workspace(ctx, self.workspace, role_set).await?,
            remove: of_workspace(ctx, self.workspace, Command::RemoveMember { actor, by }).await?,
            grants_set: of_workspace(ctx, self.workspace, grants_set).await?,
        })
    }

    /// The login, or else what their token is called; null where neither is known.
    async fn actor_name(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        Ok(who::name(ctx, self.id).await?)
    }
}

/// What a member may do in one place beside what the role allows.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct CustomGrants {
    /// In this project and all of its environments.
    project_id: Option<ID>,
    /// In this environment.
    environment_id: Option<ID>,
    /// What.
    grants: Vec<&'static str>,
}

impl Member {
    /// Of a workspace.
    pub(crate) fn of(workspace: WorkspaceId, member: members::Member) -> Self {
        let words = |grants: &BTreeSet<Grant>| grants.iter().map(|grant| grant.as_str()).collect();
        let of = member.membership;
        let projects = of.projects.iter().map(|(id, grants)| CustomGrants {
            project_id: Some(id::show(*id)),
            environment_id: None,
            grants: words(grants),
        });
        let environments = of.environments.iter().map(|(id, grants)| CustomGrants {
            project_id: None,
            environment_id: Some(id::show(*id)),
            grants: words(grants),
        });
        Self {
            actor: member.actor.to_string(),
            role: of.role.into(),
            custom_grants: projects.chain(environments).collect(),
            version: member.version.0,
            id: member.actor.0,
            workspace,
        }
    }
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct MemberRoleInput {
    workspace_id: ID,
    /// As `viewer` says it to them.
    member_id: String,
    role: MemberRole,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct MemberRemoveInput {
    workspace_id: ID,
    /// As `viewer` says it to them.
    member_id: String,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct MemberProjectGrantsSetInput {
    project_id: ID,
    /// As `viewer` says it to them.
    member_id: String,
    /// Words of authorizationTable; none takes back what was given here.
    grants: Vec<String>,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct MemberEnvironmentGrantsSetInput {
    environment_id: ID,
    /// As `viewer` says it to them.
    member_id: String,
    /// Words of authorizationTable; none takes back what was given here.
    grants: Vec<String>,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of a change to a workspace's members.
    MemberPayload { workspace: unchanged Workspace }
}

#[derive(Debug, Default)]
pub(crate) struct MemberMutation;

#[Object]
impl MemberMutation {
    /// Lets somebody into a workspace.
    async fn member_add(&self, ctx: &Context<'_>, input: MemberRoleInput) -> async_graphql::Result<MemberPayload> {
        let asked = Asked::Add(input.role.into());
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        Ok(MemberPayload(ask(ctx, &input.workspace_id, &input.member_id, manner, asked).await?))
    }

    /// Makes a member something else.
    async fn member_role_set(&self, ctx: &Context<'_>, input: MemberRoleInput) -> async_graphql::Result<MemberPayload> {
        let asked = Asked::SetRole(input.role.into());
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        Ok(MemberPayload(ask(ctx, &input.workspace_id, &input.member_id, manner, asked).await?))
    }

    /// Lets somebody belong to a workspace no longer; what they had been given there is over.
    async fn member_remove(&self, ctx: &Context<'_>, input: MemberRemoveInput) -> async_graphql::Result<MemberPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        Ok(MemberPayload(ask(ctx, &input.workspace_id, &input.member_id, manner, Asked::Remove).await?))
    }

    /// Says what a member may do in a project beside what the role allows.
    async fn member_project_grants_set(
        &self,
        ctx: &Context<'_>,
        input: MemberProjectGrantsSetInput,
    ) -> async_graphql::Result<MemberPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let reach = Reach::Project(id::read("projectId", &input.project_id)?);
        let (member, grants) = (member_id(&input.member_id)?, grants(&input.grants)?);
        Ok(MemberPayload(change(ctx, manner, SetGrants { reach, member, grants }).await?))
    }

    /// Says what a member may do in an environment beside what the role allows.
    async fn member_environment_grants_set(
        &self,
        ctx: &Context<'_>,
        input: MemberEnvironmentGrantsSetInput,
    ) -> async_graphql::Result<MemberPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let reach = Reach::Environment(id::read("environmentId", &input.environment_id)?);
        let (member, grants) = (member_id(&input.member_id)?, grants(&input.grants)?);
        Ok(MemberPayload(change(ctx, manner, SetGrants { reach, member, grants }).await?))
    }
}

fn member_id(text: &str) -> Result<ActorId, Fault> {
    let uuid = Uuid::try_parse(text).map_err(|_| Fault::bad_input("memberId", "must be an id as `viewer` says it"));
    Ok(ActorId(uuid?))
}

pub(super) fn grants(words: &[String]) -> Result<BTreeSet<Grant>, Fault> {
    let read =
        |word: &String| word.parse().map_err(|_| Fault::bad_input("grants", "must be words of authorizationTable"));
    words.iter().map(read).collect()
}

/// What is asked about a member.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Add(Role),
    SetRole(Role),
    Remove,
}

struct MemberChange {
    workspace: WorkspaceId,
    member: ActorId,
    asked: Asked,
}

async fn ask(
    ctx: &Context<'_>,
    workspace: &ID,
    member: &str,
    manner: Manner,
    asked: Asked,
) -> Result<super::change::Answer, Fault> {
    let workspace = id::read::<WorkspaceId>("workspaceId", workspace)?;
    change(ctx, manner, MemberChange { workspace, member: member_id(member)?, asked }).await
}

impl Change for MemberChange {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::Add(_) => "memberAdd",
            Asked::SetRole(_) => "memberRoleSet",
            Asked::Remove => "memberRemove",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}\n{:?}", self.workspace, self.member, self.asked)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        if !bench.belongs_to(self.workspace) {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        let (actor, by) = (self.member, bench.principal.eyes());
        let command = match self.asked {
            Asked::Add(role) => Command::AddMember { actor, role, by },
            Asked::SetRole(role) => Command::SetRole { actor, role, by },
            Asked::Remove => Command::RemoveMember { actor, by },
        };
        on_workspace(bench, self.workspace, command).await
    }
}

/// A command of the workspace itself.
pub(crate) async fn on_workspace(bench: &Bench<'_>, id: WorkspaceId, command: Command) -> Result<Judged, No> {
    let mut workspace = bench.load::<workspace::Workspace>(id).await?;
    let mut unit = bench.unit(Writer::Api, id, CorrelationId(bench.new_id()));
    permit(&unit, command.name(), &workspace.stream)?;
    decide(&mut unit, &mut workspace, command)?;
    Ok(Judged { unit, object: id.0, operation: None, decided_on: Some(workspace.stream.clone()) })
}

#[derive(Debug)]
struct SetGrants {
    reach: Reach,
    member: ActorId,
    grants: BTreeSet<Grant>,
}

impl Change for SetGrants {
    fn name(&self) -> &'static str {
        match self.reach {
            Reach::Project(_) => "memberProjectGrantsSet",
            Reach::Environment(_) => "memberEnvironmentGrantsSet",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let workspace = self.workspace(bench).await?;
        let (actor, reach, grants) = (self.member, self.reach, self.grants.clone());
        let by = bench.principal.eyes();
        on_workspace(bench, workspace, Command::SetGrants { actor, reach, grants, by }).await
    }
}

impl SetGrants {
    /// The workspace of the place, if the caller may know of it.
    async fn workspace(&self, bench: &Bench<'_>) -> Result<WorkspaceId, No> {
        let (workspace, missing) = match self.reach {
            Reach::Project(id) => {
                let project = bench.load::<project::Project>(id).await?.state.created;
                (project.map(|of| of.workspace), id::not_found::<ProjectId>("projectId"))
            }
            Reach::Environment(id) => {
                let of = bench.load::<environment::Environment>(id).await?.state.created;
                (of.map(|of| of.workspace), id::not_found::<EnvironmentId>("environmentId"))
            }
        };
        match workspace {
            Some(workspace) if bench.belongs_to(workspace) => Ok(workspace),
            _ => Err(missing.into()),
        }
    }
}

/// Support never deals in rights or tokens, whatever its user may.
pub(crate) fn not_support(ctx: &Context<'_>) -> Result<(), Fault> {
    match ctx.principal().on_behalf_of {
        None => Ok(()),
        Some(_) => Err(Fault::new(Code::Forbidden, "support makes no tokens and opens no workspaces")),
    }
}

//! Support: a member lets those who run the platform act in their place, for a reason and until an end. What is done then
//! names both. The trap: access that outlives its reason; a token of support is looked up together with its access, so that
//! it is refused from the moment the access ends, or its user is gone.

use super::{
    affordance::{Affordance, of_workspace},
    change::{Bench, Change, Judged, Manner, No, change, payload},
    context::{Ask, begin, platform_only},
    id,
    member::{not_support, on_workspace},
    route_owner::reason,
    token::{TokenPayload, machine::issue},
};
use crate::fault::{Code, Fault};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    authorization::Narrowing,
    ids::{SupportId, WorkspaceId},
    text::Reason,
    token::Holder,
    workspace::{self, Command},
};
use rhone_eventstore::Position;
use rhone_projections::authority::members::{self, Access};

/// A time in which support may act for a member.
#[derive(Clone, Debug)]
pub(crate) struct SupportAccess(Access);

/// A time in which support may act for a member.
#[Object]
impl SupportAccess {
    /// Hand it to `supportTokenCreate` and `supportAccessEnd`.
    pub(crate) async fn id(&self) -> ID {
        id::show(self.0.access)
    }

    /// For whom.
    async fn member_id(&self) -> String {
        self.0.user.to_string()
    }

    /// Why.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Until when, at the latest.
    async fn until(&self) -> DateTime<Utc> {
        self.0.until
    }

    /// Whether it was ended before.
    async fn ended(&self) -> bool {
        self.0.ended
    }

    /// The version of its workspace, in whose stream it stands.
    async fn version(&self, ctx: &Context<'_>) -> async_graphql::Result<u64> {
        Ok(ctx.loaders().version::<workspace::Workspace>(self.0.workspace).await?.0)
    }

    /// What the caller may do with it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<SupportAccessAffordances> {
        let end = Command::EndSupport { access: self.0.access, by: ctx.principal().eyes() };
        Ok(SupportAccessAffordances { end: of_workspace(ctx, self.0.workspace, end).await? })
    }
}

/// What the caller may do with a time of support now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct SupportAccessAffordances {
    /// `supportAccessEnd`
    end: Affordance,
}

impl From<Access> for SupportAccess {
    fn from(access: Access) -> Self {
        Self(access)
    }
}

impl SupportAccess {
    /// Written inline, so it needs no waiting.
    pub(crate) async fn find(ctx: &Context<'_>, id: SupportId, _: Option<Position>) -> Result<Option<Self>, Fault> {
        let mut transaction = begin(ctx).await?;
        Ok(members::access(&mut transaction, id).await.map_err(Fault::internal)?.map(Self::from))
    }
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct SupportAccessGrantInput {
    workspace_id: ID,
    /// 1 to 500 characters.
    reason: String,
    /// How long, from now: at most seven days.
    seconds: i64,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct SupportAccessEndInput {
    workspace_id: ID,
    access_id: ID,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct SupportTokenCreateInput {
    access_id: ID,
    /// For people.
    name: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of supportAccessGrant and supportAccessEnd.
    SupportAccessPayload { support_access: SupportAccess }
}

#[derive(Debug, Default)]
pub(crate) struct SupportMutation;

#[Object]
impl SupportMutation {
    /// Lets support act for the caller, and never as more than the caller is.
    async fn support_access_grant(
        &self,
        ctx: &Context<'_>,
        input: SupportAccessGrantInput,
    ) -> async_graphql::Result<SupportAccessPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let grant = Grant {
            workspace: id::read("workspaceId", &input.workspace_id)?,
            reason: reason(&input.reason)?,
            lasts: lasts(input.seconds)?,
        };
        Ok(SupportAccessPayload(change(ctx, manner, grant).await?))
    }

    /// Lets support act no longer; tokens of it are refused from now on.
    async fn support_access_end(
        &self,
        ctx: &Context<'_>,
        input: SupportAccessEndInput,
    ) -> async_graphql::Result<SupportAccessPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let end = End {
            workspace: id::read("workspaceId", &input.workspace_id)?,
            access: id::read("accessId", &input.access_id)?,
        };
        Ok(SupportAccessPayload(change(ctx, manner, end).await?))
    }

    /// Makes a token with which the caller, who runs the platform, acts for a member who allowed it.
    async fn support_token_create(
        &self,
        ctx: &Context<'_>,
        input: SupportTokenCreateInput,
    ) -> async_graphql::Result<TokenPayload> {
        platform_only(ctx).await?;
        not_support(ctx)?;
        if ctx.principal().limits.narrowing != Narrowing::Whole {
            return Err(Fault::new(Code::Forbidden, "a narrowed token makes none that may more than itself").into());
        }
        let access = id::read::<SupportId>("accessId", &input.access_id)?;
        let stands = ctx.platform().tokens.supported_until(access, ctx.principal()).await.map_err(Fault::internal)?;
        if stands.is_none() {
            return Err(id::not_found::<SupportId>("accessId").into());
        }
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let holder = (ctx.principal().actor, Holder::Support(access));
        issue(ctx, manner, "supportTokenCreate", holder, &input.name).await
    }
}

fn lasts(seconds: i64) -> Result<TimeDelta, Fault> {
    let sound = TimeDelta::try_seconds(seconds).filter(|lasts| *lasts > TimeDelta::zero() && lasts.num_days() < 36_500);
    sound.ok_or_else(|| Fault::bad_input("seconds", "must be 1 or more, and at most seven days"))
}

struct Grant {
    workspace: WorkspaceId,
    reason: Reason,
    lasts: TimeDelta,
}

impl Change for Grant {
    fn name(&self) -> &'static str {
        "supportAccessGrant"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}\n{}", self.workspace, self.reason, self.lasts)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        known(bench, self.workspace)?;
        let access: SupportId = bench.new_id();
        let (user, at) = (bench.principal.eyes(), bench.door.clock().now());
        let (reason, until) = (self.reason.clone(), at + self.lasts);
        let command = Command::GrantSupport { access, user, reason, at, until };
        Ok(Judged { object: access.0, ..on_workspace(bench, self.workspace, command).await? })
    }
}

struct End {
    workspace: WorkspaceId,
    access: SupportId,
}

impl Change for End {
    fn name(&self) -> &'static str {
        "supportAccessEnd"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.workspace, self.access)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        known(bench, self.workspace)?;
        let command = Command::EndSupport { access: self.access, by: bench.principal.eyes() };
        Ok(Judged { object: self.access.0, ..on_workspace(bench, self.workspace, command).await? })
    }
}

fn known(bench: &Bench<'_>, workspace: WorkspaceId) -> Result<(), Fault> {
    if bench.belongs_to(workspace) { Ok(()) } else { Err(id::not_found::<WorkspaceId>("workspaceId")) }
}

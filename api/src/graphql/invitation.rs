//! Invitations: a secret that lets one person into a workspace, in time and once. The secret is answered once; what is kept is
//! its SHA-256. The trap: an answer that tells a stranger whether there was ever such an invitation; unknown, used, revoked
//! and expired ones are refused in the same words.

use super::{
    affordance::{Affordance, of_workspace},
    change::{Bench, Change, Judged, KeyScope, Manner, No, change, decide, payload, permit, refused},
    context::{Ask as _, Door, begin, door_showing},
    id,
    member::{MemberRole, not_support, on_workspace},
    variables::HiddenText,
    workspace::Workspace,
};
use crate::{
    fault::{Code, Fault},
    identity::PREFIX,
};
use async_graphql::{Context, ID, InputObject, MergedObject, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use rhone_domain::{
    actor::Writer,
    aggregate::Aggregate as _,
    digest::Digest,
    envelope::StreamId,
    ids::{CorrelationId, InvitationId, WorkspaceId},
    workspace::{self, Command, Rejection, Role},
};
use rhone_eventstore::{Position, clock};
use rhone_projections::authority::invitations;
use uuid::Uuid;

/// How long an invitation is open when nobody says otherwise.
const USUAL: TimeDelta = TimeDelta::days(7);

/// An invitation that nobody has used or revoked; its secret is known to whoever made it.
#[derive(Clone, Debug)]
pub(crate) struct Invitation(invitations::Invitation);

/// An invitation that nobody has used or revoked; its secret is known to whoever made it.
#[Object]
impl Invitation {
    /// Hand it to `invitationRevoke`.
    pub(crate) async fn id(&self) -> ID {
        id::show(self.0.id)
    }

    /// As what one comes in.
    async fn role(&self) -> MemberRole {
        self.0.role.into()
    }

    /// Who invited, as `Member.actor` says it. Once they may not invite as this role any more, it opens nothing.
    async fn invited_by(&self) -> String {
        self.0.by.to_string()
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.since
    }

    /// It opens nothing from then on.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.until
    }

    /// The version of its workspace, in whose stream it stands.
    async fn version(&self, ctx: &Context<'_>) -> async_graphql::Result<u64> {
        Ok(ctx.loaders().version::<workspace::Workspace>(self.0.workspace).await?.0)
    }

    /// What the caller may do with it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<InvitationAffordances> {
        let revoke = Command::RevokeInvitation { invitation: self.0.id, by: ctx.principal().eyes() };
        Ok(InvitationAffordances { revoke: of_workspace(ctx, self.0.workspace, revoke).await? })
    }
}

/// What the caller may do with an invitation now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct InvitationAffordances {
    /// `invitationRevoke`
    revoke: Affordance,
}

impl From<invitations::Invitation> for Invitation {
    fn from(row: invitations::Invitation) -> Self {
        Self(row)
    }
}

impl Invitation {
    /// Written inline, so it needs no waiting.
    pub(crate) async fn find(ctx: &Context<'_>, id: InvitationId, _: Option<Position>) -> Result<Option<Self>, Fault> {
        let mut transaction = begin(ctx).await?;
        Ok(invitations::one(&mut transaction, id).await.map_err(Fault::internal)?.map(Self))
    }
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct MemberInviteInput {
    workspace_id: ID,
    /// As what one comes in; never more than the caller may make somebody.
    role: MemberRole,
    /// How long it is open, from now: at most 2592000 (30 days), 7 days when omitted.
    expires_in_seconds: Option<i64>,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct InvitationRevokeInput {
    workspace_id: ID,
    invitation_id: ID,
    /// The `version` of the workspace that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct InvitationAcceptInput {
    /// As `memberInvite` answered it.
    secret: HiddenText,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// What was made.
    Invited { invitation: unchanged Invitation }
}

/// What is told once.
#[derive(SimpleObject)]
pub(crate) struct InvitationSecret {
    /// Lets one person in. InvitationSecret now and never again, not even to the same request under the same key; a lost one is revoked.
    secret: Option<String>,
}

/// The answer of memberInvite.
#[derive(MergedObject)]
pub(crate) struct MemberInvitePayload(Invited, InvitationSecret);

payload! {
    /// The answer of invitationRevoke.
    InvitationRevokePayload { workspace: unchanged Workspace }
}

payload! {
    /// The answer of invitationAccept.
    InvitationAcceptPayload { workspace: unchanged Workspace }
}

#[derive(Debug, Default)]
pub(crate) struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Makes a secret that lets one person into a workspace.
    async fn member_invite(
        &self,
        ctx: &Context<'_>,
        input: MemberInviteInput,
    ) -> async_graphql::Result<MemberInvitePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let secret = new_secret();
        let invite = Invite {
            workspace: id::read("workspaceId", &input.workspace_id)?,
            role: input.role.into(),
            lasts: lasts(input.expires_in_seconds)?,
            secret: Digest::of(&[secret.as_bytes()]),
        };
        let answer = change(ctx, manner, invite).await?;
        let made = answer.object.is_some() && !answer.replayed;
        Ok(MemberInvitePayload(Invited(answer), InvitationSecret { secret: made.then_some(secret) }))
    }

    /// Lets nobody in with an invitation any more.
    async fn invitation_revoke(
        &self,
        ctx: &Context<'_>,
        input: InvitationRevokeInput,
    ) -> async_graphql::Result<InvitationRevokePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let revoke = Revoke {
            workspace: id::read("workspaceId", &input.workspace_id)?,
            invitation: id::read("invitationId", &input.invitation_id)?,
        };
        Ok(InvitationRevokePayload(change(ctx, manner, revoke).await?))
    }

    /// Makes the caller a member of the workspace that a secret opens.
    async fn invitation_accept(
        &self,
        ctx: &Context<'_>,
        input: InvitationAcceptInput,
    ) -> async_graphql::Result<InvitationAcceptPayload> {
        not_support(ctx)?;
        if ctx.principal().workspace.is_some() {
            return Err(Fault::new(Code::Forbidden, "a token of one workspace enters no other").into());
        }
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let accept = Accept { secret: shown(input.secret)? };
        Ok(InvitationAcceptPayload(change(ctx, manner, accept).await?))
    }
}

/// What every secret of an invitation begins with, so that a leaked one is recognised.
fn begins() -> String {
    format!("{PREFIX}inv_")
}

fn new_secret() -> String {
    format!("{}{}", begins(), clock::secret())
}

/// The SHA-256 of a secret of the right form; which are right says nothing about which there are.
fn shown(text: HiddenText) -> Result<Digest, Fault> {
    let text = text.into_hidden();
    let of = |rest: &str| rest.len() == 43 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    match text.expose().strip_prefix(&begins()) {
        Some(rest) if of(rest) => Ok(Digest::of(&[text.expose().as_bytes()])),
        _ => {
            Err(Fault::bad_input("secret", format!("must be as memberInvite gave it: {}… and 43 characters", begins())))
        }
    }
}

fn lasts(seconds: Option<i64>) -> Result<TimeDelta, Fault> {
    let Some(seconds) = seconds else { return Ok(USUAL) };
    let sound = TimeDelta::try_seconds(seconds).filter(|lasts| *lasts > TimeDelta::zero() && lasts.num_days() < 36_500);
    sound.ok_or_else(|| Fault::bad_input("expiresInSeconds", "must be 1 or more, and at most 30 days"))
}

fn known(bench: &Bench<'_>, workspace: WorkspaceId) -> Result<(), Fault> {
    if bench.belongs_to(workspace) { Ok(()) } else { Err(id::not_found::<WorkspaceId>("workspaceId")) }
}

struct Invite {
    workspace: WorkspaceId,
    role: Role,
    lasts: TimeDelta,
    secret: Digest,
}

impl Change for Invite {
    fn name(&self) -> &'static str {
        "memberInvite"
    }

    /// Without the secret, which is another one each time.
    fn fingerprint(&self) -> String {
        format!("{}\n{}\n{}", self.workspace, self.role, self.lasts)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        known(bench, self.workspace)?;
        let invitation: InvitationId = bench.new_id();
        let (by, since) = (bench.principal.eyes(), bench.door.clock().now());
        let (role, secret, until) = (self.role, self.secret, since + self.lasts);
        let new = workspace::Invitation { role, secret, by, since, until };
        let command = Command::Invite { invitation, new };
        Ok(Judged { object: invitation.0, ..on_workspace(bench, self.workspace, command).await? })
    }
}

struct Revoke {
    workspace: WorkspaceId,
    invitation: InvitationId,
}

impl Change for Revoke {
    fn name(&self) -> &'static str {
        "invitationRevoke"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.workspace, self.invitation)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        known(bench, self.workspace)?;
        let command = Command::RevokeInvitation { invitation: self.invitation, by: bench.principal.eyes() };
        on_workspace(bench, self.workspace, command).await
    }
}

struct Accept {
    secret: Digest,
}

impl Change for Accept {
    /// Whoever comes in belongs to nothing yet.
    const KEY_SCOPE: KeyScope = KeyScope::Caller;

    fn name(&self) -> &'static str {
        "invitationAccept"
    }

    fn fingerprint(&self) -> String {
        self.secret.to_string()
    }

    fn door(&self, ctx: &Context<'_>) -> Door {
        door_showing(ctx.platform(), ctx.principal(), self.secret)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let nobody = WorkspaceId(Uuid::nil());
        let target = |id: WorkspaceId| StreamId::new(workspace::Workspace::CATEGORY, id);
        let gone = || refused(&Rejection::InvitationGone, target(nobody), nobody);
        let correlation = CorrelationId(bench.new_id());
        permit(&bench.unit(Writer::Api, nobody, correlation), "workspace.accept_invitation", &target(nobody))?;
        let mut transaction = begin(bench.ctx).await?;
        let opened = invitations::opened(&mut transaction, self.secret).await.map_err(Fault::internal)?;
        drop(transaction);
        let id = opened.ok_or_else(gone)?;
        let mut workspace = bench.load::<workspace::Workspace>(id).await?;
        // Somebody else was faster, between the look and the load.
        if workspace.state.id.is_none() {
            return Err(gone());
        }
        let mut unit = bench.unit(Writer::Api, id, correlation);
        let (secret, actor, at) = (self.secret, bench.principal.actor, unit.now());
        decide(&mut unit, &mut workspace, Command::AcceptInvitation { secret, actor, at })
            .map_err(|no| no.about("secret"))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}

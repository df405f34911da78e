//! Source credentials: with what an app's sources are read where not everybody may. One for a host, set, replaced and removed;
//! the secret goes encrypted into the vault before the event that refers to it. The trap avoided: a secret in what is kept of a
//! request or in an answer; the fingerprint holds a keyed digest, and what is shown has no field for more.

use super::{
    affordance::{Affordance, Caller},
    app::App,
    change::{Bench, Change, Judged, Manner, No, change, payload, refused},
    context::{Ask as _, begin, belongs_to, door},
    id,
    route_owner::invalid,
    variables::HiddenText,
};
use crate::fault::Fault;
use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    app::{self, Command, Event},
    authorization::Scope,
    digest::Digest,
    hidden::Hidden,
    ids::{AppId, CorrelationId},
    source_credential::{self, SourceHost, Wanted, vault_name},
    text::Username,
};
use rhone_eventstore::vault::Place;

/// With what an app's sources of one host are read. Its secret is never shown.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct SourceCredential {
    /// A repository's host or a registry, with its port where that is not the scheme's own.
    host: String,
    /// As whom.
    username: String,
    /// The how manieth for this host.
    generation: u64,
    /// When it was set.
    set_at: DateTime<Utc>,
    #[graphql(skip)]
    app: AppId,
    #[graphql(skip)]
    held: source_credential::SourceCredential,
}

impl SourceCredential {
    fn of(app: AppId, held: &source_credential::SourceCredential) -> Self {
        let source_credential::SourceCredential { host, username, generation, at, .. } = held;
        Self {
            host: host.to_string(),
            username: username.to_string(),
            generation: generation.0,
            set_at: *at,
            app,
            held: held.clone(),
        }
    }
}

/// What the caller may do with a credential now, each by the name of its mutation.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct SourceCredentialAffordances {
    /// `appSourceCredentialSet`, to the one that it is.
    set: Affordance,
    /// `appSourceCredentialRemove`
    remove: Affordance,
}

#[ComplexObject]
impl SourceCredential {
    /// What the caller may do with it now, and why not if not.
    #[graphql(complexity = "20 + child_complexity")]
    async fn affordances(&self, ctx: &Context<'_>) -> async_graphql::Result<SourceCredentialAffordances> {
        let app = ctx.loaders().folded::<app::App>(self.app).await?;
        let created = app.created.as_ref().ok_or_else(|| id::not_found::<AppId>("appId"))?;
        let caller = Caller::in_project(ctx, created.workspace, created.project).await?;
        let source_credential::SourceCredential { host, username, digest, value, at, .. } = self.held.clone();
        let wanted = Wanted { username, digest, value };
        Ok(SourceCredentialAffordances {
            set: caller.may_tell(&app, Command::SetSourceCredential { host: host.clone(), wanted, at }),
            remove: caller.may_tell(&app, Command::RemoveSourceCredential { host }),
        })
    }
}

/// An app's credentials, by host, as the log has them now.
pub(crate) async fn of_app(ctx: &Context<'_>, id: AppId) -> Result<Vec<SourceCredential>, Fault> {
    let app = ctx.loaders().folded::<app::App>(id).await?;
    Ok(app.source_credentials.values().map(|held| SourceCredential::of(id, held)).collect())
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct AppSourceCredentialSetInput {
    app_id: ID,
    /// A repository's host or a registry, such as `git.example.com` or `registry.example.com:5000`.
    host: String,
    /// As whom; some hosts take any name beside a token.
    username: String,
    /// A password or a token; goes into the vault, and no answer ever shows it.
    secret: HiddenText,
    /// The app's version that this was decided on.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct AppSourceCredentialRemoveInput {
    app_id: ID,
    /// Which host's.
    host: String,
    /// The app's version that this was decided on.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of appSourceCredentialSet and appSourceCredentialRemove.
    AppSourceCredentialPayload { app: unchanged App }
}

#[derive(Debug, Default)]
pub(crate) struct SourceCredentialMutation;

#[Object]
impl SourceCredentialMutation {
    /// Reads the app's sources of a host, git repositories and images alike, with this credential from now on. What was set for
    /// the same host before is used no longer.
    async fn app_source_credential_set(
        &self,
        ctx: &Context<'_>,
        input: AppSourceCredentialSetInput,
    ) -> async_graphql::Result<AppSourceCredentialPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let home = home(ctx, &input.app_id).await?;
        let host = SourceHost::parse("host", &input.host).map_err(invalid)?;
        let username = Username::parse("username", &input.username).map_err(invalid)?;
        let secret = source_credential::secret("secret", input.secret.into_hidden()).map_err(invalid)?;
        let digest = digest(ctx, &home, &host, &secret).await?;
        let keeping = if manner.dry_run { Keeping::Nothing } else { Keeping::Secret };
        let asked = Asked::Set { username, secret, digest, keeping };
        Ok(AppSourceCredentialPayload(change(ctx, manner, Alter { home, host, asked }).await?))
    }

    /// Reads the app's sources of a host as nobody in particular again.
    async fn app_source_credential_remove(
        &self,
        ctx: &Context<'_>,
        input: AppSourceCredentialRemoveInput,
    ) -> async_graphql::Result<AppSourceCredentialPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let home = home(ctx, &input.app_id).await?;
        let host = SourceHost::parse("host", &input.host).map_err(invalid)?;
        Ok(AppSourceCredentialPayload(change(ctx, manner, Alter { home, host, asked: Asked::Remove }).await?))
    }
}

/// Whether the secret is put into the vault: on a dry run it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    Secret,
    Nothing,
}

#[derive(Debug)]
enum Asked {
    Set { username: Username, secret: Hidden, digest: Digest, keeping: Keeping },
    Remove,
}

#[derive(Debug)]
struct Alter {
    home: app::Created,
    host: SourceHost,
    asked: Asked,
}

impl Change for Alter {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::Set { .. } => "appSourceCredentialSet",
            Asked::Remove => "appSourceCredentialRemove",
        }
    }

    /// A keyed digest only: a plain one of a short secret could be guessed from the log's table of requests.
    fn fingerprint(&self) -> String {
        let said = match &self.asked {
            Asked::Set { username, digest, .. } => format!("{username} {digest}"),
            Asked::Remove => String::new(),
        };
        format!("{} {} {said}", self.home.id, self.host)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let app::Created { id, workspace, project, .. } = self.home;
        let mut app = bench.load::<app::App>(id).await?;
        let correlation: CorrelationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, workspace, correlation);
        unit.about(Scope { project: Some(project), environment: None });
        let target = app.stream.clone();
        let decided = unit.decide(&mut app, self.command(bench, unit.now()));
        let events =
            decided.map_err(|rejection| refused(&rejection, target.clone(), workspace).concerning(id, None))?;
        self.keep(bench, &events).await?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: Some(target) })
    }
}

impl Alter {
    fn command(&self, bench: &Bench<'_>, at: DateTime<Utc>) -> Command {
        let host = self.host.clone();
        match &self.asked {
            Asked::Set { username, digest, .. } => {
                let value = bench.ctx.platform().clock.new_id();
                let wanted = Wanted { username: username.clone(), digest: *digest, value };
                Command::SetSourceCredential { host, wanted, at }
            }
            Asked::Remove => Command::RemoveSourceCredential { host },
        }
    }

    /// Puts what the events refer to into the vault. If the append fails afterwards, nothing refers to it and nobody reads it.
    async fn keep(&self, bench: &Bench<'_>, events: &[Event]) -> Result<(), Fault> {
        let Asked::Set { secret, keeping: Keeping::Secret, .. } = &self.asked else { return Ok(()) };
        for event in events {
            let Event::SourceCredentialSet(set) = event else { continue };
            let app::Created { workspace, id: app, .. } = self.home;
            let place = Place { workspace, app, environment: None, name: vault_name(&set.host), set: set.generation };
            let mut transaction = begin(bench.ctx).await?;
            let vault = &bench.ctx.platform().vault;
            vault.seal(&mut transaction, set.value, &place, secret).await.map_err(Fault::internal)?;
            transaction.commit().await.map_err(Fault::internal)?;
        }
        Ok(())
    }
}

/// Which app, if the caller may ask.
pub(super) async fn home(ctx: &Context<'_>, app_id: &ID) -> Result<app::Created, Fault> {
    let id: AppId = id::read("appId", app_id)?;
    let missing = || id::not_found::<AppId>("appId");
    let loaded = door(ctx.platform(), ctx.principal()).load::<app::App>(id).await.map_err(Fault::internal)?;
    let created = loaded.state.created.ok_or_else(missing)?;
    if belongs_to(ctx, created.workspace).await? { Ok(created) } else { Err(missing()) }
}

/// The keyed digest of a secret for its host.
async fn digest(ctx: &Context<'_>, home: &app::Created, host: &SourceHost, secret: &Hidden) -> Result<Digest, Fault> {
    let mut transaction = begin(ctx).await?;
    let digester = ctx.platform().vault.digester(&mut transaction, home.workspace, home.id).await;
    let digester = digester.map_err(Fault::internal)?;
    transaction.commit().await.map_err(Fault::internal)?;
    Ok(digester.of(None, &vault_name(host), secret))
}

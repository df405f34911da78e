//! App sources: an app is imported from its git repository, or told later where it comes from. The traps avoided: an address
//! with a password in it, which would be shown to all who may read the app; and a source in place of what a release was made of.

use super::{
    affordance::{Affordance, Caller},
    app::{App, Create},
    change::{Bench, Change, Judged, Manner, No, change, decide, payload},
    context::Ask as _,
    id,
    place::{name, slug},
    route_owner::invalid,
    source_credential::home,
};
use crate::fault::Fault;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use rhone_domain::{
    actor::Writer,
    app::{self, Command},
    app_source::{Source, head, name_of, repository, slug_of},
    authorization::Scope,
    ids::{AppId, CorrelationId},
    source_credential::SourceHost,
    text::{GitReference, InvalidText, Name, Repository, Slug},
};

/// Where an app comes from.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct AppSource {
    /// The address of its git repository, which never holds a password.
    repository: String,
    /// What a deploy means that names no commit, branch or tag; `HEAD` is whatever branch the repository itself shows first.
    reference: String,
}

impl From<&Source> for AppSource {
    fn from(source: &Source) -> Self {
        Self { repository: source.repository.to_string(), reference: source.reference.to_string() }
    }
}

/// An app's source, as the log has it now.
pub(crate) async fn of_app(ctx: &Context<'_>, id: AppId) -> Result<Option<AppSource>, Fault> {
    let app = ctx.loaders().folded::<app::App>(id).await?;
    Ok(app.source.as_ref().map(Into::into))
}

/// What the caller may do with an app now, each by the name of its mutation. Where a rule looks at what is given, only the caller's
/// grant and the app's own state are judged.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct AppAffordances {
    /// `appSourceSet`
    source_set: Affordance,
    /// `appSourceRemove`
    source_remove: Affordance,
    /// `appSourceCredentialSet`
    source_credential_set: Affordance,
    /// `appSourceCredentialRemove`, of whatever host has one.
    source_credential_remove: Affordance,
    /// `environmentCreate`
    environment_create: Affordance,
    /// `deploymentCreate`
    deployment_create: Affordance,
}

impl AppAffordances {
    pub(super) async fn of(ctx: &Context<'_>, of: &app::Created) -> Result<Self, Fault> {
        let caller = Caller::in_project(ctx, of.workspace, of.project).await?;
        let app = ctx.loaders().folded::<app::App>(of.id).await?;
        Ok(Self {
            source_set: caller.may("app.set_source"),
            source_remove: caller.may_tell(&app, Command::RemoveSource),
            source_credential_set: caller.may("app.set_source_credential"),
            source_credential_remove: caller.may_tell(&app, Command::RemoveSourceCredential { host: some_host(&app) }),
            environment_create: caller.may("environment.create"),
            deployment_create: caller.may_as(Writer::Pipeline, "deployment.create"),
        })
    }
}

/// One that the app has a credential for; where it has none, what stands for the host that the caller would name.
fn some_host(app: &app::App) -> SourceHost {
    let known = app.source_credentials.keys().next().cloned();
    known.unwrap_or_else(|| SourceHost::parse("host", "as-it-would-be.example").expect("it is a host"))
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct AppImportInput {
    project_id: ID,
    /// Where builders can reach it, such as `https://git.example.com/acme/shop.git`; without a password.
    repository: String,
    /// What deploys mean that name none: a commit, branch or tag; whatever branch the repository itself shows first when omitted.
    reference: Option<String>,
    /// Unique in its project; made of the last part of the address when omitted.
    slug: Option<String>,
    /// The last part of the address when omitted.
    name: Option<String>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct AppSourceSetInput {
    app_id: ID,
    /// Where builders can reach it, such as `https://git.example.com/acme/shop.git`; without a password.
    repository: String,
    /// What deploys mean that name none: a commit, branch or tag; when omitted, what was meant before, or else whatever branch
    /// the repository itself shows first.
    reference: Option<String>,
    /// The app's version that this was decided on.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct AppSourceRemoveInput {
    app_id: ID,
    /// The app's version that this was decided on.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of appImport.
    AppImportPayload { app: created App }
}
payload! {
    /// The answer of appSourceSet and appSourceRemove.
    AppSourcePayload { app: unchanged App }
}

#[derive(Debug, Default)]
pub(crate) struct AppSourceMutation;

#[Object]
impl AppSourceMutation {
    /// Opens an app in a project that comes from a git repository and knows it: a deploy of it need not say where its source is.
    /// Nothing is fetched yet.
    async fn app_import(&self, ctx: &Context<'_>, input: AppImportInput) -> async_graphql::Result<AppImportPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let project = id::read("projectId", &input.project_id)?;
        let repository = repository("repository", &input.repository).map_err(invalid)?;
        let slug = input.slug.map_or_else(|| slug_after(&repository), |text| slug(&text))?;
        let name = input.name.map_or_else(|| name_after(&repository, &slug), |text| name(&text))?;
        let reference = reference(input.reference)?.unwrap_or_else(head);
        let create = Create { project, slug, name, from: Some(Source { repository, reference }) };
        Ok(AppImportPayload(change(ctx, manner, create).await?))
    }

    /// Says where an app comes from, from now on. What was deployed stays as it is.
    async fn app_source_set(
        &self,
        ctx: &Context<'_>,
        input: AppSourceSetInput,
    ) -> async_graphql::Result<AppSourcePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let home = home(ctx, &input.app_id).await?;
        let repository = repository("repository", &input.repository).map_err(invalid)?;
        let asked = Asked::Set { repository, reference: reference(input.reference)? };
        Ok(AppSourcePayload(change(ctx, manner, Alter { home, asked }).await?))
    }

    /// Says that an app comes from nowhere in particular: each deploy of a commit names its repository again.
    async fn app_source_remove(
        &self,
        ctx: &Context<'_>,
        input: AppSourceRemoveInput,
    ) -> async_graphql::Result<AppSourcePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let home = home(ctx, &input.app_id).await?;
        Ok(AppSourcePayload(change(ctx, manner, Alter { home, asked: Asked::Remove }).await?))
    }
}

fn reference(text: Option<String>) -> Result<Option<GitReference>, Fault> {
    text.map(|text| GitReference::parse("reference", &text)).transpose().map_err(invalid)
}

fn slug_after(repository: &Repository) -> Result<Slug, Fault> {
    let none = || InvalidText::new("slug", "the last part of the repository's address makes no slug: name one");
    slug_of(repository).ok_or_else(none).map_err(invalid)
}

fn name_after(repository: &Repository, slug: &Slug) -> Result<Name, Fault> {
    name_of(repository).map_or_else(|| name(slug.as_str()), Ok)
}

#[derive(Debug)]
enum Asked {
    Set { repository: Repository, reference: Option<GitReference> },
    Remove,
}

#[derive(Debug)]
struct Alter {
    home: app::Created,
    asked: Asked,
}

impl Change for Alter {
    fn name(&self) -> &'static str {
        match self.asked {
            Asked::Set { .. } => "appSourceSet",
            Asked::Remove => "appSourceRemove",
        }
    }

    fn fingerprint(&self) -> String {
        format!("{} {:?}", self.home.id, self.asked)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let app::Created { id, workspace, project, .. } = self.home;
        let mut app = bench.load::<app::App>(id).await?;
        let correlation: CorrelationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, workspace, correlation);
        unit.about(Scope { project: Some(project), environment: None });
        let command = match &self.asked {
            Asked::Set { repository, reference } => {
                Command::SetSource { repository: repository.clone(), reference: reference.clone() }
            }
            Asked::Remove => Command::RemoveSource,
        };
        let target = app.stream.clone();
        decide(&mut unit, &mut app, command).map_err(|no| no.concerning(id, None))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: Some(target) })
    }
}

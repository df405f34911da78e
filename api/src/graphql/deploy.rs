//! Deploys as they are asked for: a commit or an image becomes a release, by an operation that the workers carry on. The trap:
//! a name that is taken for a commit; what was built is what the operation's evidence says, never what the request called it.

use super::{
    artifact::digest,
    change::{Bench, Change, Judged, Manner, No, change, decide, payload, permit, refused},
    environment::Environment,
    id,
    operation::Operation,
    route_owner::{invalid, route_of},
};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::TimeDelta;
use rhone_domain::{
    actor::Writer,
    app::App,
    app_source,
    deploy::{Built, Deploy, Fetched, Origin, Then},
    digest::Digest,
    environment::{self, Kind},
    ids::{AppId, EnvironmentId, OperationId},
    operation::{self, Requested, Work},
    text::{GitReference, ImageName, Repository},
};
use rhone_eventstore::Unit;

/// How long a deploy may wait for its turn: a hundred builds of minutes are some hours on one worker. Once it has its turn, it
/// has `rhone_domain::deploy::WORK` for the rest.
const DEADLINE: TimeDelta = TimeDelta::days(1);

#[derive(Clone, Debug, InputObject)]
pub(crate) struct DeploymentBuildInput {
    /// For which environment; a preview environment shows the release as soon as it may.
    environment_id: ID,
    /// Where builders can reach it, such as `https://git.example.com/acme/shop.git`; without a password. The app's own source
    /// when omitted.
    repository: Option<String>,
    /// A commit, or the name of a branch or tag, which is resolved once. That of the app's own source when both are omitted.
    reference: Option<String>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct DeploymentImportInput {
    /// For which environment; a preview environment shows the release as soon as it may.
    environment_id: ID,
    /// A registry's host and a path, such as `registry.example.com/acme/shop`, without a tag.
    image: String,
    /// Exactly which: the manifest's digest.
    image_digest: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of deploymentBuild.
    DeploymentBuildPayload { environment: unchanged Environment }
}
payload! {
    /// The answer of deploymentImport.
    DeploymentImportPayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct DeployMutation;

#[Object]
impl DeployMutation {
    /// Makes a release of a commit: fetched, built, judged, and shown by its preview environment. The payload's operation says
    /// how far it is. It waits a day for its turn at most, and has an hour from then on.
    async fn deployment_build(
        &self,
        ctx: &Context<'_>,
        input: DeploymentBuildInput,
    ) -> async_graphql::Result<DeploymentBuildPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let repository = input.repository.map(|text| app_source::repository("repository", &text));
        let reference = input.reference.map(|text| GitReference::parse("reference", &text));
        let origin = Asked::Git {
            repository: repository.transpose().map_err(invalid)?,
            reference: reference.transpose().map_err(invalid)?,
        };
        let wish = Wish { environment: id::read("environmentId", &input.environment_id)?, origin };
        Ok(DeploymentBuildPayload(change(ctx, manner, wish).await?))
    }

    /// Makes a release of an image of a registry, exactly as it is: fetched by its digest, judged, and shown by its preview
    /// environment. The payload's operation says how far it is. It waits a day for its turn at most, and has an hour from then
    /// on.
    async fn deployment_import(
        &self,
        ctx: &Context<'_>,
        input: DeploymentImportInput,
    ) -> async_graphql::Result<DeploymentImportPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let origin = Asked::Image {
            name: ImageName::parse("image", &input.image).map_err(invalid)?,
            digest: digest("imageDigest", &input.image_digest)?,
        };
        let wish = Wish { environment: id::read("environmentId", &input.environment_id)?, origin };
        Ok(DeploymentImportPayload(change(ctx, manner, wish).await?))
    }
}

/// What is said of what the release is to be made of.
#[derive(Clone, Debug)]
enum Asked {
    /// A commit; what is not said is the app's own.
    Git { repository: Option<Repository>, reference: Option<GitReference> },
    /// An image.
    Image { name: ImageName, digest: Digest },
}

#[derive(Debug)]
struct Wish {
    environment: EnvironmentId,
    origin: Asked,
}

impl Wish {
    /// What the release is made of, which goes on record. The app's stream is asserted where it was asked: a source that is
    /// set in the same moment is either this deploy's or it came later.
    async fn made_of(&self, bench: &Bench<'_>, unit: &mut Unit, app: AppId) -> Result<Origin, No> {
        let (repository, reference) = match self.origin.clone() {
            Asked::Image { name, digest } => return Ok(Origin::Image { name, digest }),
            Asked::Git { repository: Some(repository), reference: Some(reference) } => {
                return Ok(Origin::Git { repository, reference });
            }
            Asked::Git { repository, reference } => (repository, reference),
        };
        let app = bench.load::<App>(app).await?;
        let meant = app.state.meant(repository, reference);
        let meant = meant.map_err(|why| refused(&why, app.stream.clone(), unit.context().workspace))?;
        unit.assert(&app);
        Ok(Origin::Git { repository: meant.repository, reference: meant.reference })
    }
}

impl Change for Wish {
    fn name(&self) -> &'static str {
        match self.origin {
            Asked::Git { .. } => "deploymentBuild",
            Asked::Image { .. } => "deploymentImport",
        }
    }

    /// What is said, and not what that means: the same words are the same request, whatever the app's source is by now.
    fn fingerprint(&self) -> String {
        let origin = match &self.origin {
            Asked::Git { repository: Some(repository), reference: Some(reference) } => {
                format!("{:?}", Origin::Git { repository: repository.clone(), reference: reference.clone() })
            }
            asked @ (Asked::Git { .. } | Asked::Image { .. }) => format!("{asked:?}"),
        };
        format!("Wish {{ environment: {:?}, origin: {origin} }}", self.environment)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let (owner, opened) = route_of(bench, self.environment).await?;
        let settings = bench.load::<environment::Environment>(self.environment).await?;
        let preview = settings.state.created.as_ref().is_some_and(|created| created.kind == Kind::Preview);
        let id: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, opened.workspace, id);
        unit.place(Some(opened.region), Some(opened.cell));
        let concerning = |no: No| no.concerning(opened.app, Some(self.environment));
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, "operation.request_deploy", &owner.stream).map_err(concerning)?;
        if preview {
            permit(&unit, "operation.request_promotion", &owner.stream).map_err(concerning)?;
        }
        let origin = self.made_of(bench, &mut unit, opened.app).await.map_err(concerning)?;
        let deploy = Deploy {
            app: opened.app,
            environment: self.environment,
            deployment: bench.new_id(),
            origin,
            then: if preview { Then::Promote } else { Then::Stay },
            requested_by: bench.principal.actor,
        };
        let requested = Requested {
            id,
            workspace: opened.workspace,
            region: opened.region,
            cell: Some(opened.cell),
            reason: None,
            deadline: unit.now() + DEADLINE,
            work: Work::Deploy(Box::new(deploy)),
        };
        let mut operation = bench.fresh::<operation::Operation>();
        decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        Ok(Judged { unit, object: self.environment.0, operation: Some(id), decided_on: None })
    }
}

/// What a deploy is about, and how far it is.
#[derive(Clone, Debug)]
pub(crate) struct DeployProgress {
    deploy: Deploy,
    evidence: operation::Evidence,
}

impl DeployProgress {
    /// None for an operation of another kind.
    pub(crate) fn of(work: &Work, evidence: &operation::Evidence) -> Option<Self> {
        let Work::Deploy(deploy) = work else { return None };
        Some(Self { deploy: (**deploy).clone(), evidence: evidence.clone() })
    }
}

#[Object]
impl DeployProgress {
    /// The release's id, which it has before it exists.
    async fn deployment_id(&self) -> ID {
        id::show(self.deploy.deployment)
    }

    /// The repository; none of an image.
    async fn repository(&self) -> Option<String> {
        match &self.deploy.origin {
            Origin::Git { repository, .. } => Some(repository.to_string()),
            Origin::Image { .. } => None,
        }
    }

    /// The commit, branch or tag as it was asked for; none of an image.
    async fn reference(&self) -> Option<String> {
        match &self.deploy.origin {
            Origin::Git { reference, .. } => Some(reference.to_string()),
            Origin::Image { .. } => None,
        }
    }

    /// The image by its digest; none of a commit.
    async fn image(&self) -> Option<String> {
        match &self.deploy.origin {
            Origin::Image { name, digest } => Some(format!("{name}@{digest}")),
            Origin::Git { .. } => None,
        }
    }

    /// What was fetched; none before it was.
    async fn fetched(&self) -> Option<FetchedSource> {
        self.evidence.fetched.as_ref().map(Into::into)
    }

    /// What was built; none before it was.
    async fn built(&self) -> Option<BuiltArtifact> {
        let built = self.evidence.built.as_ref()?;
        Some(BuiltArtifact::of(built, self.evidence.digest.map(|digest| digest.to_string())))
    }

    /// The promotion that follows.
    #[graphql(complexity = "10 + child_complexity")]
    async fn promotion(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Operation>> {
        match self.evidence.promotion {
            Some(promotion) => Ok(Operation::find(ctx, promotion, None).await?),
            None => Ok(None),
        }
    }
}

/// What a deploy fetched.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct FetchedSource {
    /// Exactly which commit; none of an image.
    commit: Option<String>,
    /// Which attempt fetched it: 1, and more when workers were lost.
    attempt: u64,
    took_ms: u64,
}

impl From<&Fetched> for FetchedSource {
    fn from(fetched: &Fetched) -> Self {
        let commit = fetched.commit.as_ref().map(ToString::to_string);
        Self { commit, attempt: fetched.attempt.0, took_ms: fetched.took_ms }
    }
}

/// What a deploy built.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct BuiltArtifact {
    /// Of the artifact.
    digest: Option<String>,
    /// The kind of plan, such as `python`, or `image`.
    plan: String,
    /// `bubblewrap`, or `process` where the machine has no user namespaces; none when nothing had to run.
    sandbox: Option<String>,
    /// Bytes of the artifact.
    size: u64,
    files: u64,
    attempt: u64,
    took_ms: u64,
}

impl BuiltArtifact {
    fn of(built: &Built, digest: Option<String>) -> Self {
        Self {
            digest,
            plan: built.plan.clone(),
            sandbox: built.sandbox.clone(),
            size: built.size,
            files: built.files,
            attempt: built.attempt.0,
            took_ms: built.took_ms,
        }
    }
}

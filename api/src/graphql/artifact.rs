//! Artifacts: immutable bytes named by their digest. Uploaded by `PUT /v1/artifacts/{digest}`, then registered here with what
//! their files say; nothing ever changes one.

use super::{
    change::{Bench, Change, Judged, Manner, No, change, decide, payload},
    context::{Ask, begin, belongs_to},
    id,
    place::noun,
};
use crate::fault::{Code, Fault};
use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use rhone_domain::{
    actor::Writer,
    artifact,
    artifact_facts::ArtifactFacts,
    digest::Digest,
    ids::{ArtifactId, CorrelationId, WorkspaceId},
};
use rhone_projections::uploads;
use rhone_providers::artifact_store::{ArtifactStore, StoreError, StoredFactsError};

noun! {
    /// Immutable build output.
    Artifact(ArtifactId, artifact::Created, artifact::Artifact)
}

#[Object]
impl Artifact {
    pub(crate) async fn id(&self) -> ID {
        id::show(self.created.id)
    }

    /// Exactly which bytes: `sha256:` and 64 hex digits.
    async fn digest(&self) -> String {
        self.created.digest.to_string()
    }

    /// How many bytes.
    async fn size(&self) -> u64 {
        self.created.size
    }

    /// What its files say: process, health, routes, assets, Vango state, source.
    async fn facts(&self) -> async_graphql::Json<&ArtifactFacts> {
        async_graphql::Json(&self.created.facts)
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// The stream's version.
    async fn version(&self) -> i64 {
        self.version
    }
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct ArtifactRegisterInput {
    workspace_id: ID,
    /// Of bytes that were uploaded before.
    digest: String,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of artifactRegister.
    ArtifactRegisterPayload { artifact: created Artifact }
}

#[derive(Debug, Default)]
pub(crate) struct ArtifactMutation;

#[Object]
impl ArtifactMutation {
    /// Registers uploaded bytes as an artifact of a workspace; registering them again changes nothing.
    async fn artifact_register(
        &self,
        ctx: &Context<'_>,
        input: ArtifactRegisterInput,
    ) -> async_graphql::Result<ArtifactRegisterPayload> {
        let manner = Manner::new(input.idempotency_key, input.dry_run);
        let workspace = id::read::<WorkspaceId>("workspaceId", &input.workspace_id)?;
        let digest = digest("digest", &input.digest)?;
        if !belongs_to(ctx, workspace).await? {
            return Err(id::not_found::<WorkspaceId>("workspaceId").into());
        }
        sent_by_caller(ctx, digest).await?;
        let (size, facts) = facts_of(&ctx.platform().artifacts, digest).await?;
        Ok(ArtifactRegisterPayload(change(ctx, manner, Register { workspace, digest, size, facts }).await?))
    }
}

/// A digest of the input.
pub(crate) fn digest(field: &'static str, text: &str) -> Result<Digest, Fault> {
    text.parse().map_err(|_| Fault::bad_input(field, "must be `sha256:` followed by 64 lower-case hex digits"))
}

/// Bytes that somebody else sent are as good as none.
async fn sent_by_caller(ctx: &Context<'_>, digest: Digest) -> Result<(), Fault> {
    let mut transaction = begin(ctx).await?;
    if uploads::exists(&mut transaction, digest).await.map_err(Fault::internal)? { Ok(()) } else { Err(missing()) }
}

fn missing() -> Fault {
    let mut fault = Fault::new(Code::NotFound, "digest: no such bytes were uploaded");
    fault.field = Some("digest".into());
    fault
}

/// What the stored bytes say, read back from the store.
pub(crate) async fn facts_of(store: &ArtifactStore, digest: Digest) -> Result<(u64, ArtifactFacts), Fault> {
    store.facts(digest).await.map_err(|error| match error {
        StoredFactsError::Store(StoreError::Absent { .. }) => missing(),
        StoredFactsError::Facts(error) => Fault::bad_input("digest", format!("the artifact cannot be used: {error}")),
        StoredFactsError::Store(error) => Fault::internal(error),
    })
}

struct Register {
    workspace: WorkspaceId,
    digest: Digest,
    size: u64,
    facts: ArtifactFacts,
}

impl Change for Register {
    fn name(&self) -> &'static str {
        "artifactRegister"
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}", self.workspace, self.digest)
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let id = ArtifactId::of(self.workspace, self.digest);
        let mut unit = bench.unit(Writer::Pipeline, self.workspace, CorrelationId(id.0));
        let mut artifact = bench.load::<artifact::Artifact>(id).await?;
        let (workspace, digest, size, facts) = (self.workspace, self.digest, self.size, self.facts.clone());
        let created = artifact::Created { id, workspace, digest, size, facts };
        decide(&mut unit, &mut artifact, artifact::Command::Create(created))?;
        Ok(Judged { unit, object: id.0, operation: None, decided_on: None })
    }
}

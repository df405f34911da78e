//! Migrations that ran, and restores of data: both ran outside, and are put on record with their proof. What a migration is,
//! and what it does, is what the deployment's artifact declares. The trap: taking a caller's word for an impact.

use super::{
    change::{Bench, Change, Judged, Manner, No, change, decide, payload, permit, refused},
    context::Ask,
    deployment::Deployment,
    environment::Environment,
    gates::{AcknowledgementInput, DatabaseImpactWord, acknowledgements},
    id,
    listed::Listed,
    route_owner::reason,
};
use crate::fault::Fault;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::TimeDelta;
use rhone_domain::{
    actor::Writer,
    artifact::Artifact,
    deployment, environment, gate,
    ids::{CorrelationId, DeploymentId, EnvironmentId, OperationId},
    migration::{self, Facts},
    migrations::{self, Migrations, RanBy},
    operation::{self, Acknowledgement, Requested, Work},
    route_owner::{Place, RouteOwner},
    text::{InvalidText, MigrationName, Proof, Reason},
};

/// How long the record of a migration may take.
const DEADLINE: TimeDelta = TimeDelta::seconds(60);

/// A migration on record.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct RecordedMigration {
    migration_id: String,
    /// Exactly which one.
    digest: String,
    impact: DatabaseImpactWord,
    /// The epoch of the route when it was recorded.
    route_epoch: u64,
    /// Who ran it: external.
    ran_by: String,
    evidence: String,
    operation_id: ID,
    /// Whether a restore of the data undid it.
    undone: bool,
}

/// What ran in an environment, in order; what a restore undid comes last.
pub(crate) async fn of(ctx: &Context<'_>, environment: EnvironmentId) -> Result<Vec<RecordedMigration>, Fault> {
    let state = ctx.loaders().folded::<Migrations>(environment).await?;
    let shown = |undone: bool| {
        move |one: migrations::Recorded| RecordedMigration {
            migration_id: one.id.to_string(),
            digest: one.digest.to_string(),
            impact: one.impact.into(),
            route_epoch: one.epoch.0,
            ran_by: one.ran_by.to_string(),
            evidence: one.evidence.to_string(),
            operation_id: id::show(one.by),
            undone,
        }
    };
    Ok(state.ran.into_iter().map(shown(false)).chain(state.undone.into_iter().map(shown(true))).collect())
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct MigrationRecordInput {
    environment_id: ID,
    /// The deployment whose artifact declares it.
    deployment_id: ID,
    /// Its name, as declared.
    migration_id: String,
    /// How it is known that it ran: 1 to 2000 characters.
    evidence: String,
    /// What gates warned of, taken upon oneself.
    acknowledgements: Option<Listed<AcknowledgementInput>>,
    /// The environment's `migrationsVersion` that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

#[derive(Clone, Debug, InputObject)]
pub(crate) struct MigrationRestoreInput {
    environment_id: ID,
    /// The first migration that the restore undid, with all after it.
    migration_id: String,
    /// How it is known that the data were restored: 1 to 2000 characters.
    evidence: String,
    /// Why: 1 to 500 characters.
    reason: String,
    /// The environment's `migrationsVersion` that this was decided on; if it is another one by then, nothing happens.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
    #[graphql(default)]
    dry_run: bool,
}

payload! {
    /// The answer of migrationRecord.
    MigrationRecordPayload { deployment: unchanged Deployment }
}
payload! {
    /// The answer of migrationRestore.
    MigrationRestorePayload { environment: unchanged Environment }
}

#[derive(Debug, Default)]
pub(crate) struct MigrationMutation;

#[Object]
impl MigrationMutation {
    /// Puts on record that a declared migration was run outside of Rhone. Rhone itself runs none.
    async fn migration_record(
        &self,
        ctx: &Context<'_>,
        input: MigrationRecordInput,
    ) -> async_graphql::Result<MigrationRecordPayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let record = Record {
            environment: id::read("environmentId", &input.environment_id)?,
            deployment: id::read("deploymentId", &input.deployment_id)?,
            migration: name(&input.migration_id)?,
            evidence: proof(&input.evidence)?,
            acknowledgements: acknowledgements(input.acknowledgements)?,
        };
        Ok(MigrationRecordPayload(change(ctx, manner, record).await?))
    }

    /// Puts on record that data were restored to what they were before a migration.
    async fn migration_restore(
        &self,
        ctx: &Context<'_>,
        input: MigrationRestoreInput,
    ) -> async_graphql::Result<MigrationRestorePayload> {
        let manner = Manner::decided_on(input.idempotency_key, input.expected_version, input.dry_run)?;
        let restore = Restore {
            environment: id::read("environmentId", &input.environment_id)?,
            before: name(&input.migration_id)?,
            evidence: proof(&input.evidence)?,
            reason: reason(&input.reason)?,
        };
        Ok(MigrationRestorePayload(change(ctx, manner, restore).await?))
    }
}

fn name(text: &str) -> Result<MigrationName, Fault> {
    MigrationName::parse("migrationId", text).map_err(invalid)
}

fn proof(text: &str) -> Result<Proof, Fault> {
    Proof::parse("evidence", text).map_err(invalid)
}

fn invalid(InvalidText { field, rule }: InvalidText) -> Fault {
    Fault::bad_input(field, rule)
}

/// An environment that the caller may touch.
async fn environment_of(bench: &Bench<'_>, id: EnvironmentId) -> Result<environment::Created, No> {
    match bench.load::<environment::Environment>(id).await?.state.created {
        Some(created) if bench.belongs_to(created.workspace) => Ok(created),
        _ => Err(id::not_found::<EnvironmentId>("environmentId").into()),
    }
}

#[derive(Debug)]
struct Record {
    environment: EnvironmentId,
    deployment: DeploymentId,
    migration: MigrationName,
    evidence: Proof,
    acknowledgements: Vec<Acknowledgement>,
}

impl Change for Record {
    fn name(&self) -> &'static str {
        "migrationRecord"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let created = environment_of(bench, self.environment).await?;
        let deployment = bench.load::<deployment::Deployment>(self.deployment).await?;
        let missing = || No::from(id::not_found::<DeploymentId>("deploymentId"));
        let of = deployment.state.created.clone().filter(|of| of.app == created.app).ok_or_else(missing)?;
        let artifact = bench.load::<Artifact>(of.artifact).await?;
        let says = artifact.state.created.as_ref().map(|artifact| &artifact.facts);
        let declared = says.and_then(|says| says.migrations.iter().find(|one| one.id == self.migration));
        let concerning = |no: No| no.concerning(created.app, Some(self.environment));
        let on_record = bench.load::<Migrations>(self.environment).await?;
        let id: OperationId = bench.new_id();
        let mut unit = bench.unit(Writer::Api, created.workspace, id);
        bench.about(&mut unit, self.environment).await?;
        permit(&unit, "operation.request_migration", &on_record.stream).map_err(concerning)?;
        let Some(declared) = declared.cloned() else {
            let message = "the artifact of this deployment declares no such migration";
            let refusal = gate::Refusal::new(gate::Code::MigrationNotDeclared, Some("migrationId"), message);
            return Err(concerning(refused(&refusal, deployment.stream.clone(), created.workspace)));
        };
        let told = migration::Migration {
            app: created.app,
            environment: self.environment,
            deployment: self.deployment,
            migration: self.migration.clone(),
            digest: declared.digest,
            impact: declared.impact,
            ran_by: RanBy::External,
            evidence: self.evidence.clone(),
            acknowledgements: self.acknowledgements.clone(),
        };
        let facts = Facts { told: &told, migrations: &on_record.state, deployment: &deployment.state, artifact: says };
        let judged = migration::judge(&facts);
        if let Some(refusal) = gate::closed(&judged) {
            return Err(concerning(refused(refusal, on_record.stream.clone(), created.workspace).judged(&judged)));
        }
        let route = bench.load::<RouteOwner>(self.environment).await?;
        let home = Place { region: created.region, cell: created.cell };
        let place = route.state.place().unwrap_or(home);
        unit.place(Some(place.region), Some(place.cell));
        unit.assert(&on_record);
        unit.assert(&deployment);
        unit.assert(&artifact);
        let requested = Requested {
            id,
            workspace: created.workspace,
            region: place.region,
            cell: Some(place.cell),
            reason: None,
            deadline: unit.now() + DEADLINE,
            work: Work::Migration(told),
        };
        let mut operation = bench.fresh::<operation::Operation>();
        decide(&mut unit, &mut operation, operation::Command::Request(requested)).map_err(concerning)?;
        Ok(Judged { unit, object: self.deployment.0, operation: Some(id), decided_on: Some(on_record.stream.clone()) })
    }
}

#[derive(Debug)]
struct Restore {
    environment: EnvironmentId,
    before: MigrationName,
    evidence: Proof,
    reason: Reason,
}

impl Change for Restore {
    fn name(&self) -> &'static str {
        "migrationRestore"
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    async fn judge(&self, bench: &Bench<'_>) -> Result<Judged, No> {
        let created = environment_of(bench, self.environment).await?;
        let mut unit = bench.unit(Writer::Api, created.workspace, CorrelationId(bench.new_id()));
        bench.about(&mut unit, self.environment).await?;
        unit.place(Some(created.region), Some(created.cell));
        let mut on_record = bench.load::<Migrations>(self.environment).await?;
        let (before, evidence) = (self.before.clone(), self.evidence.clone());
        let command = migrations::Command::Restore { before, evidence, reason: self.reason.clone() };
        decide(&mut unit, &mut on_record, command).map_err(|no| no.concerning(created.app, Some(self.environment)))?;
        Ok(Judged { unit, object: self.environment.0, operation: None, decided_on: Some(on_record.stream.clone()) })
    }
}

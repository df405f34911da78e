//! `rhone restore`: a backup back into an empty database and an empty data folder, in the order in which each step is safe:
//! everything is compared, then the database, the next era, the roles, the keys, the artifacts, the epochs above what edges
//! have served since, and at the end what is there: every route and every hash. The trap avoided: something that is there already and is written over.

use super::{
    artifacts, database, drill, facts, holds_something,
    manifest::{DATABASE, KEYS, Manifest},
    read_back,
    sealed::{self, Contents, Unlock},
};
use crate::{
    backup_args::RestoreArgs,
    client::Failure,
    config::{Database, Keys, required, value},
    data::{self, Data},
    log_commands, migrate,
    output::line,
    parts::serve::KEK,
    private_file, raise_epochs,
    rebuild::NotCompared,
    up, vault_keys,
};
use anyhow::{Context as _, Result, bail, ensure};
use rhone_eventstore::{
    postgres::connect,
    subjects::{Kek, Subjects},
    vault::Vault,
};
use rhone_providers::{artifact_store::ArtifactStore, servers::Postgres};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{Connection as _, PgConnection};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// A backup, every part of which was compared.
pub(super) struct Backup {
    folder: PathBuf,
    pub(super) manifest: Manifest,
    contents: Contents,
}

/// What a restore proved.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proof {
    /// As many as in the backup, with the same hashes in the same order.
    pub(super) events: u64,
    /// At the versions of the backup.
    pub(super) streams: u64,
    /// Each with its digest.
    pub(super) artifacts: usize,
    /// Each at the epoch of the backup, and lifted above it.
    pub(super) routes: usize,
    /// Each read back after that: what its stream folds to, and not below its floor.
    pub(super) routes_read_back: usize,
    /// Of read models that a rehearsal builds anew, as many as are the same; a restore leaves that to `rhone rebuild`.
    pub(super) read_model_rows: Option<i64>,
    /// Those that a rehearsal builds anew and has nothing to compare with.
    pub(super) read_models_not_compared: Vec<NotCompared>,
    pub(super) raised_by: u64,
    /// Keys of apps that the restored keys open.
    pub(super) app_keys: u64,
    /// Values of variables and credentials, each of which was opened.
    pub(super) app_values: u64,
    /// Keys of persons that they open.
    pub(super) subject_keys: u64,
    /// Of the log's next life.
    pub(super) era: i32,
    /// Events whose hashes and versions were judged at the end.
    pub(super) verified: u64,
    pub(super) seconds: f64,
}

/// `rhone restore`.
pub(crate) async fn run(data: &Data, how: &RestoreArgs) -> Result<()> {
    let backup = Backup::open(&how.folder, &Unlock::read(&how.unlock)?).await?;
    if how.drill {
        return drill::run(&backup, how).await;
    }
    if holds_something(data.path())? {
        let message = format!("{} is not empty: name an empty data folder with --data", data.path().display());
        bail!(Failure::usage(message));
    }
    let data = data.created()?;
    let proof = match &how.database_url {
        Some(url) => restored(&backup, &data, url, how.raise_epochs_by).await.map(|(proof, _)| proof),
        None => {
            let server = Postgres::start(&data.postgres()).await.context("starting a private PostgreSQL")?;
            let proof = on(&server, &backup, &data, how.raise_epochs_by).await;
            server.stop().await;
            proof.map(|(proof, _)| proof)
        }
    };
    let advice =
        || format!("nothing was changed elsewhere; empty {} and the database, and try again", data.path().display());
    say(&proof.with_context(advice)?, how.json);
    if !how.json {
        line(format_args!(
            "restored; start it: rhone up --data {}, or `rhone serve` and `rhone work`",
            data.path().display()
        ));
    }
    Ok(())
}

/// Into a database of this server's; what was proven, and how the database is reached.
pub(super) async fn on(server: &Postgres, backup: &Backup, data: &Data, raise_by: u64) -> Result<(Proof, Database)> {
    let url = up::database_of(server).await?;
    restored(backup, data, &url, raise_by).await
}

impl Backup {
    /// Opens the keys and compares everything with the manifest, and the manifest with the keys.
    pub(super) async fn open(folder: &Path, unlock: &Unlock) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        manifest.compare(folder).await?;
        let contents = sealed::read(&folder.join(KEYS), unlock)?;
        ensure!(contents.bound == manifest.bound(), "the manifest is not the one that these keys were sealed with");
        Ok(Self { folder: folder.to_owned(), manifest, contents })
    }

    /// What must be so before anything is added to the restored log.
    async fn same(&self, admin: &mut PgConnection) -> Result<()> {
        let (found, wanted) = (facts::read(&mut *admin).await?, &self.manifest.log);
        ensure!(found == *wanted, "the restored log is another one: {found:?}, the manifest says {wanted:?}");
        let epochs = database::epochs(admin).await?;
        ensure!(epochs == self.manifest.epochs, "the restored routes have other epochs than the manifest says");
        Ok(())
    }

    async fn keep_keys(&self, data: &Data) -> Result<()> {
        private_file::write(&data.keys(), &self.contents.keys)?;
        private_file::write(&data.vault_keys(), &self.contents.vault)
    }

    /// How many keys of apps, values under them and keys of persons the restored ones open.
    async fn opened(&self, data: &Data, admin_url: &str) -> Result<(u64, u64, u64)> {
        let mut admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
        let vault = Vault::new(vault_keys::ring(data)?);
        let apps = vault.unwrap_every(&mut admin).await.context("opening the keys of apps")?;
        let values = vault.open_every(&mut admin).await.context("opening the values of apps")?;
        let keys: &Keys = &self.contents.keys;
        let persons = if keys.kek.is_some() {
            let pool = connect(admin_url, "rhone restore", 1).await?;
            let subjects = Subjects::new(pool, Kek::new(KEK, keys.kek()?));
            subjects.unwrap_every(&mut admin).await.context("opening the keys of persons")?
        } else {
            0
        };
        admin.close().await?;
        Ok((apps, values, persons))
    }

    /// Lifts the routes, and reads them back before and after: how many were lifted, and how many there are.
    async fn lifted(&self, database: &Database, raise_by: u64, reason: &str) -> Result<(usize, usize)> {
        let admin_url = required("database.admin_url", database.admin_url.as_ref())?;
        let worker_url = required("database.worker_url", database.worker_url.as_ref())?;
        let mut admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
        read_back::routes(&mut admin).await?;
        let lifted = raise_epochs::raise_at(worker_url, raise_by, reason).await?;
        let routes = read_back::routes(&mut admin).await?;
        read_back::none_is_below_its_floor(&routes, &self.manifest.epochs, raise_by)?;
        admin.close().await?;
        Ok((lifted, routes.len()))
    }
}

/// All of it, into an empty database and a folder in which nothing of it is.
async fn restored(backup: &Backup, data: &Data, admin_url: &str, raise_by: u64) -> Result<(Proof, Database)> {
    let (begun, manifest) = (Instant::now(), &backup.manifest);
    database::restore(&backup.folder.join(DATABASE), admin_url, &manifest.administrator).await?;
    let mut admin = PgConnection::connect(admin_url).await.context("connecting as the administrator")?;
    backup.same(&mut admin).await?;
    admin.close().await?;
    let reason = format!("restored from the backup of {}", manifest.made_at.to_rfc3339());
    let era = log_commands::reseal_at(admin_url, &reason).await?;
    backup.keep_keys(data).await?;
    let programs = migrate::migrate(data, admin_url).await?;
    configure(data, &programs, &backup.contents.keys)?;
    let (app_keys, app_values, subject_keys) = backup.opened(data, admin_url).await?;
    data::close(&[data.artifacts()])?;
    let to = ArtifactStore::local(&data.artifacts()).context("opening the artifact store")?;
    artifacts::copy_these(&artifacts::below(&backup.folder)?, &to, &manifest.artifacts).await?;
    // By these URLs and no others: the environment may name the database of the platform that runs.
    let (routes, routes_read_back) = backup.lifted(&programs, raise_by, &reason).await?;
    let report = log_commands::judged_at(required("database.worker_url", programs.worker_url.as_ref())?).await?;
    ensure!(report.is_sound(), "the restored log does not verify: {}", serde_json::to_string(&report)?);
    let proof = Proof {
        events: manifest.log.events,
        streams: manifest.log.streams,
        artifacts: manifest.artifacts.len(),
        routes,
        routes_read_back,
        read_model_rows: None,
        read_models_not_compared: Vec::new(),
        raised_by: raise_by,
        app_keys,
        app_values,
        subject_keys,
        era,
        verified: report.events,
        seconds: begun.elapsed().as_secs_f64(),
    };
    Ok((proof, programs))
}

/// What the parts on this host must know; `rhone up` adds the rest, and so does whoever runs them one by one.
fn configure(data: &Data, database: &Database, keys: &Keys) -> Result<()> {
    let mut file: Map<String, Value> = Map::new();
    file.insert("database".to_owned(), value(database)?);
    file.insert("keys".to_owned(), value(keys)?);
    private_file::write(&data.config(), &file)
}

/// What was proven, line by line.
pub(super) fn say(proof: &Proof, as_json: bool) {
    if as_json {
        line(serde_json::to_value(proof).unwrap_or_default());
        return;
    }
    let Proof { events, streams, artifacts, routes, raised_by, era, verified, seconds, .. } = proof;
    let Proof { app_keys, app_values, subject_keys, routes_read_back, .. } = proof;
    let Proof { read_model_rows, read_models_not_compared, .. } = proof;
    line(format_args!("every part has the digest of the manifest, and the manifest is the one that the keys name"));
    line(format_args!("{events} events came back, with the same hashes in the same order"));
    line(format_args!("{streams} streams are at the versions that they had"));
    line(format_args!("{artifacts} artifacts came back, each with its digest"));
    line(format_args!(
        "the keys open {app_keys} keys of apps, {app_values} values under them and {subject_keys} keys of persons"
    ));
    line(format_args!(
        "era {era} is open; {routes} routes were lifted by {raised_by} above their epochs of the backup"
    ));
    line(format_args!(
        "{routes_read_back} routes were read back: each has the epoch and the owner that its stream folds to"
    ));
    line("no route is below its floor: its epoch of the backup, and what it was lifted by");
    if let Some(rows) = read_model_rows {
        line(format_args!("{rows} rows of read models were built anew from the log, and are the same"));
    }
    for NotCompared { read_model, version, rows } in read_models_not_compared {
        line(format_args!(
            "read model {read_model}: {rows} rows built anew and not compared; the backup's are of version {version}"
        ));
    }
    line(format_args!("{verified} events verify, those of the restore too; it took {seconds:.1} s"));
}

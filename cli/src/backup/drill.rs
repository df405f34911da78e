//! `rhone restore --drill`: the restore as it would be, on a PostgreSQL and in a folder that are thrown away. Nothing of the
//! platform that runs is asked or touched. The trap avoided: a rehearsal that is another piece than the one that is played.

use super::restore::{self, Backup, Proof};
use crate::{
    backup_args::RestoreArgs,
    client::Failure,
    data::Data,
    output::line,
    rebuild::{self, Every},
    shutdown,
};
use anyhow::{Context as _, Result};
use rhone_providers::servers::Postgres;
use std::{fs, os::unix::fs::PermissionsExt as _};

/// Rehearses a restore; whatever becomes of it, nothing is left.
pub(super) async fn run(backup: &Backup, how: &RestoreArgs) -> Result<()> {
    let shutdown = shutdown::requested()?;
    let made = tempfile::Builder::new().prefix("rhone-drill-").tempdir_in(&how.scratch);
    let folder = made.with_context(|| format!("making a folder in {}", how.scratch.display()))?;
    // PostgreSQL's own user must be able to enter it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).context("opening that folder")?;
    let data = Data::at(&folder.path().join("data")).created()?;
    let server = Postgres::start_for_test(&data.postgres()).await.context("starting a private PostgreSQL")?;
    let played = tokio::select! {
        proof = rehearsed(&server, backup, &data, how.raise_epochs_by) => proof,
        () = shutdown => Err(anyhow::anyhow!("interrupted")),
    };
    server.stop().await;
    let cleared = folder.close().with_context(|| format!("clearing {} away", data.path().display()));
    let (proof, differing) = played?;
    cleared?;
    let same = differing.is_empty();
    // Where something differs, that is the one JSON that a script reads.
    if same || !how.json {
        restore::say(&proof, how.json);
    }
    if !same {
        return Err(Failure::read_models_differ(&differing).into());
    }
    if !how.json {
        line("rehearsed: the backup can be restored; nothing was left behind");
    }
    Ok(())
}

/// The restore, and then every read model once more from the log: what was proven, and which of them differ.
async fn rehearsed(server: &Postgres, backup: &Backup, data: &Data, raise_by: u64) -> Result<(Proof, Vec<String>)> {
    let restored = restore::on(server, backup, data, raise_by).await;
    let (proof, database) = restored.context("the backup cannot be restored")?;
    let anew = rebuild::every(&database).await;
    let anew = anew.context("the backup can be restored, but its read models could not be built anew")?;
    let Every { same, not_compared, differing } = anew;
    let proof = Proof { read_model_rows: Some(same), read_models_not_compared: not_compared, ..proof };
    Ok((proof, differing))
}

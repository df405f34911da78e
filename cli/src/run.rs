//! Which command is whose.

use crate::{
    args::{AdminCommand, Args, Command, ConfigCommand, RunnerCommand},
    backup, client,
    config::{Keys, reference, section},
    data::Data,
    demo, doctor, init, log_commands, manual, migrate,
    output::{line, text, told},
    parts, platform, raise_epochs, rebuild, replay, up, vault_keys,
};
use anyhow::Result;
use serde_json::json;
use std::process::ExitCode;

/// Does what the command line says.
pub async fn run(args: Args) -> Result<ExitCode> {
    let data = Data::at(&args.data);
    match args.command {
        Command::Up(how) => up::run(&data, how).await.map(done),
        Command::Migrate { database_url, json } => migrate::run(&data, &database_url, json).await.map(done),
        Command::Serve => parts::serve::run(&data).await.map(done),
        Command::Work => parts::work::run(&data).await.map(done),
        Command::Edge { name } => parts::edge::run(&data, &name).await.map(done),
        Command::Runner { command: None } => parts::runner::run(&data).await.map(done),
        Command::Runner { command: Some(RunnerCommand::Gate { spec }) } => parts::runner::gate(&spec).await.map(done),
        Command::Doctor { json } => Box::pin(doctor::run(&data, json)).await,
        Command::Config { command: ConfigCommand::Reference { json } } => {
            if json {
                line(reference::json());
            } else {
                text(reference::markdown());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(asked) => replay::run(&data, &asked).await.map(done),
        Command::Verify { file, json } => log_commands::verify(&data, file.as_deref(), json).await,
        Command::Export { file, json } => log_commands::export(&data, file.as_deref(), json).await.map(done),
        Command::Rebuild { projection, json } => rebuild::run(&data, &projection, json).await.map(done),
        Command::Backup(how) => Box::pin(backup::run(&data, &how)).await.map(done),
        Command::Restore(how) => Box::pin(backup::restore::run(&data, &how)).await.map(done),
        Command::Admin { command, json } => admin(&data, command, json).await.map(done),
        Command::Init(how) => init::run(&how).map(done),
        Command::Completions { shell } => {
            manual::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder, json } => {
            let pages = manual::pages(&folder)?;
            let words = format!("{pages} pages are in {}", folder.display());
            told(json, &json!({ "folder": folder, "pages": pages }), words);
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(how) => demo::run(&data, how).await.map(done),
        Command::Client(noun) => Ok(client::run(&data, noun).await),
    }
}

async fn admin(data: &Data, command: AdminCommand, json: bool) -> Result<()> {
    match command {
        AdminCommand::Open => {
            let token = platform::open(data).await?;
            told(json, &json!({ "token": token }), format_args!("the administrator's token, shown this once: {token}"));
        }
        AdminCommand::FeedKey => {
            let key = section::<Keys>(data, "keys")?.feed_public()?;
            told(json, &json!({ "feedKey": key }), &key);
        }
        AdminCommand::Reseal { reason } => {
            let era = log_commands::reseal(data, &reason).await?;
            told(json, &json!({ "era": era }), format_args!("era {era} is open"));
        }
        AdminCommand::RaiseEpochs { by, reason } => {
            let raised = raise_epochs::raise(data, by, &reason).await?;
            let words = format!("{raised} routes were raised by {by}");
            told(json, &json!({ "routes": raised, "by": by }), words);
        }
        AdminCommand::RotateKeys { data_keys, forget_unused } => {
            let rotated = vault_keys::rotate(data, vault_keys::Rotation { data_keys, forget_unused }).await?;
            told(json, &serde_json::to_value(&rotated)?, &rotated);
        }
    }
    Ok(())
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

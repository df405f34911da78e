//! Which command is whose.

use crate::{
    args::{AdminCommand, Args, Command, ConfigCommand, RunnerCommand},
    backup, client,
    config::reference,
    data::Data,
    demo, doctor, init, log_commands, manual, migrate,
    output::{line, text},
    parts, raise_epochs, rebuild, replay, up, vault_keys,
};
use anyhow::Result;
use std::process::ExitCode;

/// Does what the command line says.
pub async fn run(args: Args) -> Result<ExitCode> {
    let data = Data::at(&args.data);
    match args.command {
        Command::Up(how) => up::run(&data, how).await.map(done),
        Command::Migrate { database_url } => migrate::run(&data, &database_url).await.map(done),
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
        Command::Verify { file } => log_commands::verify(&data, file.as_deref()).await,
        Command::Export { file } => log_commands::export(&data, file.as_deref()).await.map(done),
        Command::Rebuild { projection } => rebuild::run(&data, &projection).await.map(done),
        Command::Backup(how) => Box::pin(backup::run(&data, &how)).await.map(done),
        Command::Restore(how) => Box::pin(backup::restore::run(&data, &how)).await.map(done),
        Command::Admin { command: AdminCommand::Reseal { reason } } => {
            let era = log_commands::reseal(&data, &reason).await?;
            line(format_args!("era {era} is open"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin { command: AdminCommand::RaiseEpochs { by, reason } } => {
            let raised = raise_epochs::raise(&data, by, &reason).await?;
            line(format_args!("{raised} routes were raised by {by}"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin { command: AdminCommand::RotateKeys { data_keys, forget_unused } } => {
            let rotation = vault_keys::Rotation { data_keys, forget_unused };
            line(vault_keys::rotate(&data, rotation).await?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Init(how) => init::run(&how).map(done),
        Command::Completions { shell } => {
            manual::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => {
            line(format_args!("{} pages are in {}", manual::pages(&folder)?, folder.display()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(how) => demo::run(&data, how).await.map(done),
        Command::Client(noun) => Ok(client::run(&data, noun).await),
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

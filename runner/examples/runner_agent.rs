//! The runner as a program of its own, without the rest of Rhone: `runner_agent agent CONFIG.json`, `runner_agent gate SPEC`.
//! The tests run it, so that what they kill is a real process.

use std::{path::Path, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter("debug,hyper=info,reqwest=info,bollard=info")
        .with_writer(std::io::stderr)
        .init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let ended = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["agent", config] => match std::fs::read(config).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(config)) => rhone_runner::run(config).await,
            flaw => {
                eprintln!("{config}: {flaw:?}");
                return ExitCode::from(2);
            }
        },
        ["gate", spec] => rhone_runner::gate::run(Path::new(spec)).await,
        _ => {
            eprintln!("usage: runner_agent agent CONFIG.json | gate SPEC.json");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runner_agent: {error:?}");
            ExitCode::FAILURE
        }
    }
}

//! `rhone`: reads the command line and hands over. How it ends: `exit.rs`. The trap
//! avoided: a TLS library that looks for its crypto in the middle of the first handshake; it is chosen here, first.

// The schema's merged mutations nest one future per file; their layout is computed where they are spawned.
#![recursion_limit = "256"]

use rhone::{
    args::asks_for_json,
    client::{Failure, link},
    run::run,
    telemetry,
};
use rhone_builder::guard;
use std::{env, process::ExitCode};

fn main() -> ExitCode {
    if let Some(code) = guard::asked(env::args_os()) {
        return code;
    }
    let as_json = asks_for_json(env::args_os());
    let args = match link::completed(env::args_os()) {
        Ok(words) => link::parsed(&words, as_json),
        Err(failure) => return failure.end(as_json),
    };
    // It fails only if somebody was faster, which nobody can be.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::init(args.command.verbosity());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(run(args));
        // A blocking read of standard input, say, must not keep us.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error: anyhow::Error| Failure::from(error).end(as_json))
}

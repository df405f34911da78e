//! `rhone`: reads the command line and hands over. Exit codes: 0 done, 1 it failed, 2 it was not understood. The trap
//! avoided: a TLS library that looks for its crypto in the middle of the first handshake; it is chosen here, first.

// The schema's merged mutations nest one future per file; their layout is computed where they are spawned.
#![recursion_limit = "256"]

use clap::Parser as _;
use rhone::{args::Args, output_error, run::run, telemetry};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
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
    match ended {
        Ok(code) => code,
        Err(error) => {
            output_error(&error);
            ExitCode::FAILURE
        }
    }
}

//! `./dev seed`: fills the platform of a data folder with workspaces that have lived (`rhone_tests::seeding`). It prints what
//! it wrote and how fast. Running it again goes on where it was left.

use rhone_eventstore::postgres::connect;
use rhone_tests::{
    figure::Printer,
    report::{self, Addresses},
    seeding::{Scale, Sown, sow},
};
use std::{env, error::Error, path::Path, process::ExitCode};

const USAGE: &str =
    "usage: ./dev seed [--scale SHARE]: 1 is 10,000 workspaces and about 5,000,000 events; 0.001 when omitted";

#[tokio::main]
async fn main() -> ExitCode {
    let asked = asked(env::args().skip(1));
    let Some(share) = asked else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match seed(share).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Option<f64> {
    match (words.next().as_deref(), words.next(), words.next()) {
        (None, None, None) => Some(0.001),
        (Some("--scale"), Some(share), None) => share.parse().ok().filter(|share| (0.0..=100.0).contains(share)),
        _ => None,
    }
}

async fn seed(share: f64) -> Result<(), Box<dyn Error>> {
    let folder = env::var("RHONE_DATA").unwrap_or_else(|_| ".rhone/data".into());
    let addresses: Addresses = report::read(&Path::new(&folder).join("rhone.json"))
        .ok_or_else(|| format!("there is no platform in {folder}: start `./dev up` first"))?;
    let pool = connect(&addresses.database.worker_url, "rhone seed", 8).await?;
    let sown = sow(&pool, Scale::of(share), tell).await?;
    if sown.present > 0 {
        eprintln!("seed: {} workspaces were there already", sown.present);
    }
    print(&Printer::new("seed"), &sown);
    Ok(())
}

fn tell(sown: &Sown) {
    if sown.workspaces > 0 && sown.workspaces.is_multiple_of(500) {
        eprintln!("seed: {} workspaces, {} events, {:.0} s", sown.workspaces, sown.events, sown.took.as_secs_f64());
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn print(printer: &Printer, sown: &Sown) {
    printer.figure("workspaces appended", sown.workspaces as f64, "workspaces", 1, None);
    printer.figure("events appended", sown.events as f64, "events", 1, None);
    let rate = sown.events as f64 / sown.took.as_secs_f64().max(0.001);
    printer.figure("events appended per second", rate, "events/s", sown.workspaces, None);
}

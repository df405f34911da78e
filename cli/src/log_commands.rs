//! `rhone export`, `rhone verify` and `rhone admin reseal`: the log as a whole. The trap avoided: a verification that trusts
//! the database; every hash is computed again from what was read.

use crate::{
    config::{Database, required, section},
    data::Data,
    output::told,
    platform::administrator,
};
use anyhow::{Context as _, Result};
use rhone_eventstore::{
    Log as _, PgLog, Position, boot,
    postgres::connect,
    verify::{self, ExportedEvent},
};
use serde_json::json;
use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::Path,
    process::ExitCode,
};

const BATCH: u32 = 5_000;

/// `rhone export`.
pub(crate) async fn export(data: &Data, file: Option<&Path>, as_json: bool) -> Result<()> {
    let log = open(data).await?;
    let mut to: Box<dyn Write + Send> = match file {
        Some(path) => {
            let created = File::create(path).with_context(|| format!("creating {}", path.display()))?;
            Box::new(BufWriter::new(created))
        }
        None => Box::new(BufWriter::new(io::stdout())),
    };
    let (mut at, mut events) = (Position::START, 0);
    loop {
        let batch = log.read_all(at, BATCH).await?;
        let Some(last) = batch.last() else { break };
        at = last.position;
        events += batch.len();
        verify::export(&batch, &mut to).context("writing the export")?;
    }
    to.flush()?;
    if let Some(path) = file {
        let words = format!("{events} events are in {}", path.display());
        told(as_json, &json!({ "file": path, "events": events }), words);
    }
    Ok(())
}

/// `rhone verify`.
pub(crate) async fn verify(data: &Data, file: Option<&Path>, as_json: bool) -> Result<ExitCode> {
    let events = match file {
        Some(path) => {
            let opened = File::open(path).with_context(|| format!("opening {}", path.display()))?;
            verify::import(BufReader::new(opened)).with_context(|| format!("reading {}", path.display()))?
        }
        None => everything(&open(data).await?).await?,
    };
    let report = verify::verify(&events);
    told(as_json, &serde_json::to_value(&report)?, judged(&report)?);
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// For people: each thing that is wrong, and then how much was judged.
fn judged(report: &verify::Report) -> Result<String> {
    let mut words = String::new();
    for problem in &report.problems {
        writeln!(words, "wrong  {}", serde_json::to_string(problem)?)?;
    }
    let end = if report.is_sound() { "all of it is what was written" } else { "it is not what was written" };
    write!(words, "{} events of {} streams: {end}", report.events, report.streams)?;
    Ok(words)
}

/// The log at this URL, judged.
pub(crate) async fn judged_at(worker_url: &str) -> Result<verify::Report> {
    Ok(verify::verify(&everything(&open_at(worker_url).await?).await?))
}

async fn everything(log: &PgLog) -> Result<Vec<ExportedEvent>> {
    let (mut events, mut at) = (Vec::new(), Position::START);
    loop {
        let batch = log.read_all(at, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(events) };
        at = last.position;
        events.extend(batch.iter().map(ExportedEvent::from));
    }
}

async fn open(data: &Data) -> Result<PgLog> {
    let database: Database = section(data, "database")?;
    open_at(required("database.worker_url", database.worker_url.as_ref())?).await
}

async fn open_at(worker_url: &str) -> Result<PgLog> {
    Ok(PgLog::new(connect(worker_url, "rhone log", 1).await.context("connecting to the database")?))
}

/// `rhone admin reseal`: the number of the era it opens.
pub(crate) async fn reseal(data: &Data, reason: &str) -> Result<i32> {
    let database: Database = section(data, "database")?;
    reseal_at(required("database.admin_url", database.admin_url.as_ref())?, reason).await
}

/// The same, of the database at this URL.
pub(crate) async fn reseal_at(admin_url: &str, reason: &str) -> Result<i32> {
    let pool = connect(admin_url, "rhone admin", 1).await.context("connecting as the administrator")?;
    boot::reseal(&pool, reason, administrator()).await.context("opening the next era")
}

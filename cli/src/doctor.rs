//! `rhone doctor`: what is wrong, and the one line that mends it. Reads only. The trap avoided: a first failure that hides
//! the others; every question is asked, and those that need the database say so when it is away.

mod client;
mod host;
mod outpost;
mod packaged;

use crate::{
    config::{Bus, Database, required, section},
    data::Data,
    output::line,
    parts::bus,
    private_file, vault_keys,
};
use anyhow::{Context as _, Result};
use packaged::Packaged;
use rhone_domain::ids::{CellId, RegionId};
use rhone_eventstore::{boot, checkpoint, postgres::connect};
use rhone_projections::{
    authority::hosts, catalogue::Catalogue, deployments::Deployments, edges, projection, projection::Projection,
    timeline::Timeline,
};
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, PgConnection, PgPool};
use std::{collections::BTreeSet, env, path::Path, process::ExitCode, time::Duration};

/// Nothing that works takes longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Edges and runners report every second or so.
const HEARD_WITHIN: f64 = 15.0;
const NO_HOST: &str = "no host is on record yet";

/// Good, or what is wrong and what mends it.
type Verdict = Result<String, (String, &'static str)>;

/// How much it matters where it is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// Worth mending, and it stops nothing: without a sandbox a build goes on, and says so in its own log; on a nearly full disk
    /// everything goes on, for a while.
    Warning,
    /// Something does not work.
    Bad,
}

/// What an examination found.
struct Finding {
    name: &'static str,
    severity: Severity,
    verdict: Verdict,
}

/// `rhone doctor`.
pub(crate) async fn run(data: &Data, as_json: bool) -> Result<ExitCode> {
    let findings = Box::pin(examined(data)).await;
    let sound = findings.iter().all(Finding::goes_on);
    if as_json {
        let all: Vec<Value> = findings.iter().map(Finding::json).collect();
        line(json!({ "sound": sound, "findings": all }));
    } else {
        for finding in &findings {
            line(finding.line());
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Finding {
    /// What must be good.
    fn new(name: &'static str, verdict: Verdict) -> Self {
        Self { name, severity: Severity::Bad, verdict }
    }

    /// What should be good.
    fn wished(name: &'static str, verdict: Verdict) -> Self {
        Self { name, severity: Severity::Warning, verdict }
    }

    fn line(&self) -> String {
        let name = self.name;
        match (&self.verdict, self.severity) {
            (Ok(detail), _) => format!("ok   {name}: {detail}"),
            (Err((what, mends)), Severity::Warning) => format!("warn {name}: {what}; mend: {mends}"),
            (Err((what, mends)), Severity::Bad) => format!("bad  {name}: {what}; mend: {mends}"),
        }
    }

    fn goes_on(&self) -> bool {
        self.verdict.is_ok() || self.severity == Severity::Warning
    }

    fn json(&self) -> Value {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Bad => "bad",
        };
        match &self.verdict {
            Ok(detail) => json!({ "name": self.name, "ok": true, "says": detail }),
            Err((what, mends)) => {
                json!({ "name": self.name, "ok": false, "severity": severity, "says": what, "mend": mends })
            }
        }
    }
}

async fn examined(data: &Data) -> Vec<Finding> {
    Box::pin(examined_beside(data, Packaged::of_this_machine())).await
}

/// What this folder tells of, and then the edge that systemd runs beside it, of which no folder tells.
async fn examined_beside(data: &Data, packaged: Option<Packaged>) -> Vec<Finding> {
    let parts = outpost::parts(data);
    // One that the folder names is asked once.
    let is_named = parts.iter().flatten().any(|part| part == "edge");
    let packaged = packaged.filter(|_| !is_named);
    let mut findings = match (parts, &packaged) {
        (Some(parts), _) => outpost::examined(data, &parts).await,
        (None, _) if !runs_nothing(data) => Box::pin(control_plane(data)).await,
        (None, Some(_)) => Vec::new(),
        (None, None) => client::examined(data).await,
    };
    if let Some(edge) = packaged {
        findings.extend(edge.examined().await);
    }
    findings
}

async fn control_plane(data: &Data) -> Vec<Finding> {
    let database: Result<Database> = section(data, "database");
    let worker = match database.as_ref().map(|database| database.worker_url.as_ref()) {
        Ok(url) => reach(url).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    let mut findings = vec![configuration(&data.config()), keys(data)];
    let reached = match &worker {
        Ok(_) => Ok("reachable as rhone_worker".to_owned()),
        Err(error) => Err((format!("{error:#}"), "start it, or `rhone up`; then `rhone migrate`")),
    };
    findings.push(Finding::new("database", reached));
    if let Ok(database) = &database {
        findings.push(within("migrations", "rhone migrate", migrations(database)).await);
    }
    if let Ok(pool) = &worker {
        findings.push(within("log", "rhone admin reseal --reason '...'", log(pool)).await);
        findings.push(within("watermark", "end the transaction of the pid named here", watermark(pool)).await);
        findings.push(within("catalogue", STOPPED, follows::<Catalogue>(pool)).await);
        findings.push(within("deployments", STOPPED, follows::<Deployments>(pool)).await);
        findings.push(within("timeline", STOPPED, follows::<Timeline>(pool)).await);
        findings.push(within("edges", "start `rhone edge`; its log says more", live_edges(data, pool)).await);
        findings.push(within("runners", "start `rhone runner`; its log says more", runners(data, pool)).await);
    }
    findings.push(within("nats", "start it; until then edges hear by HTTP alone", nats(data)).await);
    findings.extend(host::examined(data, worker.as_ref().ok()).await);
    findings
}

/// Whether nothing says that a part of the platform runs here: no file, and no environment in its place.
fn runs_nothing(data: &Data) -> bool {
    told_by_environment().is_empty() && !data.config().exists() && !data.report().exists()
}

/// The parts' sections of which the environment says something.
fn told_by_environment() -> Vec<&'static str> {
    let names: Vec<String> = env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let told = |section: &&str| {
        let beginning = format!("RHONE_{}_", section.to_uppercase());
        names.iter().any(|name| name.starts_with(&beginning))
    };
    ["database", "serve", "work", "edge", "runner"].into_iter().filter(told).collect()
}

const STOPPED: &str = "start `rhone work`; a poison event needs a program that knows it";

/// Whether the file is there, is one, and is nobody else's to read.
fn configuration(path: &Path) -> Finding {
    const MISSING: &str =
        "copy it here; `rhone up` and `rhone restore` make one, docs/configuration.md says what is in it";
    let bad = |what: String, mends| Err((what, mends));
    let verdict = match private_file::read::<Map<String, Value>>(path) {
        Err(error) => bad(format!("{error:#}"), "mend the file: it is one JSON object with an object per section"),
        Ok(None) if !told_by_environment().is_empty() => Ok("the environment says it all".to_owned()),
        Ok(None) => bad(format!("there is no {}", path.display()), MISSING),
        Ok(Some(file)) => match private_file::is_open_to_others(path) {
            Ok(false) => Ok(format!("{} has {} sections", path.display(), file.len())),
            _ => bad(format!("{} holds secrets, and others can read it", path.display()), "chmod 600 that file"),
        },
    };
    Finding::new("configuration", verdict)
}

fn keys(data: &Data) -> Finding {
    let mends =
        "copy vault-keys.json from a host that runs `rhone serve`; the first one is made by `rhone admin rotate-keys`";
    let read = vault_keys::ring(data).map(|_| "the vault's keys can be read".to_owned());
    Finding::new("keys", read.map_err(|error| (format!("{error:#}"), mends)))
}

async fn within(name: &'static str, mends: &'static str, work: impl Future<Output = Result<String>>) -> Finding {
    let verdict = match tokio::time::timeout(PATIENCE, work).await {
        Ok(outcome) => outcome.map_err(|error| (format!("{error:#}"), mends)),
        Err(_) => Err((format!("no answer within {} s", PATIENCE.as_secs()), mends)),
    };
    Finding::new(name, verdict)
}

async fn reach(url: Option<&String>) -> Result<PgPool> {
    let url = required("database.worker_url", url)?;
    let connecting = tokio::time::timeout(PATIENCE, connect(url, "rhone doctor", 2)).await;
    connecting.context("no answer in time")?.context("connecting")
}

async fn migrations(database: &Database) -> Result<String> {
    let Some(url) = &database.admin_url else {
        return Ok("not looked at: only the administrator may, with `database.admin_url`".to_owned());
    };
    let mut admin = PgConnection::connect(url).await.context("connecting as the administrator")?;
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(&mut admin).await?;
    let missing = rhone_migrations::MIGRATOR.iter().filter(|known| !applied.contains(&known.version)).count();
    anyhow::ensure!(missing == 0, "{missing} are missing");
    Ok(format!("all {} applied", applied.len()))
}

async fn log(pool: &PgPool) -> Result<String> {
    boot::check(pool).await?;
    Ok("its order fits this cluster".to_owned())
}

async fn watermark(pool: &PgPool) -> Result<String> {
    let mark = boot::watermark(pool).await?;
    let lag = mark.lag_seconds;
    if lag <= 2.0 {
        return Ok(format!("{lag:.1} s behind"));
    }
    let holder = mark.holder.unwrap_or_default();
    let pid = mark.pid.map_or_else(|| "a prepared transaction".to_owned(), |pid| format!("pid {pid}"));
    anyhow::bail!("{lag:.1} s behind, held by {pid}: {holder}")
}

async fn follows<P: Projection>(pool: &PgPool) -> Result<String> {
    let mut connection = pool.acquire().await?;
    let checkpoint = checkpoint::load(&mut connection, projection::key::<P>()).await?;
    let checkpoint = checkpoint.context("it has never run")?;
    if let Some((event, reason)) = checkpoint.failure {
        anyhow::bail!("stopped at event {event}: {reason}");
    }
    let behind: i64 = sqlx::query_scalar("SELECT count(*) FROM log.read_all($1, $2::text::xid8, $3, 1000)")
        .bind(i32::try_from(checkpoint.position.era)?)
        .bind(checkpoint.position.tx.to_string())
        .bind(i64::try_from(checkpoint.position.pos)?)
        .fetch_one(&mut *connection)
        .await?;
    anyhow::ensure!(behind < 1_000, "at least 1000 events behind");
    Ok(format!("at {}, {behind} events behind", checkpoint.position))
}

async fn live_edges(data: &Data, pool: &PgPool) -> Result<String> {
    let mut connection = pool.acquire().await?;
    let regions: BTreeSet<_> = places(data, &mut connection).await?.into_iter().map(|(region, _)| region).collect();
    let mut said = Vec::new();
    for region in regions {
        let live = edges::live(&mut connection, region, HEARD_WITHIN).await?;
        anyhow::ensure!(!live.is_empty(), "none of region {region} reported within {HEARD_WITHIN} s");
        said.extend(live.iter().map(|edge| format!("{:?} at {}", edge.mode, edge.applied)));
    }
    Ok(if said.is_empty() { NO_HOST.to_owned() } else { format!("{} live ({})", said.len(), said.join(", ")) })
}

async fn runners(data: &Data, pool: &PgPool) -> Result<String> {
    let mut connection = pool.acquire().await?;
    let mut said = Vec::new();
    for (_, cell) in places(data, &mut connection).await? {
        let hosts = hosts::hosts_of_cell(&mut connection, cell, HEARD_WITHIN).await?;
        anyhow::ensure!(!hosts.is_empty(), "none of cell {cell} was heard within {HEARD_WITHIN} s");
        said.push(format!("{} of cell {cell} heard", hosts.len()));
    }
    Ok(if said.is_empty() { NO_HOST.to_owned() } else { said.join(", ") })
}

/// Where something should run: what `rhone up` runs, or every cell that has a host.
async fn places(data: &Data, connection: &mut PgConnection) -> Result<Vec<(RegionId, CellId)>> {
    if let Some(report) = private_file::read::<crate::Report>(&data.report())? {
        return Ok(vec![(report.facts.ids.region, report.facts.ids.cell)]);
    }
    Ok(hosts::cells(connection).await?)
}

async fn nats(data: &Data) -> Result<String> {
    let bus: Bus = section(data, "bus")?;
    let Some(url) = bus.url else { return Ok("not configured".to_owned()) };
    let client = bus::connect_now(&url, "rhone doctor").await?;
    client.flush().await.context("asking for an answer")?;
    Ok(format!("version {}", client.server_info().version))
}

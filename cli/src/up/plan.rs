//! What will run and how: `rhone.json` for the parts, their command lines, and where to ask whether they are ready. The trap
//! avoided: a section of somebody else's in `rhone.json` that is lost; only those of the parts are replaced.

use super::{
    ports::Ports,
    report::{Facts, Ids, Urls},
    secrets::{RUNNER, Secrets, USER, edge},
};
use crate::{
    args::UpArgs,
    config::{Bus, Database, Edge, Exposure, Probes, Serve, Sources, Work, value},
    data::{self, Data},
    private_file,
};
use anyhow::{Context as _, Result};
use rhone_api::{LoadLimits, RateLimits};
use rhone_domain::ids::ActorId;
use serde_json::{Map, Value, json};
use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the servers are, ours or the caller's.
pub(super) struct ServerUrls {
    pub(super) database_url: String,
    pub(super) nats_url: String,
}

/// What a plan is made from.
pub(super) struct Known {
    pub(super) servers: ServerUrls,
    pub(super) database: Database,
    pub(super) secrets: Secrets,
    pub(super) ids: Ids,
}

/// What will run.
pub(super) struct Plan {
    pub(super) facts: Facts,
    /// In the order in which they are stopped.
    pub(super) parts: Vec<Part>,
    /// Whom to ask at which address.
    pub(super) readiness: Vec<(String, String)>,
}

/// One process to be.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) log: PathBuf,
    /// What it gets to end in order.
    pub(super) grace: Duration,
}

/// Writes `rhone.json` and says what to start.
pub(super) fn make(data: &Data, how: &UpArgs, known: &Known) -> Result<Plan> {
    let program = env::current_exe().context("finding this program")?;
    let places = Places::choose(data, how)?;
    data::close(&[data.artifacts(), data.runner()])?;
    data::close(&places.edges.iter().map(|edge| data.edge(&edge.name)).collect::<Vec<_>>())?;
    let mut file: Map<String, Value> = private_file::read(&data.config())?.unwrap_or_default();
    for (name, section) in sections(data, &program, &places, known)? {
        file.insert(name, section);
    }
    private_file::write(&data.config(), &file)?;
    let urls = places.urls();
    let names: Vec<String> = places.edges.into_iter().map(|edge| edge.name).collect();
    let readiness = readiness(&urls, &names);
    let token = known.secrets.token(USER)?.to_owned();
    let facts = Facts { urls, ids: known.ids, token, data: data.path().to_owned() };
    Ok(Plan { facts, parts: parts(data, &program, &names)?, readiness })
}

/// Where everything listens.
struct Places {
    api: SocketAddr,
    work: SocketAddr,
    runner: SocketAddr,
    edges: Vec<EdgePlace>,
}

struct EdgePlace {
    name: String,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Places {
    fn choose(data: &Data, how: &UpArgs) -> Result<Self> {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut ports = Ports::of(data)?;
        let api = ports.address("serve", how.host, how.api_port)?;
        let work = ports.address("work", local, None)?;
        let runner = ports.address("runner", local, None)?;
        let mut edges = Vec::new();
        for number in 1..=how.edges {
            let name = edge(number);
            let listen = ports.address(&name, how.host, how.edge_port.filter(|_| number == 1))?;
            let admin = ports.address(&format!("{name}-admin"), local, None)?;
            edges.push(EdgePlace { name, listen, admin });
        }
        Ok(Self { api, work, runner, edges })
    }

    fn urls(&self) -> Urls {
        Urls {
            api: url(reachable(self.api)),
            work_admin: url(self.work),
            edges: self.edges.iter().map(|edge| url(reachable(edge.listen))).collect(),
            edge_admins: self.edges.iter().map(|edge| url(edge.admin)).collect(),
            runner_admin: url(self.runner),
        }
    }
}

fn sections(data: &Data, program: &Path, places: &Places, known: &Known) -> Result<Vec<(String, Value)>> {
    let nats_url = Some(known.servers.nats_url.clone());
    let mut sections = vec![
        ("database".to_owned(), value(&known.database)?),
        ("bus".to_owned(), value(&Bus { url: nats_url.clone() })?),
        ("keys".to_owned(), value(&known.secrets.keys)?),
        ("work".to_owned(), value(&work(data, places.work))?),
        // On a machine of one's own, its own repositories may be deployed.
        ("build".to_owned(), json!({ "sources": Sources::Local })),
        ("serve".to_owned(), value(&serve(data, places.api, known.ids.user))?),
        ("runner".to_owned(), runner(data, program, places, known)?),
    ];
    for EdgePlace { name, listen, admin } in &places.edges {
        let section = Edge {
            data_dir: data.edge(name),
            listen: *listen,
            admin: *admin,
            public_url: None,
            control_url: url(reachable(places.api)),
            token: known.secrets.token(name)?.to_owned(),
            region: known.ids.region,
            feed_key: known.secrets.keys.feed_public()?,
            nats_url: nats_url.clone(),
        };
        sections.push((name.clone(), value(&section)?));
    }
    Ok(sections)
}

fn work(data: &Data, admin: SocketAddr) -> Work {
    Work {
        admin,
        probes: Probes::Local,
        objects: Some(data.path().join("objects")),
        authorities: None,
        artifacts: data.artifacts(),
        log_days: 14,
        log_mib: 64,
    }
}

fn serve(data: &Data, listen: SocketAddr, user: ActorId) -> Serve {
    let here = url(reachable(listen));
    Serve {
        listen,
        artifacts: data.artifacts(),
        origins: vec![here.clone(), format!("http://localhost:{}", listen.port())],
        documents: None,
        exposure: Exposure::Development,
        public_url: Some(here),
        // Who can reach it can come in.
        development_user: listen.ip().is_loopback().then_some(user),
        rates: RateLimits::of_one_machine(),
        load: LoadLimits::default(),
        connections: 24,
    }
}

fn runner(data: &Data, program: &Path, places: &Places, known: &Known) -> Result<Value> {
    Ok(json!({
        "data_dir": data.runner(),
        "control_url": url(reachable(places.api)),
        "token": known.secrets.token(RUNNER)?,
        "host": known.ids.host,
        "gate_command": [program, Path::new("runner"), Path::new("gate")],
        "admin": places.runner,
    }))
}

/// In the order in which they are stopped: first who lets traffic in.
fn parts(data: &Data, program: &Path, edges: &[String]) -> Result<Vec<Part>> {
    let part = |name: &str, words: &[&str], seconds| -> Result<Part> {
        let folder = data.path().to_str().context("the data folder's path is no UTF-8")?;
        let words = [&[words[0], "--data", folder], &words[1..]].concat();
        Ok(Part {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments: words.into_iter().map(str::to_owned).collect(),
            log: data.log(name)?,
            grace: Duration::from_secs(seconds),
        })
    };
    let mut parts = Vec::new();
    for name in edges {
        parts.push(part(name, &["edge", "--name", name], 6)?);
    }
    parts.push(part("serve", &["serve"], 3)?);
    parts.push(part("work", &["work"], 3)?);
    parts.push(part(RUNNER, &["runner"], 2)?);
    Ok(parts)
}

fn readiness(urls: &Urls, edges: &[String]) -> Vec<(String, String)> {
    let at = |name: &str, base: &str| (name.to_owned(), format!("{base}/readyz"));
    let mut asked = vec![at("serve", &urls.api), at("work", &urls.work_admin), at(RUNNER, &urls.runner_admin)];
    asked.extend(edges.iter().zip(&urls.edge_admins).map(|(name, admin)| at(name, admin)));
    asked
}

/// Where we ourselves reach something that may listen everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()) } else { address }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

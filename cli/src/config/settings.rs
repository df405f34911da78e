//! Every setting of every part, as data beside the structs that read them: what `rhone config reference` prints and
//! `docs/configuration.md` holds. A new field is a new row here. The trap avoided: a default that is written twice; where
//! the code has one, it is asked for it, and a test compares the fields of every section with these rows.

use super::{Build, Exposure, Probes, connections, github_api, github_authorize, github_token, log_days, log_mib};
use rhone_api::{LoadLimits, RateLimits};
use serde::Serialize;

/// What holds when nothing is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub(crate) enum Otherwise {
    /// The part does not start.
    Required,
    /// The part does without it.
    Nothing,
    /// This.
    Is(String),
}

/// How the environment says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// As text: `RHONE_`, the section, the key.
    Text,
    /// As JSON: it is a list or an object.
    Json,
    /// Not by itself: as a key of the JSON of the object that it belongs to, or in the file.
    Within,
    /// Not at all: it is a number, and the environment says texts.
    FileOnly,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    /// Its section of `rhone.json`.
    pub(crate) section: &'static str,
    /// Its key there; with a dot where it is a key of an object.
    pub(crate) key: &'static str,
    pub(crate) otherwise: Otherwise,
    /// In what it is said.
    pub(crate) unit: &'static str,
    pub(crate) said: Said,
    /// Whether it must not be shown to anybody.
    pub(crate) secret: bool,
    /// Which commands read it.
    pub(crate) readers: &'static str,
    pub(crate) meaning: &'static str,
}

impl Setting {
    /// The variable that replaces it.
    pub(crate) fn variable(&self) -> Option<String> {
        let name = format!("RHONE_{}_{}", self.section, self.key).to_uppercase();
        matches!(self.said, Said::Text | Said::Json).then_some(name)
    }
}

const ADMINS: &str = "`rebuild`, `doctor`, `admin`, `backup`";
const SERVE: &str = "`serve`";
const EDGE: &str = "`edge`, `doctor`";
const RUNNER: &str = "`runner`, `doctor`";
/// Of what tenants name.
const REACH: &str = "`public` or `local`";

/// A row that may be left out of the file.
fn row(section: &'static str, key: &'static str, readers: &'static str, meaning: &'static str) -> Setting {
    let (otherwise, unit, said) = (Otherwise::Nothing, "", Said::Text);
    Setting { section, key, otherwise, unit, said, secret: false, readers, meaning }
}

impl Setting {
    fn required(self) -> Self {
        Self { otherwise: Otherwise::Required, ..self }
    }

    fn or(self, default: &(impl ToString + ?Sized)) -> Self {
        Self { otherwise: Otherwise::Is(default.to_string()), ..self }
    }

    fn is(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    fn json(self) -> Self {
        Self { said: Said::Json, ..self }
    }

    fn within(self) -> Self {
        Self { said: Said::Within, ..self }
    }

    fn file_only(self) -> Self {
        Self { said: Said::FileOnly, ..self }
    }

    fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

/// Every setting, section by section.
pub(crate) fn settings() -> Vec<Setting> {
    [shared(), serve(), rates(), load(), github(), work(), build(), edge(), runner()].concat()
}

fn shared() -> Vec<Setting> {
    let url = "`postgres://user:password@host:port/database`";
    vec![
        row("database", "api_url", SERVE, "The database as role `rhone_api`.").required().is(url).secret(),
        row(
            "database",
            "worker_url",
            "`serve`, `work`, `replay`, `verify`, `export`, `doctor`, `admin raise-epochs`",
            "The database as role `rhone_worker`.",
        )
        .required()
        .is(url)
        .secret(),
        row("database", "projector_url", "`work`, `rebuild`", "The database as role `rhone_projector`.")
            .required()
            .is(url)
            .secret(),
        row("database", "admin_url", ADMINS, "The database as its administrator; hosts that run parts only need none.")
            .is(url)
            .secret(),
        row("bus", "url", "`serve`, `work`, `doctor`", "NATS; without it everything works a little later.")
            .is("`nats://user:password@host:port`")
            .secret(),
        row("keys", "feed", "`serve`, `work`, `backup`", "Signs the feed of the edges (Ed25519).")
            .required()
            .is("64 hex digits")
            .secret(),
        row("keys", "kek", "`serve`, `backup`", "Wraps the keys of persons' data.")
            .required()
            .is("64 hex digits")
            .secret(),
    ]
}

fn serve() -> Vec<Setting> {
    let one = |key, meaning| row("serve", key, SERVE, meaning);
    vec![
        one("listen", "Where the API listens.").required().is("`ip:port`"),
        row("serve", "artifacts", "`serve`, `backup`", "Where artifacts are kept.").required().is("a folder"),
        one("origins", "The pages that may call it from a browser.").or("[]").is("a list of `scheme://host[:port]`").json(),
        one(
            "documents",
            "What pages may ask by the cookie of a session: the documents that lie there (`*.graphql`, one each), by their text or by the SHA-256 of it, read at the start; anything otherwise. Whoever shows a token may ask anything.",
        )
        .is("a folder"),
        one(
            "exposure",
            "Whom it is shown to: `production`, everybody, without introspection and suggestions; `development`, ourselves.",
        )
        .or(&word(Exposure::default()))
        .is("`production` or `development`"),
        one("public_url", "Where browsers reach it. Nobody signs in without it.").is("`scheme://host[:port]`"),
        one(
            "development_user",
            "Who signs in at `/auth/dev/login`; refused where `exposure` is `production` or `listen` no loopback address. `rhone up` sets it.",
        )
        .is("a UUID"),
        one("rates", "How much everybody may ask; the keys follow.").or("what follows").is("an object").json(),
        one("connections", "The most connections to the database, for what callers ask.")
            .or(&connections())
            .is("connections")
            .file_only(),
        one("load", "How much is carried out at a time, and how much waits; the keys follow.").or("what follows").is("an object").json(),
    ]
}

fn load() -> Vec<Setting> {
    let usual = LoadLimits::default();
    let one = |key, meaning| row("serve", key, SERVE, meaning).within();
    vec![
        one("load.requests", "Requests that are carried out at a time.").or(&usual.requests).is("requests"),
        one("load.queue", "Requests that wait for that; one more is answered OVERLOADED.")
            .or(&usual.queue)
            .is("requests"),
        one("load.queue_milliseconds", "How long each of them waits at most.")
            .or(&usual.queue_milliseconds)
            .is("milliseconds"),
        one("load.openings", "Connections and subscriptions that are opened at a time; others wait.")
            .or(&usual.openings)
            .is("openings"),
    ]
}

fn rates() -> Vec<Setting> {
    let usual = RateLimits::default();
    let one = |key, budget: rhone_api::Budget, meaning| {
        row("serve", key, SERVE, meaning).or(&budget.per_minute).is("cost a minute").within()
    };
    vec![
        one("rates.token", usual.token, "What one token may spend."),
        one("rates.user", usual.user, "What one user may spend, with all of their tokens."),
        one(
            "rates.workspace",
            usual.workspace,
            "What is spent in one workspace: what its tokens ask, and every change of it.",
        ),
        one("rates.address", usual.address, "What one address may spend; of IPv6 the first 64 bits."),
        one("rates.failures", usual.failures, "How many bad tokens one address may show.").is("attempts a minute"),
        one("rates.sign_in", usual.sign_in, "What one address may ask of sign-in.").is("requests a minute"),
        row("serve", "rates.trusted_proxies", SERVE, "How many proxies in front are believed about who called them.")
            .or(&usual.trusted_proxies)
            .is("a number")
            .within(),
    ]
}

fn github() -> Vec<Setting> {
    let one = |key, meaning| row("github", key, SERVE, meaning);
    vec![
        one("client_id", "The OAuth app by which people sign in; without it nobody does.").is("text"),
        one("client_secret", "Its secret; needed where `client_id` is set.").is("text").secret(),
        one("authorize_url", "Another one for GitHub Enterprise.").or(&github_authorize()).is("a URL"),
        one("token_url", "The same.").or(&github_token()).is("a URL"),
        one("api_url", "The same.").or(&github_api()).is("a URL"),
    ]
}

fn work() -> Vec<Setting> {
    let one = |key, meaning| row("work", key, "`work`", meaning);
    vec![
        one("admin", "Where a worker answers `/livez`, `/readyz` and `/metrics`.").required().is("`ip:port`"),
        one(
            "probes",
            "Where probes of bindings may reach: `public`, only what everybody can reach; `local`, this machine and private networks too.",
        )
        .or(&word(Probes::default()))
        .is(REACH),
        one("objects", "The folder of the platform's own object storage, if it has one.").is("a folder"),
        one("authorities", "Who may have signed a certificate that probes of bindings judge, besides the authorities that the machine trusts.")
            .is("a PEM file"),
        one("artifacts", "Where artifacts and logs are kept: the same place as the API's.").required().is("a folder"),
        one("log_days", "For how many days logs are kept.").or(&log_days()).is("days").file_only(),
        one("log_mib", "How much of logs is kept of one allocation or build, compressed.")
            .or(&log_mib())
            .is("MiB")
            .file_only(),
    ]
}

fn build() -> Vec<Setting> {
    let one = |key, meaning| row("build", key, "`work`", meaning);
    let usual = Build::default();
    vec![
        row("build", "at_once", "`work`, `doctor`", "How many deploys a worker has in hand at once; 0 where nothing is built.")
            .or(&usual.at_once)
            .is("deploys"),
        one("per_workspace", "How many of one workspace are in hand at once, over all workers.")
            .or(&usual.per_workspace)
            .is("deploys"),
        one("scratch", "Where sources and artifacts are while they are made, in a folder for each installation that is told the same; `builds` of the data folder otherwise.")
            .is("a folder"),
        one(
            "sources",
            "What may be fetched from where: `public`, only what everybody can reach; `private`, private networks and this machine's servers too; `local`, its repositories in folders besides.",
        )
        .or(&word(usual.sources))
        .is("`public`, `private` or `local`"),
        one("authorities", "Certificates (PEM) by which hosts of git are known, in place of the machine's; an absolute path.")
            .is("a file"),
        one("source_bytes", "No source is larger.").or(&usual.source_bytes).is("bytes"),
        one("source_files", "No source has more files.").or(&usual.source_files).is("files"),
        one("artifact_bytes", "No artifact that is built is larger.").or(&usual.artifact_bytes).is("bytes"),
        one("fetch_seconds", "How long a fetch may take.").or(&usual.fetch_seconds).is("seconds"),
        one("build_seconds", "How long a build may take. From its turn on a deploy has an hour for all of it, whatever this says.")
            .or(&usual.build_seconds)
            .is("seconds"),
        one("memory_bytes", "How much memory a build may have.").or(&usual.memory_bytes).is("bytes"),
        one("processes", "How many processes a build may have.").or(&usual.processes).is("processes"),
        one("disk_bytes", "How much a build may write.").or(&usual.disk_bytes).is("bytes"),
        one("log_bytes", "How much is kept of what a build prints, each line with 64 bytes more; beyond three quarters of it only the last lines, and how many were dropped.")
            .or(&usual.log_bytes)
            .is("bytes"),
        one("network", "Whether a build that declares that it needs the network gets it.")
            .or(&usual.network)
            .is("`true` or `false`"),
    ]
}

fn edge() -> Vec<Setting> {
    let one = |key, meaning| row("edge", key, EDGE, meaning);
    vec![
        one("data_dir", "Its own folder: identity, table, sticky key.").required().is("a folder"),
        one("listen", "Where it serves.").required().is("`ip:port`"),
        one("admin", "Where it answers for itself; keep it on loopback.").required().is("`ip:port`"),
        one("public_url", "Where clients reach it, if elsewhere; with `https://` its cookies are secure.").is("a URL"),
        one("control_url", "The API.").required().is("a URL"),
        one("token", "Who it is: an edge's token.").required().is("a token").secret(),
        row("edge", "region", EDGE, "Whose feed it applies.").required().is("a UUID"),
        one("feed_key", "The public half of `keys.feed`.").required().is("64 hex digits or base64"),
        one("nats_url", "NATS; without it only HTTP brings changes.").is("`nats://user:password@host:port`").secret(),
    ]
}

fn runner() -> Vec<Setting> {
    let one = |key, meaning| row("runner", key, RUNNER, meaning);
    let usual = rhone_runner::PortRange::default();
    vec![
        one("data_dir", "Everything the agent and its gates keep; one agent per folder.").required().is("a folder"),
        one("control_url", "The API.").required().is("a URL"),
        one("token", "Who this host is: a runner's token.").required().is("a token").secret(),
        one("host", "Which host this is.").required().is("a UUID"),
        one("gate_command", "What starts a gate, such as `[\"/usr/bin/rhone\", \"runner\", \"gate\"]`.")
            .required()
            .is("a list of words")
            .json(),
        one("admin", "Where `/livez`, `/readyz`, `/metrics` and `/allocations` are answered; port 0 picks one.")
            .required()
            .is("`ip:port`"),
        one("ports", "Where gates listen; the keys follow.").or("what follows").is("an object").json(),
        one("ports.first", "The first port.").or(&usual.first).is("a port").within(),
        one("ports.last", "The last port.").or(&usual.last).is("a port").within(),
        one("docker", "The Docker Engine that runs images here, for a runner that is root; without it bubblewrap does. The keys follow, and `{}` takes what they usually are.")
            .is("an object")
            .json(),
        one("docker.socket", "Where it listens.").or(&rhone_runner::DOCKER_SOCKET).is("a path").within(),
        one("docker.memory_bytes", "How much memory an app may have; one that wants more ends as out of memory.")
            .or(&rhone_runner::DOCKER_MEMORY_BYTES)
            .is("bytes")
            .within(),
        one("docker.cpu_millis", "How much of the processors an app may have, in thousandths of one; without it all of them.")
            .is("thousandths of a processor")
            .within(),
        one("docker.processes", "How many processes an app may have.")
            .or(&rhone_runner::DOCKER_PROCESSES)
            .is("processes")
            .within(),
        one("log_bytes", "How large an app's log may grow before it is turned over; one older part is kept.")
            .or(&rhone_runner::LOG_BYTES)
            .is("bytes")
            .file_only(),
        one(
            "log_backlog_bytes",
            "How much of an app's lines waits on disk for a control plane that is away; the oldest beyond it are dropped.",
        )
        .or(&(64_u64 << 20))
        .is("bytes")
        .file_only(),
        one("log_lines_per_second", "How many lines of an app are kept within a second; those beyond are dropped.")
            .or(&10_000_u32)
            .is("lines")
            .file_only(),
        one("artifact_bytes", "No artifact larger than this is fetched.")
            .or(&rhone_runner::ARTIFACT_BYTES)
            .is("bytes")
            .file_only(),
    ]
}

/// As it is written in the file.
fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

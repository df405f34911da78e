//! What each part is told, from its own section of `rhone.json`, each value of which the environment may replace: `RHONE_`,
//! the section, the key, such as `RHONE_EDGE_TOKEN`. A host that runs one part needs one section. The trap avoided: secrets
//! in arguments or in a `Debug`; no type here has one. Every field has its row in `settings`.

pub(crate) mod reference;
mod settings;
mod variables;

mod build;

pub(crate) use build::{Build, Sources};

use crate::{data::Data, private_file};
use anyhow::{Context as _, Result, bail};
use ed25519_dalek::SigningKey;
use rhone_api::{LoadLimits, RateLimits};
use rhone_domain::ids::{ActorId, RegionId};
use rhone_providers::github;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Section `database`: one URL per role.
#[derive(Clone, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are keys of a file, and what they name are URLs")]
pub(crate) struct Database {
    /// Role `rhone_api`.
    pub(crate) api_url: Option<String>,
    /// Role `rhone_worker`.
    pub(crate) worker_url: Option<String>,
    /// Role `rhone_projector`.
    pub(crate) projector_url: Option<String>,
    /// May do everything; only `migrate`, `rebuild`, `doctor` and `admin` use it.
    pub(crate) admin_url: Option<String>,
}

/// Section `bus`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Bus {
    /// NATS; without it everything works a little later.
    pub(crate) url: Option<String>,
}

/// Section `keys`: 64 hex digits each.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Keys {
    /// Signs the feed (Ed25519).
    pub(crate) feed: String,
    /// Wraps the keys of persons' data.
    pub(crate) kek: Option<String>,
}

/// Section `serve`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Serve {
    /// Where the API listens.
    pub(crate) listen: SocketAddr,
    /// Where artifacts are kept.
    pub(crate) artifacts: PathBuf,
    /// The pages that may call it from a browser.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    /// What they may ask, a document each; anything, where it is not said.
    #[serde(default)]
    pub(crate) documents: Option<PathBuf>,
    /// Whom it is shown to.
    #[serde(default)]
    pub(crate) exposure: Exposure,
    /// Where browsers reach it: a scheme and a host. Nobody signs in without it.
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    /// Who signs in at `/auth/dev/login`; only where it is shown to ourselves.
    #[serde(default)]
    pub(crate) development_user: Option<ActorId>,
    /// How much everybody may ask, by cost and minute.
    #[serde(default)]
    pub(crate) rates: RateLimits,
    /// The most connections to the database, for what callers ask; as many again for edges, runners and the log.
    #[serde(default = "connections", deserialize_with = "number")]
    pub(crate) connections: u32,
    /// How much is carried out at a time, and how much waits for it.
    #[serde(default)]
    pub(crate) load: LoadLimits,
}

fn connections() -> u32 {
    24
}

/// A number, which the environment says as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Number(u32),
        Text(String),
    }
    match Said::deserialize(deserializer)? {
        Said::Number(number) => Ok(number),
        Said::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

/// Section `github`: the OAuth app by which people sign in. Without it nobody does.
#[derive(Clone, Deserialize)]
pub(crate) struct GitHub {
    /// The app's public id.
    pub(crate) client_id: Option<String>,
    /// Best as `RHONE_GITHUB_CLIENT_SECRET`.
    pub(crate) client_secret: Option<String>,
    /// For GitHub Enterprise.
    #[serde(default = "github_authorize")]
    pub(crate) authorize_url: String,
    /// The same.
    #[serde(default = "github_token")]
    pub(crate) token_url: String,
    /// The same.
    #[serde(default = "github_api")]
    pub(crate) api_url: String,
}

fn github_authorize() -> String {
    "https://github.com/login/oauth/authorize".to_owned()
}

fn github_token() -> String {
    "https://github.com/login/oauth/access_token".to_owned()
}

fn github_api() -> String {
    "https://api.github.com".to_owned()
}

impl GitHub {
    /// As the API takes it; none where no app is named.
    pub(crate) fn app(self) -> Result<Option<github::App>> {
        let Some(client_id) = self.client_id else { return Ok(None) };
        let secret = required("github.client_secret", self.client_secret.as_ref())?.to_owned();
        Ok(Some(github::App {
            client_id,
            client_secret: github::ClientSecret::new(secret),
            authorize_url: self.authorize_url,
            token_url: self.token_url,
            api_url: self.api_url,
        }))
    }
}

/// Whom the API is shown to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exposure {
    /// Everybody: no introspection, no suggestions.
    #[default]
    Production,
    /// Ourselves.
    Development,
}

/// Section `work`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Where it answers for itself.
    pub(crate) admin: SocketAddr,
    /// Where probes may reach: tenants name the addresses.
    #[serde(default)]
    pub(crate) probes: Probes,
    /// The folder of the platform's own object storage, if it has one.
    #[serde(default)]
    pub(crate) objects: Option<PathBuf>,
    /// Certificates of authorities that probes trust besides the machine's, as PEM.
    #[serde(default)]
    pub(crate) authorities: Option<PathBuf>,
    /// Where artifacts and logs are kept: the same place as the API's.
    pub(crate) artifacts: PathBuf,
    /// For how many days logs are kept.
    #[serde(default = "log_days")]
    pub(crate) log_days: u32,
    /// How many MiB of logs are kept of one allocation or build, compressed.
    #[serde(default = "log_mib")]
    pub(crate) log_mib: u32,
}

fn log_days() -> u32 {
    14
}

fn log_mib() -> u32 {
    64
}

/// Where probes may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Probes {
    /// Only what everybody can reach.
    #[default]
    Public,
    /// Also this machine and private networks.
    Local,
}

/// Section `edge`, or one of another name.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Edge {
    /// Its own folder.
    pub(crate) data_dir: PathBuf,
    /// Where it serves.
    pub(crate) listen: SocketAddr,
    /// Where it answers for itself.
    pub(crate) admin: SocketAddr,
    /// Where clients reach it, if elsewhere.
    pub(crate) public_url: Option<String>,
    /// The API.
    pub(crate) control_url: String,
    /// Who it is.
    pub(crate) token: String,
    /// Whose feed it applies.
    pub(crate) region: RegionId,
    /// The public half of the feed's key: 64 hex digits or base64.
    pub(crate) feed_key: String,
    /// NATS.
    pub(crate) nats_url: Option<String>,
}

impl Keys {
    /// The feed's key.
    pub(crate) fn feed(&self) -> Result<Arc<SigningKey>> {
        Ok(Arc::new(SigningKey::from_bytes(&bytes("keys.feed", &self.feed)?)))
    }

    /// Its public half, as edges are told it.
    pub(crate) fn feed_public(&self) -> Result<String> {
        Ok(hex::encode(self.feed()?.verifying_key().as_bytes()))
    }

    /// The key of keys.
    pub(crate) fn kek(&self) -> Result<[u8; 32]> {
        bytes("keys.kek", self.kek.as_deref().unwrap_or_default())
    }
}

fn bytes(name: &str, text: &str) -> Result<[u8; 32]> {
    // The error of the decoder would quote the key.
    let bytes = hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.with_context(|| format!("{name} is 64 hex digits"))
}

/// A value that a command cannot do without.
pub(crate) fn required<'a>(name: &str, value: Option<&'a String>) -> Result<&'a str> {
    let variable = name.to_uppercase().replace(['.', '-'], "_");
    value.map(String::as_str).with_context(|| format!("{name} is missing: set it in rhone.json or as RHONE_{variable}"))
}

/// A section as it is written.
pub(crate) fn value(section: &impl Serialize) -> Result<Value> {
    serde_json::to_value(section).context("a section of rhone.json is JSON")
}

/// A section of the configuration as the part that owns it reads it.
pub(crate) fn section<T: DeserializeOwned>(data: &Data, name: &str) -> Result<T> {
    let environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    section_of(&data.config(), name, environment)
}

/// The same of a file that lies elsewhere, with the environment of the part that reads it.
pub(crate) fn section_of<T: DeserializeOwned>(
    path: &Path,
    name: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<T> {
    let file: Option<Map<String, Value>> = private_file::read(path)?;
    let section = file.and_then(|mut file| file.remove(name)).unwrap_or_else(|| Value::Object(Map::new()));
    let Value::Object(section) = section else { bail!("section `{name}` of {} is no object", path.display()) };
    serde_json::from_value(Value::Object(overlaid(section, name, environment)))
        .with_context(|| format!("section `{name}` of {} with the environment", path.display()))
}

/// The section with what the environment replaces.
fn overlaid(
    mut section: Map<String, Value>,
    name: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Map<String, Value> {
    let prefix = format!("RHONE_{}_", name.to_uppercase().replace('-', "_"));
    for (variable, text) in environment {
        if let Some(key) = variable.strip_prefix(&prefix) {
            // Lists and objects are JSON; everything else is text, whatever it looks like: a key of digits is no number.
            let value = if text.starts_with(['[', '{']) { serde_json::from_str(&text).ok() } else { None };
            section.insert(key.to_lowercase(), value.unwrap_or(Value::String(text)));
        }
    }
    section
}

#[cfg(test)]
mod tests {
    //! What the environment replaces.
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("{value}") };
        object
    }

    #[test]
    fn the_environment_replaces_values_of_its_section_only() {
        let section = object(json!({ "listen": "127.0.0.1:1", "origins": [] }));
        let environment = [
            ("RHONE_SERVE_LISTEN", "127.0.0.1:2"),
            ("RHONE_SERVE_ORIGINS", r#"["http://a"]"#),
            ("RHONE_WORK_ADMIN", "127.0.0.1:3"),
        ];
        let environment = environment.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
        let expected = object(json!({ "listen": "127.0.0.1:2", "origins": ["http://a"] }));
        assert_eq!(overlaid(section, "serve", environment), expected);
    }

    #[test]
    fn a_key_of_digits_stays_text() {
        let environment = [("RHONE_KEYS_FEED".to_owned(), "12e4".to_owned())].into_iter();
        assert_eq!(overlaid(Map::new(), "keys", environment), object(json!({ "feed": "12e4" })));
    }

    #[test]
    fn a_number_is_read_as_the_environment_and_as_the_file_says_it() {
        let said = |connections: Value| {
            let section = json!({ "listen": "127.0.0.1:1", "artifacts": "/a", "connections": connections });
            serde_json::from_value::<Serve>(section).ok().map(|serve| serve.connections)
        };
        assert_eq!((said(json!("2")), said(json!(2)), said(json!("two"))), (Some(2), Some(2), None));
    }

    #[test]
    fn a_missing_value_is_named_with_its_variable() {
        let error = required("database.worker_url", None).expect_err("it is missing");
        assert!(error.to_string().contains("RHONE_DATABASE_WORKER_URL"), "{error}");
    }
}

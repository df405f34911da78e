//! Reads from an artifact's tar what its files say: `rhone.toml`, Vango's manifest and schema, the asset manifest, the source
//! facts. The trap avoided: believing a file because it is there; every refusal names the file, the field and the rule.

mod rhone_toml;
mod vango;

use crate::artifact_pack::plain_name;
use rhone_domain::{
    artifact_facts::{ArtifactFacts, AssetFacts, SourceFacts},
    digest::Digest,
    generated,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{self, Read},
};

/// No file of facts is longer; the asset manifest of a large app has a few hundred KiB.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

const RHONE: &str = "rhone.toml";
const MANIFEST: &str = "vango_state_manifest.json";
const SCHEMA: &str = "vango_state_schema.json";
const ASSETS: &str = "dist/manifest.json";
const SOURCE: &str = "rhone.source.json";

/// Where the files of migrations are.
const MIGRATIONS: &str = "migrations/";
const NAMES: [&str; 5] = [RHONE, MANIFEST, SCHEMA, ASSETS, SOURCE];

/// Why the facts of an artifact cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A field breaks a rule.
    #[error("{file}: {field}: {rule}")]
    Field {
        /// Which file.
        file: &'static str,
        /// Which field; `-` for the whole file.
        field: String,
        /// Which rule.
        rule: String,
    },
    /// The tar cannot be read.
    #[error("could not read the artifact")]
    Tar {
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl FactsError {
    fn field(file: &'static str, field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Field { file, field: field.into(), rule: rule.into() }
    }

    fn file(file: &'static str, rule: impl Into<String>) -> Self {
        Self::field(file, "-", rule)
    }
}

/// Whether a `rhone.toml` by itself is one that an artifact may carry; files that it names are not looked for.
pub fn check_rhone_toml(content: &[u8]) -> Result<(), FactsError> {
    rhone_toml::read(content, &Digests::default()).map(drop)
}

/// Reads the facts. `rhone.toml` must be there; of the others, what is absent is absent in the facts.
pub fn read_facts(tar: impl Read) -> Result<ArtifactFacts, FactsError> {
    let Found { files, digests } = collect(tar).map_err(|source| FactsError::Tar { source })??;
    let rhone = files.get(RHONE).ok_or_else(|| FactsError::file(RHONE, "is missing"))?;
    let mut facts = rhone_toml::read(rhone, &digests)?;
    facts.vango = vango::read(files.get(MANIFEST), files.get(SCHEMA))?;
    facts.assets = files.get(ASSETS).map(|content| assets(content)).transpose()?;
    facts.source = files.get(SOURCE).map(|content| source(content)).transpose()?;
    Ok(facts)
}

type Files = BTreeMap<&'static str, Vec<u8>>;

/// The digests of the files that `rhone.toml` may speak of: migrations and what is generated.
type Digests = BTreeMap<String, Digest>;

#[derive(Default)]
struct Found {
    files: Files,
    digests: Digests,
}

/// The files of facts, by name. A name that comes twice is refused: an unpacker would take the last, another the first.
fn collect(tar: impl Read) -> io::Result<Result<Found, FactsError>> {
    let mut found = Found::default();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let path = plain_name(&entry.path_bytes());
        let Some(name) = NAMES.into_iter().find(|name| path.as_os_str() == *name) else {
            if let Some(path) = path.to_str().filter(|path| is_spoken_of(path))
                && let Err(refused) = weigh(&mut found.digests, path, &mut entry)?
            {
                return Ok(Err(refused));
            }
            continue;
        };
        if !entry.header().entry_type().is_file() {
            return Ok(Err(FactsError::file(name, "must be a plain file")));
        }
        if entry.size() > FILE_LIMIT {
            return Ok(Err(FactsError::file(name, format!("must have at most {FILE_LIMIT} bytes"))));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        found.digests.insert(name.to_owned(), Digest::of(&[&content]));
        if found.files.insert(name, content).is_some() {
            return Ok(Err(FactsError::file(name, "must be there only once")));
        }
    }
    Ok(Ok(found))
}

fn is_spoken_of(path: &str) -> bool {
    path.starts_with(MIGRATIONS) || generated::may_be_declared(path)
}

/// Takes the digest of a file that `rhone.toml` may speak of.
fn weigh(
    digests: &mut Digests,
    path: &str,
    entry: &mut tar::Entry<'_, impl Read>,
) -> io::Result<Result<(), FactsError>> {
    let refused = |rule: &str| Ok(Err(FactsError::field(RHONE, path, rule)));
    if !entry.header().entry_type().is_file() {
        // A folder has no bytes; a link is as good as missing to whoever declares it.
        return Ok(Ok(()));
    }
    if entry.size() > FILE_LIMIT {
        return refused("is a file of more than 4 MiB, so that it can be neither a migration nor generated");
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    match digests.insert(path.to_owned(), Digest::of(&[&content])) {
        None => Ok(Ok(())),
        Some(_) => refused("must be there only once"),
    }
}

fn json(file: &'static str, content: &[u8]) -> Result<Value, FactsError> {
    serde_json::from_slice(content).map_err(|failure| FactsError::file(file, format!("is not JSON: {failure}")))
}

/// A text of 1 to 500 characters without control characters.
fn text(file: &'static str, field: &str, value: Option<&Value>) -> Result<String, FactsError> {
    let value = value.and_then(Value::as_str).ok_or_else(|| FactsError::field(file, field, "must be a text"))?;
    checked(file, field, value)
}

fn checked(file: &'static str, field: &str, value: &str) -> Result<String, FactsError> {
    if value.is_empty() || value.chars().count() > 500 {
        return Err(FactsError::field(file, field, "must have 1 to 500 characters"));
    }
    if value.chars().any(char::is_control) {
        return Err(FactsError::field(file, field, "must not contain control characters"));
    }
    Ok(value.to_owned())
}

fn assets(content: &[u8]) -> Result<AssetFacts, FactsError> {
    let count = match json(ASSETS, content)? {
        Value::Object(listed) => listed.len(),
        Value::Array(listed) => listed.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(FactsError::file(ASSETS, "must be an object or a list"));
        }
    };
    Ok(AssetFacts { count: count as u64, manifest: Digest::of(&[content]) })
}

fn source(content: &[u8]) -> Result<SourceFacts, FactsError> {
    let value = json(SOURCE, content)?;
    Ok(SourceFacts {
        repository: text(SOURCE, "repository", value.get("repository"))?,
        commit: text(SOURCE, "commit", value.get("commit"))?,
    })
}

#[cfg(test)]
mod tests;

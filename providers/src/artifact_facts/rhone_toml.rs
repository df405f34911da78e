//! `rhone.toml`: how an app is run, written by a person. An unknown key is refused, for it is a known one misspelt.

use super::{Digests, FactsError, MIGRATIONS, RHONE, checked};
use rhone_domain::{
    artifact_facts::{ArtifactFacts, GeneratedFacts, MigrationFacts},
    database_impact::Impact,
    generated,
    provider::{Needs, Resource},
    runtime_service::Service,
    text::MigrationName,
    variables::{Key, MOST},
    wake::ReplayContract,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RhoneToml {
    process: Vec<String>,
    health: String,
    #[serde(default)]
    sockets: Vec<String>,
    #[serde(default)]
    routes: Vec<String>,
    drain_seconds: Option<u32>,
    #[serde(default)]
    needs: BTreeMap<String, String>,
    env: Option<Env>,
    #[serde(default)]
    migrations: Vec<Migration>,
    #[serde(default)]
    generated: BTreeMap<String, String>,
    wake: Option<Wake>,
    /// How it was built: the builder's own rules, and of no meaning for bytes that are there already.
    #[serde(rename = "build")]
    _build: Option<toml::Table>,
}

/// `[env]`: the variables and secrets without which the app does not run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Env {
    required: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Migration {
    id: String,
    file: String,
    impact: Option<String>,
}

/// `[wake]`: what the app promises about requests that are held while it wakes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wake {
    hold: Vec<String>,
    idempotency_header: Option<String>,
}

/// Reads and checks the file; everything but how it runs is left absent.
pub(super) fn read(content: &[u8], digests: &Digests) -> Result<ArtifactFacts, FactsError> {
    let text = str::from_utf8(content).map_err(|_| FactsError::file(RHONE, "is not UTF-8"))?;
    let written: RhoneToml = toml::from_str(text)
        .map_err(|failure| FactsError::field(RHONE, field_of(text, &failure), failure.message()))?;
    if written.process.is_empty() || written.process.len() > 100 {
        return Err(FactsError::field(RHONE, "process", "must name a program, with at most 99 arguments"));
    }
    if written.drain_seconds.is_some_and(|seconds| seconds > 3600) {
        return Err(FactsError::field(RHONE, "drain_seconds", "must be at most 3600"));
    }
    Ok(ArtifactFacts {
        command: each("process", &written.process, checked)?,
        health_path: path(RHONE, "health", &written.health)?,
        socket_paths: each("sockets", &written.sockets, path)?,
        routes: each("routes", &written.routes, path)?,
        drain_seconds: written.drain_seconds,
        needs: Needs { variables: required(written.env)?, ..needs(&written.needs)? },
        migrations: migrations(&written.migrations, digests)?,
        generated: generated_files(&written.generated, digests)?,
        wake: written.wake.map(contract).transpose()?,
        ..ArtifactFacts::default()
    })
}

/// `[wake]`, by the contract's own rules.
fn contract(written: Wake) -> Result<ReplayContract, FactsError> {
    ReplayContract::read(written.hold, written.idempotency_header.as_deref())
        .map_err(|bad| FactsError::field(RHONE, "wake", bad.to_string()))
}

/// The key on the line where the reader stopped; `-` where it stopped at none.
fn field_of(text: &str, failure: &toml::de::Error) -> String {
    let start = failure.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = text.lines().nth(before.matches('\n').count()).unwrap_or_default();
    let missing = failure.message().strip_prefix("missing field ").map(|name| name.trim_matches('`'));
    let key = line.split_once('=').map(|(key, _)| key.trim());
    missing.or(key).filter(|key| !key.is_empty()).unwrap_or("-").to_owned()
}

/// `[needs]`: a resource or a runtime service, and what it is made of, or `any`.
fn needs(written: &BTreeMap<String, String>) -> Result<Needs, FactsError> {
    let mut needs = Needs::default();
    for (what, made_of) in written {
        if let Ok(resource) = what.parse::<Resource>() {
            needs.providers.insert(resource, one_of(what, made_of, resource.vendors())?);
        } else if let Ok(service) = what.parse::<Service>() {
            needs.services.insert(service, one_of(what, made_of, service.backends())?);
        } else {
            let known = listed(Resource::ALL) + ", " + &listed(Service::ALL);
            return Err(FactsError::field(RHONE, format!("needs.{what}"), format!("must be one of {known}")));
        }
    }
    Ok(needs)
}

/// `[env]`: the keys, by the rule of every variable.
fn required(written: Option<Env>) -> Result<BTreeSet<Key>, FactsError> {
    let keys = written.map(|env| env.required).unwrap_or_default();
    if keys.len() > MOST {
        return Err(FactsError::field(RHONE, "env.required", format!("must have at most {MOST} entries")));
    }
    let read = |(at, key): (usize, &String)| {
        Key::parse("key", key).map_err(|bad| FactsError::field(RHONE, format!("env.required[{at}]"), bad.rule))
    };
    keys.iter().enumerate().map(read).collect()
}

/// `[[migrations]]`: each with the file that holds it; without an impact, nobody says what it does.
fn migrations(written: &[Migration], digests: &Digests) -> Result<Vec<MigrationFacts>, FactsError> {
    let mut read = Vec::<MigrationFacts>::new();
    if written.len() > 1000 {
        return Err(FactsError::field(RHONE, "migrations", "must have at most 1000 entries"));
    }
    for (at, Migration { id, file, impact }) in written.iter().enumerate() {
        let refused = |field: &str, rule: String| FactsError::field(RHONE, format!("migrations[{at}].{field}"), rule);
        let id = MigrationName::parse("id", id).map_err(|invalid| refused("id", invalid.rule))?;
        if read.iter().any(|earlier| earlier.id == id) {
            return Err(refused("id", "must be there only once".into()));
        }
        let digest = digests.get(file).filter(|_| file.starts_with(MIGRATIONS)).copied();
        let digest = digest.ok_or_else(|| refused("file", "must be a packed file below `migrations/`".into()))?;
        let impact = impact.as_deref().map_or(Ok(Impact::Unknown), str::parse);
        let impact = impact.map_err(|_| refused("impact", format!("must be one of {}", listed(Impact::ALL))))?;
        read.push(MigrationFacts { id, digest, impact });
    }
    Ok(read)
}

/// `[generated]`: the digests of what was generated when it was built. What people write is not generated.
fn generated_files(
    written: &BTreeMap<String, String>,
    digests: &Digests,
) -> Result<BTreeMap<String, GeneratedFacts>, FactsError> {
    let read = |(name, declared): (&String, &String)| {
        let refused = |rule: String| FactsError::field(RHONE, format!("generated.{name}"), rule);
        if !generated::may_be_declared(name) {
            return Err(refused(format!("must be one of {}", generated::FILES.join(", "))));
        }
        let rule = "must be `sha256:` followed by 64 lower-case hex digits";
        let declared = declared.parse().map_err(|_| refused(rule.into()))?;
        Ok((name.clone(), GeneratedFacts { declared, packed: digests.get(name).copied() }))
    };
    written.iter().map(read).collect()
}

fn one_of<T: Copy + PartialEq + FromStr + ToString>(
    what: &str,
    made_of: &str,
    allowed: &[T],
) -> Result<Option<T>, FactsError> {
    if made_of == "any" {
        return Ok(None);
    }
    let known = made_of.parse::<T>().ok().filter(|word| allowed.contains(word));
    let rule = || format!("must be any, {}", listed(allowed));
    known.map(Some).ok_or_else(|| FactsError::field(RHONE, format!("needs.{what}"), rule()))
}

fn listed<T: ToString>(words: &[T]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

type Check = fn(&'static str, &str, &str) -> Result<String, FactsError>;

fn each(field: &str, values: &[String], check: Check) -> Result<Vec<String>, FactsError> {
    if values.len() > 1000 {
        return Err(FactsError::field(RHONE, field, "must have at most 1000 entries"));
    }
    let numbered = values.iter().enumerate();
    numbered.map(|(at, value)| check(RHONE, &format!("{field}[{at}]"), value)).collect()
}

fn path(file: &'static str, field: &str, value: &str) -> Result<String, FactsError> {
    if !value.starts_with('/') || value.contains([' ', '#']) {
        return Err(FactsError::field(file, field, "must be a path that begins with `/`"));
    }
    checked(file, field, value)
}

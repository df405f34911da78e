//! The reference is complete: every field that serde reads has a row, every row is a field, every default is the one that
//! holds, and every variable that the programs read is named. `docs/configuration.md` is what is printed.

use super::*;
use crate::{
    args::Verbosity,
    config::{Build, Bus, Database, Edge, Exposure, GitHub, Keys, Probes, Serve, Work},
    telemetry,
};
use rhone_api::{LoadLimits, RateLimits};
use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor, value::Error},
    forward_to_deserialize_any,
};
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

/// Hears which fields a type asks for, and answers nothing.
struct Listening<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Listening<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(serde::de::Error::custom("heard"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut heard: &'static [&'static str] = &[];
    let _ = T::deserialize(Listening(&mut heard));
    assert!(!heard.is_empty(), "it is a struct with fields");
    heard
}

fn read() -> BTreeSet<(&'static str, String)> {
    let of = |section, prefix: &str, fields: &[&str]| {
        fields.iter().map(|field| (section, format!("{prefix}{field}"))).collect::<Vec<_>>()
    };
    [
        of("database", "", fields::<Database>()),
        of("bus", "", fields::<Bus>()),
        of("keys", "", fields::<Keys>()),
        of("serve", "", fields::<Serve>()),
        of("serve", "rates.", fields::<RateLimits>()),
        of("serve", "load.", fields::<LoadLimits>()),
        of("github", "", fields::<GitHub>()),
        of("work", "", fields::<Work>()),
        of("build", "", fields::<Build>()),
        of("edge", "", fields::<Edge>()),
        of("runner", "", fields::<rhone_runner::Config>()),
        of("runner", "ports.", fields::<rhone_runner::PortRange>()),
        of("runner", "docker.", fields::<rhone_runner::Docker>()),
    ]
    .concat()
    .into_iter()
    .collect()
}

#[test]
fn every_field_has_a_row_and_every_row_is_a_field() {
    let rows: Vec<(&str, String)> =
        settings().iter().map(|setting| (setting.section, setting.key.to_owned())).collect();
    let told: BTreeSet<(&str, String)> = rows.iter().cloned().collect();
    assert_eq!(told.len(), rows.len(), "no row twice");
    assert_eq!(told, read());
    let sections: BTreeSet<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(sections, told.iter().map(|(section, _)| *section).collect());
}

#[test]
fn every_setting_says_in_what_it_is_said() {
    let mute: Vec<_> = settings().into_iter().filter(|setting| setting.unit.is_empty()).collect();
    assert!(mute.is_empty(), "without a unit: {mute:?}");
}

/// Whether a variable says in what it is said and what holds without it.
fn is_whole(variable: &Variable) -> bool {
    ![variable.unit, variable.otherwise, variable.readers, variable.meaning].iter().any(|said| said.is_empty())
}

#[test]
fn every_variable_says_in_what_it_is_said_and_what_holds_without_it() {
    let mute: Vec<_> = VARIABLES.iter().filter(|variable| !is_whole(variable)).collect();
    assert!(mute.is_empty(), "{mute:?}");
    let [sin, ..] = VARIABLES;
    assert!(!is_whole(&Variable { otherwise: "", ..sin }), "the sin is noticed");
}

/// Whether this is told of the log as what holds without `RHONE_LOG`.
fn is_logged(directives: &str) -> bool {
    let log = VARIABLES.iter().find(|variable| variable.name == "RHONE_LOG").expect("a row");
    log.otherwise.contains(&format!("`{directives}`"))
}

#[test]
fn what_is_logged_without_a_word_is_told_as_it_is() {
    assert!([Verbosity::Part, Verbosity::Quiet].into_iter().all(|verbosity| is_logged(telemetry::usual(verbosity))));
    assert!(!is_logged("info"), "the sin is noticed");
}

/// What `packaging/compose.yaml` does not say of what its parts cannot do without; `rhone.json` says the rest.
fn unsaid(compose: &str) -> Vec<String> {
    let parts = settings().into_iter().filter(|setting| ["serve", "work", "edge"].contains(&setting.section));
    let required = parts.filter(|setting| setting.otherwise == Otherwise::Required);
    required.filter_map(|setting| setting.variable()).filter(|name| !compose.contains(name.as_str())).collect()
}

#[test]
fn the_compose_file_says_all_that_its_parts_cannot_do_without() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").join("packaging/compose.yaml");
    let compose = fs::read_to_string(path).expect("it is there");
    assert_eq!(unsaid(&compose), Vec::<String>::new());
    assert_eq!(unsaid(&compose.replace("RHONE_WORK_ARTIFACTS", "")), ["RHONE_WORK_ARTIFACTS"], "the sin is noticed");
}

/// Variables that are said there, and that nobody reads.
fn unread(text: &str) -> BTreeSet<&str> {
    let settings: BTreeSet<String> = settings().iter().filter_map(Setting::variable).collect();
    let known = |word: &str| settings.contains(word) || VARIABLES.iter().any(|variable| variable.name == word);
    let words = text.split(|sign: char| !(sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_'));
    words.filter(|word| word.starts_with("RHONE_") && !known(word)).collect()
}

#[test]
fn what_is_packed_and_how_it_is_installed_names_no_variable_that_nobody_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout");
    let units = ["api", "worker", "edge", "runner"].map(|part| format!("packaging/systemd/rhone-{part}.service"));
    let others = ["packaging/compose.yaml", "packaging/Dockerfile", "docs/install.md"].map(str::to_owned);
    for name in units.into_iter().chain(others) {
        let text = fs::read_to_string(root.join(&name)).expect("it is there");
        assert_eq!(unread(&text), BTreeSet::new(), "{name}");
    }
    let sin = "environment:\n  RHONE_WORK_ARTEFACTS: /var/lib/rhone/artifacts\n  RHONE_WORK_ADMIN: 127.0.0.1:8081\n";
    let found = unread(sin);
    assert_eq!(found.iter().filter_map(|name| name.strip_prefix("RHONE_")).collect::<Vec<_>>(), ["WORK_ARTEFACTS"]);
}

#[test]
fn a_default_is_the_one_that_holds() {
    let here = "127.0.0.1:1";
    let serve: Serve = serde_json::from_value(json!({ "listen": here, "artifacts": "a" })).expect("what is required");
    let work: Work = serde_json::from_value(json!({ "admin": here, "artifacts": "a" })).expect("what is required");
    assert!(serve.origins.is_empty() && serve.exposure == Exposure::Production && work.probes == Probes::Public);
    let runner: rhone_runner::Config = serde_json::from_value(json!({
        "data_dir": "d", "control_url": "u", "token": "t", "host": uuid::Uuid::nil(), "gate_command": [], "admin": here,
    }))
    .expect("what is required");
    let said = |section: &str, key: &str| {
        let all = settings();
        let found = all.iter().find(|setting| setting.section == section && setting.key == key);
        match &found.expect("a row").otherwise {
            Otherwise::Is(value) => value.clone(),
            other @ (Otherwise::Required | Otherwise::Nothing) => panic!("{section}.{key}: {other:?}"),
        }
    };
    assert_eq!(said("runner", "log_bytes"), runner.log_bytes.to_string());
    assert_eq!(said("runner", "artifact_bytes"), runner.artifact_bytes.to_string());
    assert_eq!(said("runner", "log_backlog_bytes"), runner.log_backlog_bytes.to_string());
    assert_eq!(said("runner", "log_lines_per_second"), runner.log_lines_per_second.to_string());
    assert_eq!(
        [said("work", "log_days"), said("work", "log_mib")],
        [work.log_days, work.log_mib].map(|n| n.to_string())
    );
    assert_eq!(said("runner", "ports.first"), runner.ports.first.to_string());
    assert_eq!(said("serve", "rates.token"), serve.rates.token.per_minute.to_string());
    assert_eq!([said("serve", "exposure"), said("work", "probes")], ["production", "public"]);
}

#[test]
fn what_is_required_is_what_serde_and_the_parts_ask_for() {
    let required = |section: &str| -> BTreeSet<&str> {
        let all = settings();
        let of =
            all.into_iter().filter(|setting| setting.section == section && setting.otherwise == Otherwise::Required);
        of.map(|setting| setting.key).collect()
    };
    assert!(serde_json::from_value::<Edge>(json!({})).is_err());
    for section in ["serve", "work", "edge", "runner"] {
        for key in required(section) {
            let whole = required(section).into_iter().filter(|other| *other != key);
            let lacking: serde_json::Map<String, Value> = whole.map(|key| (key.to_owned(), sample(key))).collect();
            assert!(!is_read(section, &lacking), "{section} does without {key}");
        }
        let whole = required(section).into_iter().map(|key| (key.to_owned(), sample(key))).collect();
        assert!(is_read(section, &whole), "{section} needs more than {whole:?}");
    }
}

fn sample(key: &str) -> Value {
    match key {
        "listen" | "admin" => json!("127.0.0.1:1"),
        "gate_command" => json!(["rhone"]),
        "region" | "host" => json!(uuid::Uuid::nil()),
        _ => json!("text"),
    }
}

fn is_read(section: &str, value: &serde_json::Map<String, Value>) -> bool {
    fn can<T: DeserializeOwned>(value: &serde_json::Map<String, Value>) -> bool {
        T::deserialize(Value::Object(value.clone())).is_ok()
    }
    match section {
        "serve" => can::<Serve>(value),
        "work" => can::<Work>(value),
        "edge" => can::<Edge>(value),
        "runner" => can::<rhone_runner::Config>(value),
        other => panic!("{other}"),
    }
}

/// What an app is told, not what tells us.
const OF_APPS: [&str; 4] = ["RHONE_ALLOCATION", "RHONE_DEPLOYMENT", "RHONE_ENVIRONMENT", "RHONE_REGION"];

#[test]
fn every_variable_that_is_read_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout");
    let named: BTreeSet<String> = settings().iter().filter_map(Setting::variable).collect();
    let mut looked_at = 0;
    for folder in ["cli", "edge", "runner", "workers", "api", "eventstore", "providers"] {
        for path in sources(&root.join(folder).join("src")) {
            let text = fs::read_to_string(&path).expect("a source");
            for word in text.split('"').filter(|word| word.starts_with("RHONE_") && !word.contains([' ', '{'])) {
                looked_at += 1;
                let known = VARIABLES.iter().any(|variable| variable.name == word)
                    || named.contains(word)
                    || OF_APPS.contains(&word)
                    // The name of a stream, and a beginning.
                    || ["RHONE_ROUTES", "RHONE_"].contains(&word);
                assert!(known, "{word} of {} is not in the reference", path.display());
            }
        }
    }
    assert!(looked_at > 10, "the sources are found: {looked_at}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_section_that_is_read_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for path in sources(&root) {
        let text = fs::read_to_string(&path).expect("a source");
        for (at, _) in text.match_indices("(data, \"") {
            let before = &text[..at];
            if before.ends_with("section")
                || before.rsplit_once("section::<").is_some_and(|(_, rest)| !rest.contains('('))
            {
                found.insert(text[at + 8..].split('"').next().unwrap_or_default().to_owned());
            }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    for section in found {
        assert!(SECTIONS.iter().any(|(name, _)| *name == section), "section {section} is not in the reference");
    }
}

#[test]
fn docs_configuration_is_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").join("docs/configuration.md");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, markdown()).expect("it can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == markdown(), "docs/configuration.md is stale: UPDATE=1 cargo test -p rhone --lib config");
}

#[test]
fn the_json_says_the_same_and_shows_no_value() {
    let said = json();
    let settings = said["settings"].as_array().expect("a list");
    let feed = settings.iter().find(|setting| setting["key"] == "feed").expect("the feed's key");
    assert_eq!(feed["variable"], "RHONE_KEYS_FEED");
    assert_eq!((feed["secret"].as_bool(), &feed["otherwise"]["kind"]), (Some(true), &json!("required")));
}

//! Facts as an app's files state them, and refusals that name file and field.
use super::*;
use crate::artifact_pack::pack_directory;
use rhone_domain::{
    artifact_facts::{MigrationFacts, PersistedFacts, VangoFacts},
    database_impact::Impact,
    generated::Freshness,
    provider::{Needs, Resource, Vendor},
    runtime_service::Service,
    text::MigrationName,
};
use std::fs;

const RUN: &str = "process = [\"./counter\", \"--quiet\"]\nhealth = \"/health\"\nsockets = [\"/_vango/ws\"]\n\
                   routes = [\"/\", \"/sessions\"]\ndrain_seconds = 30\n";

fn facts(files: &[(&str, &str)]) -> Result<ArtifactFacts, FactsError> {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let mut tar = Vec::new();
    pack_directory(folder.path(), &mut tar).unwrap();
    read_facts(tar.as_slice())
}

fn refusal(files: &[(&str, &str)]) -> String {
    facts(files).expect_err("it is refused").to_string()
}

#[test]
fn every_file_adds_its_facts() {
    let manifest = r#"{"manifestVersion":"1.0","buildSchema":"bs:v1:1","sessionKeys":null,"new":1.5,"primitives":{
        "a.Counter#0":{"stableID":"c0ffee01","codecFingerprint":"fp:v1:1","persisted":true},
        "a.Counter#1":{"stableID":"c0ffee03","codecFingerprint":"fp:v1:2","persisted":false}}}"#;
    let schema = r#"{"buildSchema":"bs:v1:1","schemaHash":"sha256:1","sessionKeys":["cart",{"key":"user","type":"int"}],
        "persistedPrimitives":{"c0ffee01":{"kind":"signal","codecFingerprint":"fp:v1:1"}}}"#;
    let assets = r#"{"index.html":"index.1.html"}"#;
    let found = facts(&[
        ("rhone.toml", RUN),
        ("vango_state_manifest.json", manifest),
        ("vango_state_schema.json", schema),
        ("dist/manifest.json", assets),
        ("rhone.source.json", r#"{"repository":"https://rhone.example/counter","commit":"0123"}"#),
    ]);
    let text = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    let counter =
        PersistedFacts { anchor: Some("a.Counter#0".into()), kind: Some("signal".into()), ..PersistedFacts::default() };
    let expected = ArtifactFacts {
        command: vec!["./counter".into(), "--quiet".into()],
        health_path: "/health".into(),
        socket_paths: vec!["/_vango/ws".into()],
        routes: vec!["/".into(), "/sessions".into()],
        drain_seconds: Some(30),
        assets: Some(AssetFacts { count: 1, manifest: Digest::of(&[assets.as_bytes()]) }),
        vango: Some(VangoFacts {
            manifest_version: "1.0".into(),
            build_schema: "bs:v1:1".into(),
            schema_hash: Some("sha256:1".into()),
            persisted: [text(("c0ffee01", "fp:v1:1"))].into(),
            session_keys: [text(("cart", "cart")), text(("user", r#"{"key":"user","type":"int"}"#))].into(),
            schema_version: None,
            details: [("c0ffee01".to_owned(), counter)].into(),
        }),
        source: Some(SourceFacts { repository: "https://rhone.example/counter".into(), commit: "0123".into() }),
        ..ArtifactFacts::default()
    };
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn needs_are_read_by_word_and_an_unknown_one_is_refused() {
    let with = |needs: &str| format!("{RUN}[needs]\n{needs}\n");
    let found = facts(&[("rhone.toml", &with("database = \"postgres\"\nbroadcast = \"any\""))]).unwrap();
    let needs = Needs {
        providers: [(Resource::Database, Some(Vendor::Postgres))].into(),
        services: [(Service::Broadcast, None)].into(),
        ..Needs::default()
    };
    assert_eq!(found.needs, needs);
    for (wrong, expected) in [
        ("sessions = \"any\"", "rhone.toml: needs.sessions: must be one of database, email, api, session_store, "),
        ("database = \"nats\"", "rhone.toml: needs.database: must be any, postgres"),
        ("broadcast = \"postgres\"", "rhone.toml: needs.broadcast: must be any, redis, nats, memory"),
    ] {
        let refused = refusal(&[("rhone.toml", &with(wrong))]);
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn required_variables_are_keys_like_any_other() {
    let with = |keys: &str| format!("{RUN}[env]\nrequired = [{keys}]\n");
    let found = facts(&[("rhone.toml", &with("\"TOKEN\", \"MAIL_FROM\""))]).unwrap().needs.variables;
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["MAIL_FROM", "TOKEN"]);
    assert!(facts(&[("rhone.toml", &with(""))]).unwrap().needs.is_empty());
    for (wrong, expected) in [
        ("\"token\"", "rhone.toml: env.required[0]: a capital letter, then"),
        ("\"TOKEN\", \"PORT\"", "rhone.toml: env.required[1]: PORT is set by the platform"),
        ("7", "rhone.toml: required: "),
    ] {
        let refused = refusal(&[("rhone.toml", &with(wrong))]);
        assert!(refused.starts_with(expected), "{refused}");
    }
    let misspelt = refusal(&[("rhone.toml", &format!("{RUN}[env]\nneeded = []\n"))]);
    assert!(misspelt.contains("unknown field `needed`"), "{misspelt}");
}

#[test]
fn migrations_are_declared_with_their_file_and_impact() {
    let sql = ("migrations/1.sql", "ALTER TABLE orders DROP COLUMN note");
    let with = |more: &str| format!("{RUN}[[migrations]]\n{more}\n");
    let good = with("id = \"0001\"\nfile = \"migrations/1.sql\"\nimpact = \"destructive\"");
    let found = facts(&[("rhone.toml", &good), sql]).unwrap().migrations;
    let digest = Digest::of(&[sql.1.as_bytes()]);
    let id = MigrationName::parse("id", "0001").unwrap();
    assert_eq!(found, [MigrationFacts { id, digest, impact: Impact::Destructive }]);
    let silent = with("id = \"0001\"\nfile = \"migrations/1.sql\"");
    assert_eq!(facts(&[("rhone.toml", &silent), sql]).unwrap().migrations[0].impact, Impact::Unknown);
    for (wrong, expected) in [
        ("id = \"a b\"\nfile = \"migrations/1.sql\"", "rhone.toml: migrations[0].id: 1 to 200 of"),
        ("id = \"1\"\nfile = \"migrations/2.sql\"", "rhone.toml: migrations[0].file: must be a packed file"),
        ("id = \"1\"\nfile = \"rhone.toml\"", "rhone.toml: migrations[0].file: must be a packed file"),
        (
            "id = \"1\"\nfile = \"migrations/1.sql\"\nimpact = \"big\"",
            "rhone.toml: migrations[0].impact: must be one of none, additive, backward_compatible, destructive, unknown",
        ),
        (
            "id = \"1\"\nfile = \"migrations/1.sql\"\n[[migrations]]\nid = \"1\"\nfile = \"migrations/1.sql\"",
            "rhone.toml: migrations[1].id: must be there only once",
        ),
    ] {
        let refused = refusal(&[("rhone.toml", &with(wrong)), sql]);
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn generated_files_are_compared_with_what_was_declared() {
    let (routes, text) = ("app/routes/routes_gen.go", "package routes");
    let digest = Digest::of(&[text.as_bytes()]);
    let with = |name: &str, digest: &str| format!("{RUN}[generated]\n\"{name}\" = \"{digest}\"\n");
    let found = |declared: Digest, files: &[(&str, &str)]| {
        let toml = with(routes, &declared.to_string());
        generated::freshness(&facts(&[&[("rhone.toml", toml.as_str())], files].concat()).unwrap())
    };
    assert_eq!(found(digest, &[(routes, text)]), Freshness::Fresh);
    assert_eq!(found(digest, &[(routes, "package stale")]), Freshness::Stale);
    assert_eq!(found(digest, &[]), Freshness::Stale);
    for (name, digest, expected) in [
        ("rhone.toml", digest.to_string(), "rhone.toml: generated.rhone.toml: must be one of app/routes/routes_gen.go"),
        (routes, "md5:1".into(), "rhone.toml: generated.app/routes/routes_gen.go: must be `sha256:`"),
    ] {
        let refused = refusal(&[("rhone.toml", &with(name, &digest))]);
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn what_is_absent_is_absent() {
    let found = facts(&[("rhone.toml", "process = [\"./a\"]\nhealth = \"/\"\n"), ("other/rhone.toml", "=")]).unwrap();
    assert_eq!((found.assets, found.vango, found.source, found.drain_seconds), (None, None, None, None));
}

#[test]
fn a_manifest_without_persisted_state_says_so() {
    let manifest = r#"{"manifestVersion":"1.0","buildSchema":"b","primitives":null}"#;
    let schema = r#"{"buildSchema":"b","schemaHash":"h","persistedPrimitives":null,"sessionKeys":null}"#;
    let found = facts(&[("rhone.toml", RUN), (MANIFEST, manifest), (SCHEMA, schema)]).unwrap().vango.unwrap();
    assert!(found.persisted.is_empty() && found.session_keys.is_empty());
}

#[test]
fn a_bad_rhone_toml_is_refused_by_field() {
    for (content, expected) in [
        ("health = \"/\"\n", "rhone.toml: process: missing field `process`"),
        ("process = []\nhealth = \"/\"\n", "rhone.toml: process: must name a program, with at most 99 arguments"),
        ("process = [\"./a\", \"\"]\nhealth = \"/\"\n", "rhone.toml: process[1]: must have 1 to 500 characters"),
        ("process = [\"./a\"]\nhealth = \"health\"\n", "rhone.toml: health: must be a path that begins with `/`"),
        ("process = [\"a\\u0000\"]\nhealth = \"/\"\n", "rhone.toml: process[0]: must not contain control characters"),
    ] {
        assert_eq!(refusal(&[("rhone.toml", content)]), expected);
    }
    let misspelt = refusal(&[("rhone.toml", &format!("{RUN}helth = \"/\"\n"))]);
    assert!(misspelt.starts_with("rhone.toml: helth: unknown field"), "{misspelt}");
    let negative = refusal(&[("rhone.toml", &RUN.replace("30", "-1"))]);
    assert!(negative.starts_with("rhone.toml: drain_seconds: "), "{negative}");
    assert_eq!(refusal(&[("a", "")]), "rhone.toml: -: is missing");
}

#[test]
fn bad_json_is_refused_by_file_and_field() {
    let run = ("rhone.toml", RUN);
    for (file, content, expected) in [
        (MANIFEST, "{", "vango_state_manifest.json: -: is not JSON"),
        (MANIFEST, "{}", "vango_state_manifest.json: manifestVersion: must be a text"),
        (SCHEMA, "{}", "vango_state_manifest.json: -: is missing"),
        (ASSETS, "1", "dist/manifest.json: -: must be an object or a list"),
        (SOURCE, r#"{"repository":"r"}"#, "rhone.source.json: commit: must be a text"),
    ] {
        let refused = refusal(&[run, (file, content)]);
        assert!(refused.starts_with(expected), "{refused}");
    }
    let manifest =
        r#"{"manifestVersion":"1.0","buildSchema":"b","primitives":{"a":{"persisted":true,"codecFingerprint":"1"}}}"#;
    let schema = r#"{"buildSchema":"b","schemaHash":"h","persistedPrimitives":{"a":"2"}}"#;
    let refused = refusal(&[run, (MANIFEST, manifest), (SCHEMA, schema)]);
    assert!(refused.starts_with("vango_state_schema.json: persistedPrimitives.a: is declared twice"), "{refused}");
}

#[test]
fn a_file_of_facts_that_is_a_link_or_comes_twice_is_refused() {
    let twice = {
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["rhone.toml", "./rhone.toml"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(RUN.len() as u64);
            tar.append_data(&mut header, name, RUN.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    };
    let refused = read_facts(twice.as_slice()).expect_err("it is refused").to_string();
    assert_eq!(refused, "rhone.toml: -: must be there only once");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "rhone.toml", "other.toml").unwrap();
    let refused = read_facts(tar.into_inner().unwrap().as_slice()).expect_err("it is refused").to_string();
    assert_eq!(refused, "rhone.toml: -: must be a plain file");
}

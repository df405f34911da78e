//! Backup and restore: what was promoted after the backup is lost, and no edge ever goes back below what it served; damage is
//! named before anything is touched; nothing that exists is written over; no key is anywhere in clear. The trap avoided: a
//! restore that is proven on the platform it came from; it is proven on a fresh one, with an edge that has seen more.

mod stood;

use rhone_providers::servers::Postgres;
use rhone_tests::{
    artifacts::Version,
    database::connect,
    edge,
    graphql::{http, unique},
    platform::{Platform, database_is_foreign},
    private_repositories::PrivateRepositories,
    program::{self, text},
    report::{self, Report},
    repository::Repository,
    scan::{Needle, below},
    story::{Deployed, Tenant},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;
use std::{
    fs,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

const PASSPHRASE: &str = "the bridge below the weir";

/// Where backups go, and the passphrase's file.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("rhone-backup-").tempdir_in("/var/tmp").expect("a folder");
        // A restore by root starts PostgreSQL as another user, who must be able to enter.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("ours");
        let mut file = fs::OpenOptions::new();
        let mut file = file.create_new(true).write(true).mode(0o600).open(folder.path().join("passphrase"));
        std::io::Write::write_all(file.as_mut().expect("made"), PASSPHRASE.as_bytes()).expect("written");
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `rhone WORDS --passphrase FILE` on a data folder.
    async fn rhone(&self, data: &Path, words: &[&str]) -> Output {
        let passphrase = self.at("passphrase");
        program::rhone(data, &[words, &["--passphrase", passphrase.to_str().expect("text")]].concat()).await
    }

    async fn restored(&self, data: &Path, backup: &Path, more: &[&str]) -> Output {
        self.rhone(data, &[&["restore", backup.to_str().expect("text")], more].concat()).await
    }

    /// A backup that is the same but for what is done to it.
    fn copied(&self, backup: &Path, name: &str) -> PathBuf {
        let to = self.at(name);
        copy(backup, &to);
        to
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "it was not refused: {}", said(output));
    said(output)
}

async fn promote(tenant: &Tenant, deployed: &Deployed) -> u64 {
    tenant.succeeds(&tenant.promote(deployed).await).await;
    tenant.owner().await["epoch"].as_u64().expect("an epoch")
}

/// A repository that only the app's credential opens.
async fn private_source(tenant: &Tenant, shown: &str) -> PrivateRepositories {
    let repository = Repository::of_python();
    repository.commit_version("private");
    let private = PrivateRepositories::start(repository, "alice", shown);
    let input = json!({ "appId": tenant.app, "host": private.host(), "username": "alice", "secret": shown });
    tenant.client.done("appSourceCredentialSet", "app { id }", input).await;
    private
}

async fn is_deployed(tenant: &Tenant, private: &PrivateRepositories) {
    let input = json!({ "environmentId": tenant.preview.id, "repository": private.address(), "reference": "main" });
    let made = tenant.client.done("deploymentBuild", "__typename", input).await;
    let ended = tenant.ends(made["operation"]["id"].as_str().expect("an id")).await;
    assert_eq!(ended["stage"], "PREVIEW_READY", "{ended:#}");
    assert!(private.saw().lines().any(|line| line.contains("Basic") && !line.ends_with("Basic Og==")));
}

/// The app that owns production has the very value: it says the digest of what it was started with.
async fn has_its_secret(tenant: &Tenant, secret: &str) {
    let wanted = format!("{:x}", Sha256::digest(secret));
    let seen = async || {
        let reply = edge::get(&tenant.edge, &tenant.production.host, "/variables/TOKEN").await?;
        (reply.status == 200 && reply.text == wanted).then_some(())
    };
    until("the app has its secret", PATIENCE, seen).await;
}

/// What must never be seen: keys of the platform, the passphrase, and secrets of a tenant.
fn needles(data: &Path, [secret, shown]: [&str; 2]) -> Vec<(&'static str, Needle)> {
    let keys: Value = report::read(&data.join("keys.json")).expect("there are keys");
    let vault: Value = report::read(&data.join("vault-keys.json")).expect("there are vault keys");
    let name = vault["current"].as_str().expect("one is current");
    let of = |value: &Value| Needle::new(value.as_str().expect("text"));
    vec![
        ("the feed's key", of(&keys["feed"])),
        ("the key of persons' keys", of(&keys["kek"])),
        ("the vault's key", of(&vault["keys"][name])),
        ("the passphrase", Needle::new(PASSPHRASE)),
        ("a tenant's secret", Needle::new(secret)),
        ("what a source is read with", Needle::new(shown)),
    ]
}

/// The lowest epoch at which the edge of a platform, which is perhaps not up yet, ever said that an environment is.
struct Watched {
    lowest: Arc<Mutex<Option<u64>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watched {
    fn begin(data: &Path, environment: &str) -> Self {
        let lowest = Arc::new(Mutex::new(None::<u64>));
        let (report, plain, kept) =
            (data.join("up.json"), environment.trim_start_matches("env_").to_owned(), Arc::clone(&lowest));
        let task = tokio::spawn(async move {
            loop {
                if let Some(epoch) = look(&report, &plain).await {
                    let mut kept = kept.lock().expect("nobody panics");
                    *kept = Some(kept.map_or(epoch, |lowest| lowest.min(epoch)));
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        Self { lowest, task }
    }

    fn end(self) -> u64 {
        self.task.abort();
        let lowest = *self.lowest.lock().expect("nobody panics");
        lowest.expect("the edge was asked and answered")
    }
}

async fn look(path: &Path, plain: &str) -> Option<u64> {
    let report: Report = report::read(path)?;
    let answer = http().get(format!("{}/table", report.urls.edge_admins.first()?)).send().await.ok()?;
    let table: Value = answer.json().await.ok()?;
    let routes = table["routes"].as_array()?;
    let ours = |route: &&Value| route["route"]["environment"].as_str().is_some_and(|id| id.replace('-', "") == plain);
    routes.iter().find(ours)?["route"]["epoch"].as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_after_a_backup_never_brings_an_epoch_back() {
    if database_is_foreign() {
        eprintln!("SKIPPED: a restore needs an empty database, and DATABASE_URL names one that is in use");
        return;
    }
    let (place, secret, shown) = (Place::new(), unique("canary"), unique("canary-of-a-host"));
    let backup = place.at("backup");
    let platform = Platform::start().await;
    let mut tenant = Tenant::open(&platform, platform.developer()).await;
    let input = json!({ "environmentId": tenant.production.id,
        "variables": [{ "key": "TOKEN", "value": secret, "kind": "SECRET" }] });
    tenant.client.done("environmentVariablesSet", "environment { id }", input).await;
    let private = private_source(&tenant, &shown).await;
    let (blue, green) = (tenant.deploy(Version::Blue).await, tenant.deploy(Version::Green).await);
    promote(&tenant, &blue).await;
    let kept = promote(&tenant, &green).await;
    let here = stood::last(&platform).await;
    let told = done(&place.rhone(&platform.data(), &["backup", backup.to_str().expect("text")]).await);
    stood::is_told(&platform, &backup, here, &told).await;
    let lost = promote(&tenant, &blue).await;
    assert!(lost > kept);
    until("the edge has the later epoch on its disk", PATIENCE, async || {
        (edge::route(&platform, &tenant.production.id).await["route"]["epoch"] == lost).then_some(())
    })
    .await;
    has_its_secret(&tenant, &secret).await;
    let needles = needles(&platform.data(), [&secret, &shown]);
    nothing_is_in_clear(&backup, &told, &needles);
    nothing_is_written_over(&place, &backup, &platform, &tenant).await;
    platform.end().await;
    copy(&platform.data().join("edge-1"), &place.at("edge-1"));
    drop(platform);

    damage_is_named(&place, &backup, &blue).await;
    a_drill_proves_it_and_leaves_nothing(&place, &backup, &needles).await;

    a_database_of_somebody_else_takes_it(&place, &backup).await;

    let mut watched = None;
    let fresh = Platform::start_prepared(async |data: &Path| {
        let told = done(&place.restored(data, &backup, &[]).await);
        assert!(needles.iter().all(|(_, needle)| !needle.is_in(&told)), "{told}");
        copy(&place.at("edge-1"), &data.join("edge-1"));
        watched = Some(Watched::begin(data, &tenant.production.id));
    })
    .await;
    tenant.client = fresh.developer();
    tenant.edge.clone_from(&fresh.report().urls.edges[0]);
    edge::serves(&tenant.edge, &tenant.production.host, "green").await;
    let owner = tenant.owner().await;
    assert_eq!(owner["deploymentId"], green.id, "the owner of the backup");
    assert_eq!(owner["epoch"].as_u64(), Some(kept + 1_000));
    has_its_secret(&tenant, &secret).await;
    is_deployed(&tenant, &private).await;
    let after = promote(&tenant, &blue).await;
    assert_eq!(after, kept + 1_001);
    edge::serves(&tenant.edge, &tenant.production.host, "blue").await;
    let lowest = watched.expect("it was begun").end();
    assert!(lowest >= lost, "the edge went back to {lowest} after it had served {lost}");
    let verified = fresh.rhone(&["verify"]).await;
    assert!(verified.status.success(), "{}", said(&verified));
}

fn nothing_is_in_clear(backup: &Path, told: &str, needles: &[(&str, Needle)]) {
    for (what, needle) in needles {
        assert!(!needle.is_in(told), "{what} was said: {told}");
        let scan = below(backup, needle);
        assert!(scan.files > 3, "the backup's files are read: {scan:?}");
        assert_eq!(scan.found, [] as [String; 0], "{what} lies in clear");
    }
    // The trap: a scan that would not find it.
    let planted = backup.join("planted");
    fs::write(&planted, format!("note: {PASSPHRASE}")).expect("ours");
    assert_eq!(below(backup, &Needle::new(PASSPHRASE)).found.len(), 1);
    fs::remove_file(planted).expect("ours");
    for name in ["keys.age", "database.dump", "manifest.json"] {
        let mode = fs::metadata(backup.join(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

async fn nothing_is_written_over(place: &Place, backup: &Path, platform: &Platform, tenant: &Tenant) {
    let (before, data) = (tenant.owner().await, platform.data());
    let again = place.rhone(&data, &["backup", backup.to_str().expect("text")]).await;
    assert!(refused(&again).contains("not empty"));
    let over = refused(&place.restored(&data, backup, &[]).await);
    assert!(over.contains("not empty") && over.contains(data.to_str().expect("text")), "{over}");
    let url = platform.addresses().database.admin_url;
    let over = refused(&place.restored(&place.at("empty"), backup, &["--database-url", &url]).await);
    assert!(over.contains("the database rhone is not empty"), "{over}");
    assert!(!over.contains(&url), "the URL holds a password");
    assert_eq!(tenant.owner().await, before, "the platform that runs was not touched");
}

async fn damage_is_named(place: &Place, backup: &Path, deployed: &Deployed) {
    let digits = deployed.digest.trim_start_matches("sha256:");
    let artifact = format!("artifacts/sha256/{}/{digits}", &digits[..2]);
    for (part, named) in [("database.dump", "database.dump"), ("keys.age", "keys.age"), (artifact.as_str(), digits)] {
        let damaged = place.copied(backup, &format!("damaged-{named}"));
        let mut bytes = fs::read(damaged.join(part)).expect("it is there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(damaged.join(part), bytes).expect("ours");
        let told = refused(&place.restored(&place.at("never"), &damaged, &[]).await);
        assert!(told.contains(named) && told.contains("damaged"), "{told}");
        assert!(!place.at("never").exists(), "nothing was begun");
    }
    let lowered = place.copied(backup, "lowered");
    let mut manifest: Value = report::read(&lowered.join("manifest.json")).expect("there is one");
    for epoch in manifest["epochs"].as_object_mut().expect("epochs").values_mut() {
        *epoch = json!(1);
    }
    fs::write(lowered.join("manifest.json"), manifest.to_string()).expect("ours");
    let told = refused(&place.restored(&place.at("never"), &lowered, &[]).await);
    assert!(told.contains("the manifest is not the one"), "{told}");
    fs::remove_file(lowered.join("manifest.json")).expect("ours");
    assert!(refused(&place.restored(&place.at("never"), &lowered, &[]).await).contains("did not end"));
}

/// On a cluster whose administrator has another name than the backup's: what that one owned is the new one's.
async fn a_database_of_somebody_else_takes_it(place: &Place, backup: &Path) {
    let server = Postgres::start_for_test(&place.at("cluster")).await.expect("a cluster");
    let mut first = connect(&server.url("postgres")).await;
    let helper = "CREATE ROLE helper SUPERUSER LOGIN PASSWORD 'helper'";
    for make in [helper, "CREATE DATABASE target", "CREATE DATABASE taken"] {
        sqlx::query(make).execute(&mut first).await.expect("the administrator may");
    }
    first.close().await.expect("closes");
    let by_helper = format!("postgres://helper:helper@127.0.0.1:{}/target", server.port());
    sqlx::raw_sql("ALTER ROLE rhone_root RENAME TO boss")
        .execute(&mut connect(&by_helper).await)
        .await
        .expect("a superuser may");
    let [url, taken] = ["target", "taken"].map(|name| server.url(name).replace("rhone_root:", "boss:"));
    // One that fails leaves no guest, or the next one would leave everything to it.
    sqlx::raw_sql("CREATE SCHEMA log").execute(&mut connect(&taken).await).await.expect("the administrator may");
    let told = refused(&place.restored(&place.at("begun"), backup, &["--database-url", &taken]).await);
    assert!(told.contains("pg_restore failed"), "{told}");
    let data = place.at("elsewhere");
    done(&place.restored(&data, backup, &["--database-url", &url, "--raise-epochs-by", "7"]).await);
    let look = "SELECT count(*) FROM pg_roles WHERE rolname = 'rhone_root'";
    let former: i64 = sqlx::query_scalar(look).fetch_one(&mut connect(&url).await).await.expect("it can be asked");
    assert_eq!(former, 0, "the former administrator was a guest");
    let look = "SELECT tableowner::text FROM pg_tables WHERE tablename = '_sqlx_migrations'";
    let owner: String = sqlx::query_scalar(look).fetch_one(&mut connect(&url).await).await.expect("it can be asked");
    assert_eq!(owner, "boss");
    let verified = done(&program::rhone(&data, &["verify", "--json"]).await);
    assert!(verified.contains("\"problems\":[]"), "{verified}");
    what_is_not_what_the_log_says_fails_a_drill(place, &data, &url).await;
    server.stop().await;
}

/// The sins: backups of a database in which somebody changed by hand what follows from the log. Their digests are right.
async fn what_is_not_what_the_log_says_fails_a_drill(place: &Place, data: &Path, url: &str) {
    let route = "FROM authority.route_owners WHERE deployment IS NOT NULL";
    let lower = format!(
        "CREATE TABLE kept AS SELECT * {route}; UPDATE authority.route_owners SET epoch = 1, \
         body = jsonb_set(body::jsonb, '{{epoch}}', '1')::json WHERE deployment IS NOT NULL"
    );
    let gone = format!("CREATE TABLE kept AS SELECT * {route}; DELETE {route}");
    let back = "DELETE FROM authority.route_owners WHERE environment IN (SELECT environment FROM kept); \
        INSERT INTO authority.route_owners SELECT * FROM kept; DROP TABLE kept";
    let entry = "DELETE FROM catalogue.entries WHERE ctid = (SELECT ctid FROM catalogue.entries LIMIT 1)";
    let differs = "read models built anew from the log differ: catalogue in 1 rows of table entries";
    let scratch = place.at("scratch");
    let words = ["--drill", "--scratch", scratch.to_str().expect("text")];
    for (name, sin, undone, named) in [
        ("lower", lower.as_str(), back, "is not what its stream folds to"),
        ("gone", gone.as_str(), back, "is not what its stream folds to"),
        ("entry", entry, "SELECT 1", differs),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sin.to_owned())).execute(&mut connect(url).await).await.expect("may do all");
        let backup = place.at(&format!("sin-{name}"));
        done(&place.rhone(data, &["backup", backup.to_str().expect("text")]).await);
        let told = refused(&place.restored(&place.at("unused"), &backup, &words).await);
        assert!(told.contains(named), "{name}: {told}");
        assert_eq!(told.contains("the backup cannot be restored"), name != "entry", "{name}: {told}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(undone.to_owned()))
            .execute(&mut connect(url).await)
            .await
            .expect("may do all");
    }
    // What lacks an entry, but is said to be of another version, has nothing to be compared with; that is told, and no success.
    let other = "COMMENT ON SCHEMA catalogue IS 'version 999'";
    sqlx::raw_sql(other).execute(&mut connect(url).await).await.expect("may do all");
    let backup = place.at("another-version");
    done(&place.rhone(data, &["backup", backup.to_str().expect("text")]).await);
    let told = done(&place.restored(&place.at("unused"), &backup, &words).await);
    let named = told.lines().any(|line| line.contains("read model catalogue: ") && line.contains("of version 999"));
    assert!(named, "{told}");
}

async fn a_drill_proves_it_and_leaves_nothing(place: &Place, backup: &Path, needles: &[(&str, Needle)]) {
    let scratch = place.at("scratch");
    fs::create_dir(&scratch).expect("ours");
    let (passphrase, unused) = (place.at("passphrase"), place.at("unused"));
    let word = |path: &Path| path.to_str().expect("text").to_owned();
    let words = ["restore".into(), word(backup), "--passphrase".into(), word(&passphrase), "--drill".into()];
    let words = [&words[..], &["--scratch".into(), word(&scratch), "--json".into()]].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The platform that runs, as its units name it: a drill must not look at it.
    let elsewhere = [("RHONE_DATABASE_WORKER_URL", "postgres://nobody@127.0.0.1:1/nowhere"), ("RHONE_KEYS_FEED", "00")];
    let output = program::rhone_in(place.folder.path(), &unused, &elsewhere, &words).await;
    let told = done(&output);
    let proof: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    let manifest: Value = report::read(&backup.join("manifest.json")).expect("there is one");
    assert_eq!(proof["events"], manifest["log"]["events"]);
    assert_eq!(proof["streams"], manifest["log"]["streams"]);
    assert_eq!(proof["artifacts"].as_u64(), manifest["artifacts"].as_object().map(|all| all.len() as u64));
    assert!(proof["verified"].as_u64() > proof["events"].as_u64(), "the restore itself is on record: {proof}");
    assert_eq!(proof["routesReadBack"].as_u64(), manifest["epochs"].as_object().map(|all| all.len() as u64));
    assert!(proof["readModelRows"].as_u64() > Some(0), "read models are built anew: {proof}");
    assert!(proof["appKeys"].as_u64() > Some(0), "the vault's keys open: {proof}");
    assert!(proof["appValues"].as_u64() >= Some(2), "and so do the values under them: {proof}");
    assert!(needles.iter().all(|(_, needle)| !needle.is_in(&told)), "{told}");
    assert_eq!(fs::read_dir(&scratch).expect("ours").count(), 0, "nothing is left");
    assert!(!unused.exists(), "no data folder was made");
    assert_eq!(rhone_tests::signals::that_mention(&scratch), [] as [u32; 0], "no process is left");
}

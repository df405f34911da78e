//! What `rhone doctor` asks of this machine: room on the disk of the data folder, what a worker that builds needs, and what a
//! backup needs. The trap avoided: a worker without a sandbox, which builds as a plain process and says so in a log that nobody
//! reads.

use super::{Finding, PATIENCE, Verdict};
use crate::{
    config::{Build, Database, Work, section},
    data::Data,
};
use rhone_builder::build::Sandbox;
use rhone_providers::servers::postgres_client;
use rustix::fs::statvfs;
use sqlx::PgPool;
use std::{env, ffi::OsStr, path::Path};
use tokio::{process::Command, time::timeout};

const GIB: u64 = 1 << 30;
/// A disk is full when less is free than this, and nearly full with less than a twentieth of it, where that is less than
/// `PLENTY`.
const LITTLE: u64 = GIB;
const PLENTY: u64 = 20 * GIB;

/// Everything about this machine; the database, if it is there, says which `pg_dump` it needs.
pub(super) async fn examined(data: &Data, database: Option<&PgPool>) -> Vec<Finding> {
    let mut findings = vec![disk(data.path())];
    if builds(data) {
        findings.extend(building(&env::var_os("PATH").unwrap_or_default()).await);
    }
    if section::<Database>(data, "database").is_ok_and(|database| database.admin_url.is_some()) {
        let client = match postgres_client("pg_dump") {
            Ok(program) => version(program.as_os_str(), None).await,
            Err(_) => None,
        };
        let server = match database {
            Some(pool) => major_of(pool).await,
            None => None,
        };
        findings.push(Finding::new("backup", dumps(client.as_deref(), server)));
    }
    findings
}

/// Whether this host has a worker, and that one builds.
fn builds(data: &Data) -> bool {
    section::<Work>(data, "work").is_ok()
        && section::<Build>(data, "build").is_ok_and(|build| build.builds(data).is_some())
}

/// What builds find in these folders, and whether they are shut in.
async fn building(path: &OsStr) -> Vec<Finding> {
    let bwrap = version("bwrap".as_ref(), Some(path)).await;
    let there = bwrap.is_some();
    let missing = "`bwrap` is not installed: builds run as plain processes, without a sandbox";
    let bwrap = bwrap.ok_or((missing.to_owned(), "apt-get install bubblewrap"));
    // Without these two a build goes on.
    let mut findings = vec![git(Some(path)).await, Finding::wished("bubblewrap", bwrap)];
    if there {
        let setting = |name: &str| std::fs::read_to_string(Path::new("/proc/sys").join(name)).ok();
        findings.push(Finding::wished("user namespaces", shut_in(&Sandbox::of_this_machine().await, setting)));
    }
    findings
}

/// What finds commits: a worker's, and whoever deploys the folder they stand in.
pub(super) async fn git(path: Option<&OsStr>) -> Finding {
    let missing = ("`git` is not installed: no commit can be found".to_owned(), "apt-get install git");
    Finding::new("git", version("git".as_ref(), path).await.ok_or(missing))
}

fn shut_in(sandbox: &Sandbox, setting: impl Fn(&str) -> Option<String>) -> Verdict {
    match sandbox {
        Sandbox::Bubblewrap => Ok("a sandbox for builds can be made".to_owned()),
        Sandbox::Plain(why) => Err((format!("builds run without a sandbox: {why}"), opens_namespaces(setting))),
    }
}

/// Which of the kernel's settings is in the way.
fn opens_namespaces(setting: impl Fn(&str) -> Option<String>) -> &'static str {
    let is = |name: &str, value: &str| setting(name).is_some_and(|text| text.trim() == value);
    if is("user/max_user_namespaces", "0") {
        return "sysctl -w user.max_user_namespaces=15000, and the same in /etc/sysctl.d";
    }
    if is("kernel/unprivileged_userns_clone", "0") {
        return "sysctl -w kernel.unprivileged_userns_clone=1, and the same in /etc/sysctl.d";
    }
    if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, and the same in /etc/sysctl.d";
    }
    "let the worker make user namespaces; in a container its seccomp profile forbids them (docs/install.md)"
}

/// Whether a backup can be made: `pg_dump` reads servers of its own version and of older ones.
fn dumps(client: Option<&str>, server: Option<u32>) -> Verdict {
    const MENDS: &str = "apt-get install postgresql-client, of the server's version or newer";
    let Some(client) = client else { return Err(("`pg_dump` is not installed: no backup can be made".into(), MENDS)) };
    match (major(client), server) {
        (Some(own), Some(server)) if own < server => {
            Err((format!("{client} cannot dump a server of version {server}"), MENDS))
        }
        _ => Ok(client.to_owned()),
    }
}

/// Of `pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major(said: &str) -> Option<u32> {
    let number = said.split_whitespace().find(|word| word.starts_with(|sign: char| sign.is_ascii_digit()))?;
    number.split(|sign: char| !sign.is_ascii_digit()).next()?.parse().ok()
}

async fn major_of(pool: &PgPool) -> Option<u32> {
    let asked = sqlx::query_scalar::<_, String>("SHOW server_version_num").fetch_one(pool);
    let number: u32 = timeout(PATIENCE, asked).await.ok()?.ok()?.parse().ok()?;
    Some(number / 10_000)
}

/// What a program says of its version; none where it cannot be started.
async fn version(program: &OsStr, path: Option<&OsStr>) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version").kill_on_drop(true);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

/// Whether there is room where this folder is or will be.
pub(super) fn disk(folder: &Path) -> Finding {
    // A data folder that is not made yet lies on the disk of what is above it.
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    match statvfs(there) {
        Ok(disk) => room(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize),
        Err(error) => Finding::new("disk", lacks(format!("the disk of {} cannot be asked: {error}", there.display()))),
    }
}

fn room(free: u64, total: u64) -> Finding {
    let said = format!("{:.1} of {:.1} GiB are free where the data folder is", gib(free), gib(total));
    if free < LITTLE {
        return Finding::new("disk", lacks(format!("full: {said}")));
    }
    if free < total / 20 && free < PLENTY {
        return Finding::wished("disk", lacks(format!("nearly full: {said}")));
    }
    Finding::new("disk", Ok(said))
}

fn lacks(what: String) -> Verdict {
    Err((what, "make room there: old backups, fewer days of logs (work.log_days), or a larger disk"))
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

#[cfg(test)]
mod tests {
    //! What is missing is named, with the one line that mends it.
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    fn mend(verdict: Verdict) -> &'static str {
        verdict.expect_err("it is bad").1
    }

    #[test]
    fn a_disk_is_nearly_full_when_little_is_left_of_it_and_that_stops_nothing_before_it_is_full() {
        let (sound, warned, bad) = (None, Some("warning"), Some("bad"));
        for (free, total, expected) in [
            (GIB / 2, 8 * GIB, bad),
            (GIB / 2, 4_000 * GIB, bad),
            (2 * GIB, 8 * GIB, sound),
            (2 * GIB, 100 * GIB, warned),
            (6 * GIB, 100 * GIB, sound),
            (30 * GIB, 4_000 * GIB, sound),
            (10 * GIB, 4_000 * GIB, warned),
        ] {
            let finding = room(free, total);
            let told = finding.json();
            assert_eq!(
                (&told["name"], told["severity"].as_str()),
                (&serde_json::json!("disk"), expected),
                "{free} of {total}"
            );
            assert_eq!(finding.goes_on(), expected != bad, "{told}");
        }
        let somewhere = tempfile::tempdir().expect("a folder");
        assert!(disk(&somewhere.path().join("not/made/yet")).line().contains("GiB are free"));
    }

    #[test]
    fn a_backup_needs_a_pg_dump_that_is_not_older_than_the_server() {
        let debian = "pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)";
        assert_eq!([major(debian), major("pg_dump (PostgreSQL) 17rc1"), major("nonsense")], [Some(15), Some(17), None]);
        for (client, server, sound) in [
            (Some(debian), Some(15), true),
            (Some(debian), Some(14), true),
            (Some(debian), None, true),
            (Some(debian), Some(16), false),
            (None, None, false),
        ] {
            let verdict = dumps(client, server);
            assert_eq!(verdict.is_ok(), sound, "{client:?} {server:?}");
            assert!(sound || mend(verdict).starts_with("apt-get install postgresql-client"));
        }
    }

    #[test]
    fn what_shuts_namespaces_off_is_named() {
        let with = |one: &'static str, value: &'static str| {
            let plain = Sandbox::Plain("bubblewrap cannot make one here".into());
            mend(shut_in(&plain, move |name| (name == one).then(|| format!("{value}\n"))))
        };
        assert!(with("user/max_user_namespaces", "0").contains("user.max_user_namespaces=15000"));
        assert!(with("kernel/unprivileged_userns_clone", "0").contains("unprivileged_userns_clone=1"));
        assert!(with("kernel/apparmor_restrict_unprivileged_userns", "1").contains("restrict_unprivileged_userns=0"));
        assert!(with("user/max_user_namespaces", "63000").contains("docs/install.md"));
        assert!(shut_in(&Sandbox::Bubblewrap, |_| None).is_ok());
    }

    #[tokio::test]
    async fn a_worker_that_builds_is_told_of_each_program_that_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let bad = async || {
            let findings = building(folder.path().as_os_str()).await;
            findings
                .into_iter()
                .filter_map(|one| one.verdict.err().map(|(_, mends)| (one.name, mends)))
                .collect::<Vec<_>>()
        };
        let (git, bwrap) = (("git", "apt-get install git"), ("bubblewrap", "apt-get install bubblewrap"));
        assert_eq!(bad().await, [git, bwrap]);
        let program = folder.path().join("git");
        fs::write(&program, "#!/bin/sh\necho git version 2.39.5\n").expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
        assert_eq!(bad().await, [bwrap]);
    }

    #[test]
    fn only_a_worker_that_builds_is_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = Data::at(folder.path());
        let work = serde_json::json!({ "admin": "127.0.0.1:0", "artifacts": "/a" });
        for (file, asked) in [
            (serde_json::json!({}), false),
            (serde_json::json!({ "work": work }), true),
            (serde_json::json!({ "work": work, "build": { "at_once": 0 } }), false),
        ] {
            fs::write(data.config(), file.to_string()).expect("a file");
            assert_eq!(builds(&data), asked, "{file}");
        }
    }
}

//! Where the programs are. The trap avoided: a wrapper or an old version that comes first on PATH.

use super::error::ServerError;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The programs of one PostgreSQL installation.
#[derive(Clone, Debug)]
pub(super) struct PostgresPrograms {
    /// Major version.
    pub(super) major: u32,
    /// `initdb`.
    pub(super) initdb: PathBuf,
    /// `postgres`.
    pub(super) postgres: PathBuf,
}

/// Finds PostgreSQL 15 or newer: the highest, or exactly the major version that wrote the data.
pub(super) fn postgres(wanted: Option<u32>) -> Result<PostgresPrograms, ServerError> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PostgresPrograms> = installed
        .map(|entry| entry.path().join("bin"))
        .chain(path_folders())
        .filter_map(|folder| postgres_in(&folder))
        .filter(|programs| programs.major >= 15 && wanted.is_none_or(|wanted| wanted == programs.major))
        .collect();
    found.sort_by_key(|programs| programs.major);
    found.pop().ok_or_else(|| ServerError::Missing {
        server: "PostgreSQL",
        remedy: match wanted {
            None => "apt-get install postgresql (or set DATABASE_URL)".to_owned(),
            Some(major) => format!("apt-get install postgresql-{major}, which wrote this data folder"),
        },
    })
}

/// Finds a client program of PostgreSQL, such as `pg_dump`: the newest that is installed, for it reads older servers too.
pub fn postgres_client(name: &str) -> Result<PathBuf, ServerError> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = installed.map(|entry| entry.path().join("bin")).chain(path_folders());
    let programs = folders.map(|folder| folder.join(name)).filter(|program| program.is_file());
    let newest = programs.filter_map(|program| Some((version(&program)?, program))).max_by_key(|(version, _)| *version);
    newest.map(|(_, program)| program).ok_or_else(|| ServerError::Missing {
        server: "PostgreSQL's client",
        remedy: format!("apt-get install postgresql-client, which has {name}"),
    })
}

fn postgres_in(folder: &Path) -> Option<PostgresPrograms> {
    let postgres = folder.join("postgres").canonicalize().ok()?;
    let initdb = postgres.with_file_name("initdb");
    let (major, _) = version(&postgres)?;
    initdb.is_file().then_some(PostgresPrograms { major, initdb, postgres })
}

/// Finds nats-server 2.10 or newer: the one named by `RHONE_NATS_SERVER`, on PATH, or in a checkout's `.rhone/bin`.
pub(super) fn nats() -> Result<PathBuf, ServerError> {
    let named = env::var_os("RHONE_NATS_SERVER").map(PathBuf::from);
    let nearby = [env::current_dir().ok(), env::current_exe().ok()];
    let checkouts = nearby.iter().flatten().flat_map(|start| start.ancestors().map(|a| a.join(".rhone/bin")));
    named
        .into_iter()
        .chain(path_folders().chain(checkouts).map(|folder| folder.join("nats-server")))
        .filter(|program| program.is_file())
        .find(|program| version(program).is_some_and(|version| version >= (2, 10)))
        .ok_or_else(|| ServerError::Missing {
            server: "nats-server 2.10 or newer",
            remedy: "./dev prerequisites (or set RHONE_NATS_SERVER, or NATS_URL)".to_owned(),
        })
}

fn path_folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

/// The first `number.number` that `program --version` prints.
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    //! Versions as the programs print them.
    use super::parse_version;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some((15, 14)));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1"), Some((19, 0)));
        assert_eq!(parse_version("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(parse_version("bash: no such file"), None);
    }
}

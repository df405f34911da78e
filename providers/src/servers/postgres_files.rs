//! The data folder of a private PostgreSQL: made once, configured at every start. The trap avoided: a half-made folder left
//! by an interrupted initdb, which looks like data.

use super::{
    binaries::PostgresPrograms,
    child::{self, OnDrop},
    error::{ServerError, during},
    identity,
    os_user::OsUser,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The superuser. Rhone itself runs as other roles, which the migrations make.
pub(super) const SUPERUSER: &str = "rhone_root";

/// Where everything of one private PostgreSQL is.
#[derive(Clone, Debug)]
pub(super) struct PostgresFiles {
    /// The folder that was given.
    pub(super) folder: PathBuf,
    /// PostgreSQL's own folder inside.
    pub(super) data: PathBuf,
    /// What the server prints.
    pub(super) log: PathBuf,
}

impl PostgresFiles {
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        let data = folder.join("data");
        let log = folder.join("postgres.log");
        Self { folder, data, log }
    }

    /// The major version that wrote the data; none when there is no data.
    pub(super) fn major(&self) -> Option<u32> {
        fs::read_to_string(self.data.join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// The superuser's password, made the first time.
    pub(super) fn password(&self, user: Option<OsUser>) -> Result<String, ServerError> {
        let path = self.folder.join("password");
        let password = identity::kept(&path, identity::random_hex::<24>)?;
        user.map_or(Ok(()), |user| user.take(&path))?;
        Ok(password)
    }

    /// Makes the data beside its place and moves it there when it is whole. Data that a test throws away is not flushed
    /// to the disk, which takes seconds while something compiles.
    pub(super) async fn create(
        &self,
        programs: &PostgresPrograms,
        user: Option<OsUser>,
        on_drop: OnDrop,
    ) -> Result<(), ServerError> {
        let fresh = self.folder.join("data.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(during("remove", &fresh))?;
        }
        fs::create_dir(&fresh).map_err(during("create", &fresh))?;
        user.map_or(Ok(()), |user| user.take(&fresh))?;
        let mut initdb = child::command(&programs.initdb, &self.folder, user);
        initdb.args(["--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C"]);
        initdb.arg("--username").arg(SUPERUSER).arg("--pwfile").arg(self.folder.join("password")).arg("-D").arg(&fresh);
        if on_drop == OnDrop::End {
            initdb.arg("--no-sync");
        }
        let output = initdb.output().await.map_err(during("run", &programs.initdb))?;
        if !output.status.success() {
            let last = child::last_line(&output.stderr);
            return Err(ServerError::Failed { program: programs.initdb.clone(), last });
        }
        append_include(&fresh.join("postgresql.conf"))?;
        fs::rename(&fresh, &self.data).map_err(during("move", &fresh))
    }

    /// Writes our settings; they are read after PostgreSQL's own file.
    pub(super) fn configure(&self, port: u16, user: Option<OsUser>) -> Result<(), ServerError> {
        let path = self.data.join("rhone.conf");
        identity::write_private(&path, &settings(port))?;
        user.map_or(Ok(()), |user| user.take(&path))
    }

    /// The server that the pid file names; it need not live.
    pub(super) fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Removes the pid file of a server that is gone, so that its number in other hands does not stop the next one.
    /// Only to be called when no server stands in the data folder.
    pub(super) fn forget_stale_pid(&self) -> Result<(), ServerError> {
        let path = self.data.join("postmaster.pid");
        match fs::remove_file(&path) {
            Err(failure) if failure.kind() != std::io::ErrorKind::NotFound => Err(during("remove", path)(failure)),
            _ => Ok(()),
        }
    }

    /// Whether the pid file names this process and port and says that it is ready.
    pub(super) fn names_as_ready(&self, pid: u32, port: u16) -> bool {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        names_as_ready(&text, &self.data, pid, port)
    }
}

fn names_as_ready(text: &str, data: &Path, pid: u32, port: u16) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let expected = [(0, pid.to_string()), (1, data.display().to_string()), (3, port.to_string())];
    let ours = expected.iter().all(|(at, value)| lines.get(*at) == Some(&value.as_str()));
    ours && lines.get(7) == Some(&"ready")
}

fn append_include(path: &Path) -> Result<(), ServerError> {
    let shipped = fs::read_to_string(path).map_err(during("read", path))?;
    fs::write(path, format!("{shipped}\ninclude 'rhone.conf'\n")).map_err(during("write", path))
}

/// Durability stays on: a machine that loses power must keep what it acknowledged. There is no Unix socket, whose path
/// may be 107 bytes at most.
fn settings(port: u16) -> String {
    format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nmax_connections = 200\n\
         idle_in_transaction_session_timeout = '5s'\nfsync = on\nsynchronous_commit = on\nshared_buffers = '128MB'\n\
         max_wal_size = '1GB'\nlogging_collector = off\nlog_line_prefix = '%m [%p] '\nlog_timezone = 'UTC'\n\
         timezone = 'UTC'\n"
    )
}

#[cfg(test)]
mod tests {
    //! The pid file as PostgreSQL writes it.
    use super::*;

    #[test]
    fn only_the_pid_file_of_this_process_folder_and_port_counts() {
        let text = "77\n/d\n1700000000\n20001\n\n127.0.0.1\n  5 6\nready   \n";
        let data = Path::new("/d");
        assert!(names_as_ready(text, data, 77, 20001));
        assert!(!names_as_ready(text, data, 78, 20001));
        assert!(!names_as_ready(text, data, 77, 20002));
        assert!(!names_as_ready(text, Path::new("/e"), 77, 20001));
        assert!(!names_as_ready(&text.replace("ready   ", "starting"), data, 77, 20001));
    }
}

//! The sandbox that `bwrap` makes: a root of its own with the host's programs read-only, the build's folders writable, nothing
//! else of the host; own processes, network, names and users. Started by root, its programs run as a user that nobody else is.

use super::{CALLS, Network, Purpose, Run, calls, images, shell};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::lchown,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};
use tokio::process::Command;

const BWRAP: &str = "bwrap";
/// Inside, the sources are always here: a path that a program writes into its output is then always the same.
pub(crate) const SOURCES: &str = "/build/src";
/// Inside, a program that is brought from elsewhere on the host is here.
pub(crate) const BROUGHT: &str = "/build/program";
/// What else programs need of the host's settings; none of it is secret.
pub(crate) const SETTINGS: [&str; 7] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
];
/// The first of the users that builds run as when root starts them.
const FIRST_USER: u32 = 700_000_000;

/// Whether root starts it. Then there are no user namespaces, and the step gives its power away (`setpriv`).
pub(super) fn by_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A user for one build, so that no two builds of this machine share a count of processes.
pub(crate) fn a_user() -> Option<u32> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed) % 1000;
    by_root().then(|| FIRST_USER + std::process::id() % 100_000 * 1000 + turn)
}

/// Gives a folder and what is in it to the user.
pub(crate) fn give(folder: &Path, user: u32) -> std::io::Result<()> {
    lchown(folder, Some(user), Some(user))?;
    if fs::symlink_metadata(folder)?.is_dir() {
        for entry in fs::read_dir(folder)? {
            give(&entry?.path(), user)?;
        }
    }
    Ok(())
}

/// Starts a program with the descriptor of the file that says which calls may not be made.
fn with_calls(file: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec \"$@\" 9<\"$0\""]).arg(file);
    command
}

/// Makes a sandbox around nothing; the error says why there can be none.
pub(super) async fn tried() -> Result<(), String> {
    let file = || -> std::io::Result<_> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(&calls::filter(Purpose::Steps)?)?;
        Ok(file)
    };
    let file = file().map_err(|error| format!("no filter of its calls can be made here ({error})"))?;
    let mut command = with_calls(file.path());
    command.arg(BWRAP).args(spaces(Purpose::Steps, Network::Closed)).args(host()).args([
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--",
        "/bin/true",
    ]);
    let done = command.env_clear().env("PATH", path()).stdin(Stdio::null()).kill_on_drop(true).output().await;
    match done {
        Ok(done) if done.status.success() => Ok(()),
        // As a shell says that there is no such program.
        Ok(done) if done.status.code() == Some(127) => {
            Err("`bwrap` is not installed: install Debian's package `bubblewrap`".to_owned())
        }
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(format!(
                "bubblewrap cannot make one here ({})",
                said.lines().last().unwrap_or("it does not say why").trim()
            ))
        }
        Err(error) => Err(format!("no shell can be started here ({error})")),
    }
}

fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_else(|| shell::PATH.into())
}

pub(super) fn command(run: &Run<'_>, shell: &[String], words: &[String]) -> Command {
    let mut command = with_calls(&run.room.at(CALLS));
    if let (Purpose::Images, Some(user)) = (run.room.purpose, run.room.user) {
        command.args(images::with_users(&run.room.root, user));
    }
    command.arg(BWRAP).env_clear().env("PATH", path());
    command.args(spaces(run.room.purpose, run.network)).arg("--clearenv").args(host());
    // What bubblewrap makes on its way to a mount is closed to everybody but who started it.
    for folder in ["/etc", "/etc/ssl", "/build"] {
        command.args(["--perms", "0755", "--dir", folder]);
    }
    for settings in SETTINGS {
        command.args(["--ro-bind-try", settings, settings]);
    }
    for name in ["passwd", "group", "hosts", "resolv.conf"] {
        command.arg("--ro-bind").arg(run.room.at("etc").join(name)).arg(format!("/etc/{name}"));
    }
    command.args([
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        "67108864",
        "--tmpfs",
        "/dev/shm",
        "--remount-ro",
        "/dev",
    ]);
    for (name, place) in [("src", SOURCES), ("home", "/build/home"), ("said", "/build/said"), ("tmp", "/tmp")] {
        command.arg("--bind").arg(run.room.at(name)).arg(place);
    }
    if run.room.purpose == Purpose::Images {
        command.args(images::places(&run.room.root));
    }
    if let Some(program) = run.brought {
        command.arg("--ro-bind").arg(program).arg(BROUGHT);
    }
    command.args(["--symlink", SOURCES, "/app", "--chdir", SOURCES, "--remount-ro", "/"]);
    for (name, value) in
        [("PATH", shell::PATH), ("HOME", "/build/home"), ("TMPDIR", "/tmp")].into_iter().chain(shell::FIXED)
    {
        command.args(["--setenv", name, value]);
    }
    command.arg("--");
    command.args(shell).arg("/build/said/net").args(words);
    command
}

/// Everything of its own, and no power over any of it; over images, all that there is in a user namespace of its own.
fn spaces(purpose: Purpose, network: Network) -> Vec<&'static str> {
    let mut words =
        vec!["--seccomp", "9", "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid", "--unshare-uts"];
    words.extend(["--unshare-cgroup-try", "--hostname", "build"]);
    if purpose == Purpose::Images {
        words.extend(["--cap-add", "ALL"]);
        words.extend((network == Network::Closed).then_some("--unshare-net"));
        return words;
    }
    words.extend(["--cap-drop", "ALL"]);
    if by_root() {
        // What `setpriv` needs to give up the rest.
        words.extend(["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]);
    } else {
        words.extend(["--unshare-user", "--uid", "1000", "--gid", "1000"]);
    }
    if network == Network::Closed {
        words.push("--unshare-net");
    }
    words
}

/// The host's programs and libraries, read-only, in the host's own layout.
fn host() -> Vec<String> {
    let mut words = vec!["--ro-bind".to_owned(), "/usr".to_owned(), "/usr".to_owned()];
    for place in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
        match fs::read_link(place) {
            Ok(target) => words.extend(["--symlink".to_owned(), target.display().to_string(), place.to_owned()]),
            Err(_) => words.extend(["--ro-bind-try".to_owned(), place.to_owned(), place.to_owned()]),
        }
    }
    words
}

/// The few files of `/etc` that are made for the build.
pub(crate) fn settings(user: u32, network: Network) -> [(&'static str, String); 4] {
    let names = match network {
        Network::Open => fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        // An address for examples: a name that is asked for ends at once, and is counted as reaching out.
        Network::Closed => "nameserver 192.0.2.1\noptions attempts:1 timeout:1\n".to_owned(),
    };
    [
        ("passwd", format!("build:x:{user}:{user}::/build/home:/bin/sh\n")),
        ("group", format!("build:x:{user}:\n")),
        ("hosts", "127.0.0.1 localhost build\n::1 localhost build\n".to_owned()),
        ("resolv.conf", names),
    ]
}

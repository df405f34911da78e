//! What the kernel holds of a build without a sandbox, by Landlock, which needs neither root nor namespaces: which files it
//! opens, TCP, signals, sockets. How much of it depends on the kernel's age, and the build's log says what is missing. The trap
//! avoided: a rule that was asked for and is not held.

use super::Within;
use crate::sandbox::{Network, SETTINGS, hold_calls};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use std::{
    io,
    path::{Path, PathBuf},
    thread,
};

/// Something of the host that the kernel keeps from a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wall {
    /// Files, and the memory and environment of other processes.
    Files,
    /// Connections by TCP.
    Tcp,
    /// Signals, and sockets with a name of their own kind.
    Signals,
    /// Sockets that are files.
    Sockets,
}

/// Since which version of it the kernel holds what.
const SINCE: [(ABI, Wall); 4] =
    [(ABI::V1, Wall::Files), (ABI::V4, Wall::Tcp), (ABI::V6, Wall::Signals), (ABI::V9, Wall::Sockets)];
/// The newest that is known here: what a later one holds, no test has seen.
const NEWEST: ABI = ABI::V9;

/// The host's programs, what they read of its settings, and what the kernel says to everybody.
const READ: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc"];
/// What else of `/etc` stands in for the files that a sandbox has of its own.
const NAMES: [&str; 7] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/localtime",
];
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What this kernel holds: tried by a thread that gives itself up.
pub(crate) fn walls() -> Vec<Wall> {
    let tried = thread::spawn(|| hold(&[], &[], Network::Closed, NEWEST)).join();
    let Ok(Ok(RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, .. }, .. })) = tried else {
        return Vec::new();
    };
    held_by(effective_abi)
}

/// What a kernel of this version of it holds.
fn held_by(version: ABI) -> Vec<Wall> {
    SINCE.into_iter().filter(|(since, _)| *since <= version).map(|(_, wall)| wall).collect()
}

/// Shuts the calling thread in, and whatever it starts; no program gains powers from then on.
pub(super) fn shut_in(within: &Within) -> io::Result<()> {
    shut_in_by(within, NEWEST).map_err(io::Error::other)?;
    hold_calls()
}

fn shut_in_by(within: &Within, newest: ABI) -> Result<RestrictionStatus, RulesetError> {
    let read = READ.iter().chain(&SETTINGS).chain(&NAMES).map(|place| Path::new(place).to_owned());
    let read: Vec<PathBuf> = read.chain(within.brought.clone()).collect();
    hold(&read, &within.writable, within.network, newest)
}

/// Asks for what versions up to `newest` know; of that, the library leaves out what this kernel's version does not. Nothing may
/// be asked for by an empty set, which is an error and not a wish for nothing.
fn hold(read: &[PathBuf], write: &[PathBuf], network: Network, newest: ABI) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(newest))?;
    let (tcp, scope) = (AccessNet::from_all(newest), Scope::from_all(newest));
    if !scope.is_empty() {
        rules = rules.scope(scope)?;
    }
    if network == Network::Closed && !tcp.is_empty() {
        rules = rules.handle_access(tcp)?;
    }
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let rules = rules.create()?.add_rules(path_beneath_rules(read, AccessFs::from_read(newest)))?;
    let rules = rules.add_rules(path_beneath_rules(DEVICES, device))?;
    rules.add_rules(path_beneath_rules(write, AccessFs::from_all(newest)))?.restrict_self()
}

#[cfg(test)]
mod tests {
    //! What older kernels hold, by asking this one for no more than they know.
    use super::*;
    use std::{
        fs,
        net::TcpListener,
        process::{Child, Command, Stdio},
    };

    const VERSIONS: [ABI; 9] = [ABI::V1, ABI::V2, ABI::V3, ABI::V4, ABI::V5, ABI::V6, ABI::V7, ABI::V8, ABI::V9];

    /// Tries, from inside, what each wall but the last keeps out, and what a build must be able to do.
    const TRIES: &str = r#"
        cat "$1/secret" >/dev/null 2>&1 || echo files
        (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null || echo tcp
        kill -0 "$3" 2>/dev/null || echo signals
        cd "$1/room" && mkdir a b && echo x >a/x && mv a/x b/x && echo y >>b/x && echo z >/dev/null && rm -r a b && echo works
    "#;

    /// Somebody of the same user who is not the build's.
    struct Neighbour(Child);

    impl Drop for Neighbour {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// What is kept out of a program behind the walls of this version; none where the kernel has no Landlock. And the version
    /// that held it.
    fn kept_out(newest: ABI) -> Option<(String, ABI)> {
        let folder = tempfile::tempdir().expect("a folder");
        let room = folder.path().join("room");
        fs::create_dir(&room).expect("a folder");
        fs::write(folder.path().join("secret"), "CANARY").expect("a file");
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = server.local_addr().expect("an address").port();
        let neighbour = Neighbour(Command::new("sleep").arg("1000").spawn().expect("it starts"));
        let words = [folder.path().display().to_string(), port.to_string(), neighbour.0.id().to_string()];
        let within = Within { writable: vec![room], brought: None, network: Network::Closed };
        let inside = move || {
            let LandlockStatus::Available { effective_abi, .. } = shut_in_by(&within, newest).expect("rules").landlock
            else {
                return None;
            };
            let mut tries = Command::new("/bin/bash");
            tries
                .args(["-c", TRIES, "tries"])
                .args(words)
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .stdin(Stdio::null());
            let done = tries.output().expect("it runs");
            Some((String::from_utf8_lossy(&done.stdout).into_owned(), effective_abi))
        };
        thread::spawn(inside).join().expect("nothing panics there")
    }

    #[test]
    fn what_an_older_kernel_does_not_know_is_not_asked_of_it_and_the_rest_is_held() {
        for version in VERSIONS {
            let Some((told, effective)) = kept_out(version) else {
                eprintln!("SKIPPED: what a kernel holds of a build was not tried: this one has no Landlock");
                return;
            };
            let walls = held_by(version.min(effective));
            let named = [(Wall::Files, "files"), (Wall::Tcp, "tcp"), (Wall::Signals, "signals")];
            let mut held: Vec<_> =
                named.iter().filter(|(wall, _)| walls.contains(wall)).map(|(_, name)| *name).collect();
            held.push("works");
            assert_eq!(told.lines().collect::<Vec<_>>(), held, "{version:?} on {effective:?}");
        }
    }

    #[test]
    fn each_wall_is_held_since_its_version_and_not_before() {
        let count = VERSIONS.map(|version| held_by(version).len());
        assert_eq!(count, [1, 1, 1, 2, 2, 3, 3, 3, 4]);
        assert_eq!(held_by(ABI::V5), [Wall::Files, Wall::Tcp], "signals came with the sixth");
        assert_eq!(held_by(ABI::Unsupported), []);
    }
}

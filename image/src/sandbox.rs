//! The words by which bubblewrap runs an unpacked image: its root read-only, processes and names of its own, no power over the
//! host, and the host's network, for the app listens on a port of the host's loopback. The trap avoided: a SIGTERM to the group
//! that ends the sandbox before the app in it has said goodbye.

use crate::{ImageError, layout::RunConfig, user::User};
use std::{path::Path, process::Command};

/// The outer program stays through a SIGTERM and ends when the app does; the app gets the signal too, and inside it means what
/// it means anywhere.
const STAY: &str = "trap '' TERM; exec \"$@\"";

/// The program that makes the sandbox, and its arguments. The variables of whoever runs it are the app's, and go before those
/// of the image; `PATH` and `HOME` alone are the image's.
///
/// A user that the image names is one of a namespace of its own: inside it is that one, outside whoever runs the sandbox.
pub fn words(root: &Path, config: &RunConfig, user: Option<User>, command: &[String], given: &[String]) -> Vec<String> {
    let mut words: Vec<String> = ["/bin/sh", "-c", STAY, "sh", "bwrap"].map(str::to_owned).to_vec();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|&word| word.to_owned()));
    add(&["--die-with-parent", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]);
    match user {
        Some(user) => as_user(user).iter().for_each(|word| add(&[word.as_str()])),
        None => add(&["--unshare-user-try"]),
    }
    add(&["--unshare-cgroup-try", "--cap-drop", "ALL", "--ro-bind", &root.display().to_string(), "/"]);
    add(&["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]);
    for name in ["/etc/resolv.conf", "/etc/hosts"] {
        add(&["--ro-bind-try", name, name]);
    }
    add(&[
        "--setenv",
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "--setenv",
        "HOME",
        "/tmp",
    ]);
    for (name, value) in config.env.iter().flatten().filter_map(|pair| pair.split_once('=')) {
        if name == "PATH" || name == "HOME" || !given.iter().any(|given| given == name) {
            add(&["--setenv", name, value]);
        }
    }
    add(&["--chdir", config.folder(), "--"]);
    words.extend(self::command(command));
    words
}

fn as_user(user: User) -> [String; 5] {
    let [uid, gid] = [user.uid, user.gid].map(|number| number.to_string());
    ["--unshare-user".to_owned(), "--uid".to_owned(), uid, "--gid".to_owned(), gid]
}

/// Whether an app can be this user here: whether there are namespaces of users, and bubblewrap gets one.
pub fn check(named: &str, user: User) -> Result<(), ImageError> {
    let refused = |problem: String| ImageError::User { named: named.to_owned(), problem };
    let tried = Command::new("bwrap").args(as_user(user)).args(["--ro-bind", "/", "/", "--", "/bin/true"]).output();
    match tried {
        Ok(tried) if tried.status.success() => Ok(()),
        Ok(tried) => {
            let said = String::from_utf8_lossy(&tried.stderr);
            let said = said.lines().last().unwrap_or("it does not say why").trim().to_owned();
            Err(refused(format!("this host makes no namespace of users for it ({said})")))
        }
        Err(error) => Err(refused(format!("bubblewrap does not run: {error}"))),
    }
}

/// An order's command as the image takes it: its paths are those of the root, and are written without the slash that would lead
/// out of an artifact.
pub fn command(ordered: &[String]) -> Vec<String> {
    let mut words = ordered.to_vec();
    if let Some(program) = words.first_mut().filter(|program| program.contains('/')) {
        *program = format!("/{}", program.trim_start_matches('/'));
    }
    words
}

//! The words by which bubblewrap runs an unpacked image: its root read-only, processes and names of its own, no power over the
//! host, and the host's network, for the app listens on a port of the host's loopback. The trap avoided: a SIGTERM to the group
//! that ends the sandbox before the app in it has said goodbye.

use crate::layout::RunConfig;
use std::path::Path;

/// The outer program stays through a SIGTERM and ends when the app does; the app gets the signal too, and inside it means what
/// it means anywhere.
const STAY: &str = "trap '' TERM; exec \"$@\"";

/// The program that makes the sandbox, and its arguments. The variables of whoever runs it are the app's, and go before those
/// of the image; `PATH` and `HOME` alone are the image's.
pub fn words(root: &Path, config: &RunConfig, command: &[String], given: &[String]) -> Vec<String> {
    let mut words: Vec<String> = ["/bin/sh", "-c", STAY, "sh", "bwrap"].map(str::to_owned).to_vec();
    let mut add = |more: &[&str]| words.extend(more.iter().map(|&word| word.to_owned()));
    add(&["--die-with-parent", "--unshare-user-try", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]);
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

/// An order's command as the image takes it: its paths are those of the root, and are written without the slash that would lead
/// out of an artifact.
pub fn command(ordered: &[String]) -> Vec<String> {
    let mut words = ordered.to_vec();
    if let Some(program) = words.first_mut().filter(|program| program.contains('/')) {
        *program = format!("/{}", program.trim_start_matches('/'));
    }
    words
}

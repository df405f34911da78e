//! The first program in a room: it sets the limits that the kernel holds, runs the step, and says afterwards what the step
//! wanted of the network.

use super::BuildLimits;
use rustix::fs::OFlags;
use std::{collections::BTreeMap, fs::File, io::Read as _, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Where a build finds its programs.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin";

/// The same for every build, so that no program has a reason to make other bytes.
pub(super) const FIXED: [(&str, &str); 4] = [("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("CI", "true")];

/// The kernel counts, for each network of its own, every connection to which there was no way. `$0` is where that is written;
/// a step that ends this shell as well has said nothing.
const SCRIPT: &str = "\"$@\"; status=$?; cat /proc/net/snmp /proc/net/snmp6 >\"$0\" 2>/dev/null; exit $status";

/// The kernel's tables are a few KiB.
const SAID: u64 = 64 * 1024;

/// Words that run, under the limits, whatever words follow: first where the network is said, then the program.
///
/// Memory and disk are watched by `watch`; the kernel's limits for a single process and a single file are twice that, and
/// stand for the moment between two looks. That of memory counts what a process may write to, not the address space, of which Node.js and Go reserve more than there is.
///
/// As `user`, where there is one, and without any power of whoever started it. The build's own variables begin behind all of
/// that: one of them may name a library (`LD_PRELOAD`), which is then run by every program that has it.
pub(super) fn limited(limits: &BuildLimits, user: Option<u32>, env: &BTreeMap<String, String>) -> Vec<String> {
    let limit = |name: &str, value: u64| format!("--{name}={value}:{value}");
    let mut words = Vec::new();
    if let Some(user) = user {
        words.extend(["/usr/bin/setpriv".to_owned(), format!("--reuid={user}"), format!("--regid={user}")]);
        let rest = ["--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"];
        words.extend(rest.map(str::to_owned));
    }
    words.extend([
        "/usr/bin/prlimit".to_owned(),
        limit("data", limits.memory_bytes.saturating_mul(2)),
        limit("nproc", limits.processes),
        limit("fsize", limits.disk_bytes.saturating_mul(2)),
        limit("cpu", limits.seconds.saturating_mul(8)),
        limit("core", 0),
        limit("nofile", 4096),
        "--".to_owned(),
    ]);
    words.extend(["/usr/bin/env", "--"].map(str::to_owned));
    words.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
    words.extend(["/bin/sh", "-c", SCRIPT].map(str::to_owned));
    words
}

/// Whether the step tried addresses to which there is no way. The step may put anything in the file's place, so a link is not
/// followed, nobody is waited for, and a longer file says nothing.
pub(super) fn reached_out(said: &Path) -> bool {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let tables = || {
        let file = File::options().read(true).custom_flags(flags).open(said).ok()?;
        let mut tables = String::new();
        let read = file.metadata().ok()?.is_file().then(|| file.take(SAID + 1).read_to_string(&mut tables));
        read?.ok().filter(|bytes| *bytes as u64 <= SAID).map(|_| tables)
    };
    tables().is_some_and(|tables| routes_missed(&tables) > 0)
}

/// How often there was no way to an address, by the kernel's tables for IPv4 (two lines: names, numbers) and IPv6 (one line
/// for each number).
fn routes_missed(tables: &str) -> u64 {
    let mut ip = tables.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let v4 = ip.next().zip(ip.next()).and_then(|(names, numbers)| {
        let at = names.split_whitespace().position(|name| name == "OutNoRoutes")?;
        numbers.split_whitespace().nth(at)?.parse::<u64>().ok()
    });
    let v6 = tables.lines().find_map(|line| line.strip_prefix("Ip6OutNoRoutes")?.trim().parse::<u64>().ok());
    v4.unwrap_or(0) + v6.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    //! What the first programs are given, and what is believed of what a step leaves.
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    const MISSED: &str = "Ip6OutNoRoutes  \t4\n";

    #[test]
    fn the_builds_own_variables_begin_behind_its_limits() {
        let env = BTreeMap::from([("LD_PRELOAD".to_owned(), "./x.so".to_owned())]);
        let words = limited(&BuildLimits::default(), Some(7), &env);
        let at =
            |word: &str| words.iter().position(|found| found == word).unwrap_or_else(|| panic!("{word}: {words:?}"));
        let order = ["/usr/bin/setpriv", "/usr/bin/prlimit", "/usr/bin/env", "LD_PRELOAD=./x.so", "/bin/sh"].map(at);
        assert!(order.is_sorted(), "{words:?}");
    }

    #[test]
    fn only_a_short_file_of_its_own_says_what_a_step_wanted_of_the_network() {
        let room = tempfile::tempdir().unwrap();
        let said = room.path().join("net");
        assert!(!reached_out(&said), "nothing was said");
        fs::write(&said, MISSED).unwrap();
        assert!(reached_out(&said));
        fs::write(&said, MISSED.to_owned() + &" ".repeat(64 * 1024)).unwrap();
        assert!(!reached_out(&said), "it is too long");
        fs::write(room.path().join("elsewhere"), MISSED).unwrap();
        for target in ["elsewhere", "/dev/zero"] {
            fs::remove_file(&said).unwrap();
            symlink(target, &said).unwrap();
            assert!(!reached_out(&said), "the link to {target} was followed");
        }
        fs::remove_file(&said).unwrap();
        fs::create_dir(&said).unwrap();
        assert!(!reached_out(&said), "a folder says nothing");
    }

    #[test]
    fn missed_routes_are_read_from_both_tables() {
        let tables = "Ip: Forwarding OutNoRoutes ReasmTimeout\nIp: 2 3 0\nIcmp: InMsgs\nIcmp: 7\nIp6InReceives   \t5\nIp6OutNoRoutes  \t4\n";
        assert_eq!(routes_missed(tables), 7);
        assert_eq!((routes_missed(""), routes_missed("Ip: OutNoRoutes\n")), (0, 0));
    }
}

//! The first program in a room: it sets the limits that the kernel holds, runs the step, and says afterwards what the step
//! wanted of the network.

use super::BuildLimits;

/// Where a build finds its programs.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin";

/// The same for every build, so that no program has a reason to make other bytes.
pub(super) const FIXED: [(&str, &str); 4] = [("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("CI", "true")];

/// The kernel counts, for each network of its own, every connection to which there was no way. `$0` is where that is written;
/// a step that ends this shell as well has said nothing.
const SCRIPT: &str = "\"$@\"; status=$?; cat /proc/net/snmp /proc/net/snmp6 >\"$0\" 2>/dev/null; exit $status";

/// Words that run, under the limits, whatever words follow: first where the network is said, then the program.
///
/// Memory and disk are watched by `watch`; the kernel's limits for a single process and a single file are twice that, and
/// stand for the moment between two looks. That of memory counts what a process may write to, not the address space, of which Node.js and Go reserve more than there is.
///
/// As `user`, where there is one, and without any power of whoever started it.
pub(super) fn limited(limits: &BuildLimits, user: Option<u32>) -> Vec<String> {
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
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        SCRIPT.to_owned(),
    ]);
    words
}

/// How often there was no way to an address, by the kernel's tables for IPv4 (two lines: names, numbers) and IPv6 (one line
/// for each number).
pub(super) fn routes_missed(tables: &str) -> u64 {
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
    use super::*;

    #[test]
    fn missed_routes_are_read_from_both_tables() {
        let tables = "Ip: Forwarding OutNoRoutes ReasmTimeout\nIp: 2 3 0\nIcmp: InMsgs\nIcmp: 7\nIp6InReceives   \t5\nIp6OutNoRoutes  \t4\n";
        assert_eq!(routes_missed(tables), 7);
        assert_eq!((routes_missed(""), routes_missed("Ip: OutNoRoutes\n")), (0, 0));
    }
}

//! Whether a port is listened on by the app we started. A private port is free only until somebody takes it: without this, an
//! app that lost that race would have a stranger's pages served under its name.

use std::{collections::BTreeSet, fs, path::PathBuf};

/// Which processes are an app's, told by its first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Members {
    /// Those of its group.
    Group,
    /// Those in its container: the ones that share its namespace of processes.
    Namespace,
}

/// Whether one of the app's processes listens on the port.
pub(super) fn listens(first: u32, members: Members, port: u16) -> bool {
    let sockets: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    !sockets.is_empty() && processes(first, members).into_iter().any(|pid| has_one_of(pid, &sockets))
}

/// The socket's name, when this line of the table is somebody who listens on the port.
fn listening(line: &str, port: u16) -> Option<String> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let at = fields.next()?.rsplit_once(':')?.1;
    let listens = fields.nth(1)? == "0A";
    let inode = fields.nth(5)?;
    (listens && u16::from_str_radix(at, 16) == Ok(port)).then(|| format!("socket:[{inode}]"))
}

fn processes(first: u32, members: Members) -> Vec<u32> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    match members {
        Members::Group => pids.filter(|pid| group_of(*pid) == Some(first)).collect(),
        Members::Namespace => {
            let Some(ours) = namespace_of(first) else { return Vec::new() };
            pids.filter(|pid| namespace_of(*pid).as_ref() == Some(&ours)).collect()
        }
    }
}

fn namespace_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
}

fn has_one_of(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|end| end.to_str().is_some_and(|end| sockets.contains(end)))
}

#[cfg(test)]
mod tests {
    //! On a real socket of this process.
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_belongs_to_who_listens_on_it_and_to_nobody_else() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let ours = group_of(std::process::id()).expect("we have a group");
        assert!(listens(ours, Members::Group, port));
        assert!(listens(std::process::id(), Members::Namespace, port));
        for members in [Members::Group, Members::Namespace] {
            assert!(!listens(u32::MAX, members, port), "{members:?} of nobody");
        }
        drop(listener);
        assert!(!listens(ours, Members::Group, port), "nobody listens any more");
    }
}

//! What processes hold that no folder shows: files of memory, and files whose last name is gone. Each is counted once, whoever
//! has it open or mapped. The trap avoided: memory that is written and mapped by nobody, which no process is said to have.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// What the kernel calls files of memory: `memfd_create`, segments of System V, memory that is shared and has no file.
const MEMORY: [&str; 3] = ["/memfd:", "/SYSV", "/dev/zero (deleted)"];

/// The files of memory that processes hold, by their numbers, each with what it takes.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<u64, u64>);

impl Memory {
    pub(super) fn of(pids: &[String]) -> Self {
        let held = pids.iter().flat_map(|pid| held(pid, is_memory));
        Self(held.map(|file| (file.ino(), file.blocks() * 512)).collect())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.values().sum()
    }

    /// The process's own share of what it has mapped of them, which is counted with the file already.
    pub(super) fn mapped(&self, process: &Path) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        let text = fs::read_to_string(process.join("smaps")).unwrap_or_default();
        let mut counted = false;
        let mut kib = 0;
        for line in text.lines() {
            if let Some(mapping) = Mapping::read(line) {
                counted = mapping.shared && is_memory(mapping.file) && self.0.contains_key(&mapping.inode);
            } else if let (true, Some(share)) = (counted, line.strip_prefix("Pss:")) {
                kib += share.trim().trim_end_matches(" kB").parse().unwrap_or(0);
            }
        }
        kib * 1024
    }
}

/// What files take whose last name is gone, on one device.
pub(super) fn deleted(pids: &[String], device: u64) -> u64 {
    let held = pids.iter().flat_map(|pid| held(pid, |file| file.ends_with(" (deleted)")));
    let here = held.filter(|file| file.dev() == device && file.nlink() == 0);
    here.map(|file| (file.ino(), file.blocks() * 512)).collect::<BTreeMap<_, _>>().values().sum()
}

fn is_memory(file: &str) -> bool {
    MEMORY.iter().any(|known| file.starts_with(known))
}

/// The files that the process has open or mapped and whose names are wanted; what cannot be looked at is left out. Only root may
/// look at what is mapped and no longer open.
fn held(pid: &str, wanted: impl Fn(&str) -> bool) -> Vec<Metadata> {
    let process = PathBuf::from("/proc").join(pid);
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|entry| entry.path());
    let open = open.filter(|link| fs::read_link(link).is_ok_and(|file| wanted(&file.to_string_lossy())));
    let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
    let mapped = maps.lines().filter_map(Mapping::read).filter(|mapping| wanted(mapping.file));
    let mapped = mapped.map(|mapping| process.join("map_files").join(mapping.link()));
    open.chain(mapped).filter_map(|link| fs::metadata(link).ok()).filter(Metadata::is_file).collect()
}

/// The first line of a mapping, as the kernel writes it.
struct Mapping<'a> {
    range: &'a str,
    shared: bool,
    inode: u64,
    file: &'a str,
}

impl<'a> Mapping<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (range, rights) = (words.next()?, words.next()?);
        let inode = words.nth(2)?.parse().ok()?;
        Some(Self { range, shared: rights.ends_with('s'), inode, file: words.next()?.trim_start() })
    }

    /// How the kernel names it in `map_files`: without the zeros that `maps` begins with.
    fn link(&self) -> String {
        let bare = |end: &str| end.trim_start_matches('0').to_owned();
        self.range.split('-').map(bare).collect::<Vec<_>>().join("-")
    }
}

#[cfg(test)]
mod tests {
    //! What a line says; that the files are then found is tried in `tests/builder/limits.rs`.
    use super::*;

    #[test]
    fn a_mapping_is_read_from_its_first_line_alone() {
        let line = "00400000-7f5e1000 rw-s 00000000 00:01 1024                       /memfd:a b (deleted)";
        let mapping = Mapping::read(line).expect("it is one");
        assert_eq!((mapping.link().as_str(), mapping.inode), ("400000-7f5e1000", 1024));
        assert!(mapping.shared && is_memory(mapping.file), "{}", mapping.file);
        let file = Mapping::read("7f5e1000-7f5e2000 r--p 00000000 fe:01 7      /usr/lib/libc.so.6").expect("it is one");
        assert!(!file.shared && !is_memory(file.file));
        for other in ["Pss:                  12 kB", "VmFlags: rd wr mr mw me ac sd", "7f-8f rw-p 00000000 00:00 0 "] {
            assert!(Mapping::read(other).is_none_or(|mapping| mapping.file.is_empty()), "{other}");
        }
    }

    #[test]
    fn a_deleted_file_weighs_as_long_as_it_is_open_and_only_on_its_device() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = tempfile::tempfile_in(folder.path()).expect("a file without a name");
        let again = file.try_clone().expect("the same once more");
        let device = file.metadata().expect("there").dev();
        let before = deleted(&["self".to_owned()], device);
        std::io::Write::write_all(&mut &file, &vec![1; 1 << 20]).expect("written");
        file.sync_all().expect("on the disk");
        let now = deleted(&["self".to_owned()], device);
        assert!((1 << 20..2 << 20).contains(&(now - before)), "once, not twice: {before}, {now}");
        assert_eq!(deleted(&["self".to_owned()], u64::MAX), 0);
        drop((file, again));
        assert!(deleted(&["self".to_owned()], device) < now, "it is gone");
    }
}

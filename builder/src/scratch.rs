//! How much a folder holds, while programs are writing into it: what goes while it is counted is not counted.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// What lies in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Blocks on the disk, and something for every name: a million empty files are not nothing.
    pub(crate) bytes: u64,
    /// Files, links and folders.
    pub(crate) entries: u64,
}

/// What a name costs at least.
const NAME: u64 = 512;

/// Weighs the folder, without following links, and stops once it is heavier than `enough` bytes.
pub(crate) fn weigh(folder: &Path, enough: u64) -> Weight {
    let mut weight = Weight::default();
    add(folder, enough, &mut weight);
    weight
}

fn add(folder: &Path, enough: u64, weight: &mut Weight) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(found) = entry.metadata() else { continue };
        weight.bytes += found.blocks() * 512 + NAME;
        weight.entries += 1;
        if weight.bytes > enough {
            return;
        }
        if found.is_dir() {
            add(&entry.path(), enough, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_links_and_names_weigh_and_what_links_lead_to_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("heavy"), vec![1; 1 << 20]).unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let weight = weigh(folder.path(), u64::MAX);
        assert_eq!(weight.entries, 3);
        assert!((100_000..300_000).contains(&weight.bytes), "{weight:?}");
        assert!(weigh(folder.path(), 10).bytes < weight.bytes, "it stops early");
    }
}

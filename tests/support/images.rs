//! Images made of programs of this machine: the program, what it is linked with, and nothing else, as layouts.

use crate::program;
use rhone_image::layout::{RunConfig, write};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// An image of the counter app that calls itself so.
pub fn counter(room: &Path, version: &str) -> PathBuf {
    let counter = program::path("counter");
    let page = format!("<title>{version}</title>");
    let files = [
        ("srv/counter", fs::read(&counter).expect("readable")),
        ("srv/version.txt", version.as_bytes().to_vec()),
        ("srv/public/index.html", page.into_bytes()),
    ];
    let config = RunConfig {
        env: Some(vec!["PATH=/srv:/bin".to_owned(), "DRAIN_SECONDS=1".to_owned()]),
        cmd: Some(vec!["/srv/counter".to_owned()]),
        working_dir: Some("/srv".to_owned()),
        labels: Some(BTreeMap::from([("rhone.health".to_owned(), "/health".to_owned())])),
        ..RunConfig::default()
    };
    of(room, &counter, &files, config)
}

/// An image of the shell that does this. It answers nobody.
pub fn shell(room: &Path, script: &str) -> PathBuf {
    let shell = fs::canonicalize("/bin/sh").expect("there is a shell");
    let files = [("bin/sh", fs::read(&shell).expect("readable"))];
    let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    of(room, &shell, &files, RunConfig { cmd: Some(words), ..RunConfig::default() })
}

fn of(room: &Path, program: &Path, files: &[(&str, Vec<u8>)], config: RunConfig) -> PathBuf {
    let listed = Command::new("ldd").arg(program).output().expect("ldd runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let libraries: BTreeSet<&str> = listed.split_whitespace().filter(|word| word.starts_with('/')).collect();
    let mut layer = tar::Builder::new(fs::File::create(room.join("layer.tar")).expect("a file"));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        layer.append_data(&mut header, name, content).expect("an entry");
    };
    for (name, content) in files {
        add(name, content);
    }
    for library in libraries {
        add(library.trim_start_matches('/'), &fs::read(library).expect("readable"));
    }
    layer.finish().expect("a tar");
    drop(layer);
    let layout = room.join("layout");
    write(&layout, &room.join("layer.tar"), config, BTreeMap::new()).expect("written");
    layout
}

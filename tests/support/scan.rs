//! Looks for a secret everywhere a platform keeps or says something: every table, every file, every process' arguments. The trap
//! avoided: a scan that looks where nothing is; it says how much it read, and tests plant a leak that it must find.

use crate::platform::Platform;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// What was looked for, in the forms in which it could lie somewhere.
#[derive(Clone, Debug)]
pub struct Needle(Vec<Vec<u8>>);

/// What a scan came to.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Where it was found.
    pub found: Vec<String>,
    /// How many files were read.
    pub files: usize,
    /// How many bytes of tables.
    pub dumped: usize,
    /// How many processes' arguments.
    pub processes: usize,
}

impl Needle {
    /// A secret as it is, and as hex digits, which is how tables show bytes.
    pub fn new(secret: &str) -> Self {
        let hex = hex::encode(secret);
        Self(vec![secret.as_bytes().to_vec(), hex.into_bytes()])
    }

    /// Whether it is in there.
    pub fn is_in(&self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        self.0.iter().any(|form| bytes.windows(form.len()).any(|part| part == form))
    }
}

/// Every file below a folder.
pub fn below(folder: &Path, needle: &Needle) -> Scan {
    let mut scan = Scan::default();
    look_into(folder, needle, &mut scan);
    scan
}

/// Every table, every file of the data folder, every process' arguments.
pub fn everywhere(platform: &Platform, needle: &Needle) -> Scan {
    let mut scan = Scan::default();
    let dump = dump(&platform.addresses().database.admin_url);
    scan.dumped = dump.len();
    for line in dump.split(|byte| *byte == b'\n').filter(|line| needle.is_in(line)) {
        scan.found.push(format!("a table: {:.60}", String::from_utf8_lossy(line)));
    }
    let folder = platform.data();
    look_into(folder.parent().expect("the data folder is in the platform's"), needle, &mut scan);
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    for process in processes.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
    {
        let Ok(words) = fs::read(process.path().join("cmdline")) else { continue };
        scan.processes += 1;
        if needle.is_in(&words) {
            scan.found.push(format!("arguments of {}", process.path().display()));
        }
    }
    scan
}

fn dump(url: &str) -> Vec<u8> {
    let output = Command::new("pg_dump").args(["--dbname", url]).stderr(Stdio::inherit()).output();
    let output = output.expect("pg_dump is installed");
    assert!(output.status.success(), "pg_dump failed");
    output.stdout
}

fn look_into(folder: &Path, needle: &Needle, scan: &mut Scan) {
    // PostgreSQL's own folder belongs to another user when tests run as root; its tables were dumped.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => look_into(&path, needle, scan),
            Ok(kind) if kind.is_file() => {
                let Ok(bytes) = fs::read(&path) else { continue };
                scan.files += 1;
                if needle.is_in(&bytes) {
                    scan.found.push(path.display().to_string());
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}

//! What a private server keeps beside its data so that it is the same server after a restart: a port, a secret, a name, and
//! the lock that says whose it is. The trap avoided: a port from the ephemeral range, which any outgoing connection may
//! have taken by the time we come back.

use super::error::{ServerError, during};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Below Linux' ephemeral range (32768 to 60999) and above the ports of well-known servers.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Creates the folder unless it exists, enterable but not listable by others, and gives its absolute path.
pub(super) fn folder(path: &Path) -> Result<PathBuf, ServerError> {
    DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(during("create", path))?;
    path.canonicalize().map_err(during("find", path))
}

/// How often, and how long apart, a folder is tried that somebody has: a program that we start has all our files for a moment,
/// between its fork and its exec, and with them a lock that we have let go of.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(10);

/// Takes the folder for this process, until the lock is dropped or the process ends, however it ends.
pub(super) fn lock(folder: &Path) -> Result<File, ServerError> {
    let path = folder.join("lock");
    let file = private_file(&path).map_err(during("open", &path))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
            Err(TryLockError::Error(source)) => return Err(during("lock", path)(source)),
        }
    }
    Err(ServerError::Owned { folder: folder.to_owned() })
}

/// The text in the file, written by `make` the first time, readable by its owner only.
pub(super) fn kept(path: &Path, make: impl FnOnce() -> String) -> Result<String, ServerError> {
    if let Ok(text) = fs::read_to_string(path)
        && !text.is_empty()
    {
        return Ok(text);
    }
    let text = make();
    write_private(path, &text)?;
    Ok(text)
}

/// Replaces the file in one step; it is readable by its owner only.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), ServerError> {
    let next = path.with_extension("next");
    let write = || {
        let _ = fs::remove_file(&next);
        let mut file = private_file(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, path)
    };
    write().map_err(during("write", path))
}

fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

/// Random bytes as hex digits.
pub(super) fn random_hex<const N: usize>() -> String {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    hex::encode(bytes)
}

/// The port kept in the folder when it is free, else another, which is kept from now on.
pub(super) fn port(folder: &Path) -> Result<u16, ServerError> {
    let path = folder.join("port");
    let earlier = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    if let Some(port) = earlier.filter(|port| is_free(*port)) {
        return Ok(port);
    }
    let port = (0..500).map(|_| random_port()).find(|port| is_free(*port)).ok_or(ServerError::NoPort)?;
    write_private(&path, &port.to_string())?;
    Ok(port)
}

fn random_port() -> u16 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    PORTS.start + u16::from_le_bytes(bytes) % (PORTS.end - PORTS.start)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

//! What the kernel holds of a build without a sandbox, by Landlock, which needs neither root nor namespaces: which files it
//! opens, TCP, signals, sockets. How much of it depends on the kernel's age, and the build's log says what is missing. The trap
//! avoided: a rule that was asked for and is not held.

use super::Order;
use crate::sandbox::{Network, SETTINGS};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use std::{
    path::{Path, PathBuf},
    thread,
};

/// Something of the host that the kernel keeps from a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wall {
    /// Files, and the memory and environment of other processes.
    Files,
    /// Connections by TCP.
    Tcp,
    /// Signals, and sockets with a name of their own kind.
    Signals,
    /// Sockets that are files.
    Sockets,
}

/// Since which version of it the kernel holds what.
const SINCE: [(ABI, Wall); 4] =
    [(ABI::V1, Wall::Files), (ABI::V4, Wall::Tcp), (ABI::V6, Wall::Signals), (ABI::V9, Wall::Sockets)];
/// The newest that is known here: what a later one holds, no test has seen.
const NEWEST: ABI = ABI::V9;

/// The host's programs, what they read of its settings, and what the kernel says to everybody.
const READ: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc"];
/// What else of `/etc` stands in for the files that a sandbox has of its own.
const NAMES: [&str; 7] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/localtime",
];
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What this kernel holds: tried by a thread that gives itself up.
pub(crate) fn walls() -> Vec<Wall> {
    let tried = thread::spawn(|| hold(&[], &[], Network::Closed)).join();
    let Ok(Ok(RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, .. }, .. })) = tried else {
        return Vec::new();
    };
    SINCE.into_iter().filter(|(since, _)| *since <= effective_abi).map(|(_, wall)| wall).collect()
}

/// Shuts the calling thread in, and whatever it starts; no program gains powers from then on.
pub(super) fn shut_in(order: &Order) -> Result<(), RulesetError> {
    let read = READ.iter().chain(&SETTINGS).chain(&NAMES).map(|place| Path::new(place).to_owned());
    let read: Vec<PathBuf> = read.chain(order.brought.clone()).collect();
    hold(&read, &order.writable, order.network).map(drop)
}

fn hold(read: &[PathBuf], write: &[PathBuf], network: Network) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?;
    if network == Network::Closed {
        rules = rules.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let rules = rules.create()?.add_rules(path_beneath_rules(read, AccessFs::from_read(NEWEST)))?;
    let rules = rules.add_rules(path_beneath_rules(DEVICES, device))?;
    rules.add_rules(path_beneath_rules(write, AccessFs::from_all(NEWEST)))?.restrict_self()
}

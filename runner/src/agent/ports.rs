//! Which ports gates of this host have. One is tried from the allocation's id on, so that agents that share a machine rarely
//! try the same; a port once given is never given to another allocation while its record stands.

use crate::config::PortRange;
use rhone_domain::ids::AllocationId;
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

/// The ports of one host.
#[derive(Debug)]
pub(crate) struct Ports {
    range: PortRange,
    taken: Mutex<BTreeSet<u16>>,
}

impl Ports {
    pub(super) fn new(range: PortRange) -> Self {
        Self { range, taken: Mutex::default() }
    }

    /// Known from a record.
    pub(super) fn take(&self, address: SocketAddr) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(address.port());
    }

    /// Never to be used again by who had it.
    pub(crate) fn release(&self, address: SocketAddr) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&address.port());
    }

    /// A free one; none when all are taken.
    pub(crate) fn choose(&self, allocation: AllocationId) -> Option<SocketAddr> {
        let PortRange { first, last } = self.range;
        let span = u128::from(last.checked_sub(first)?) + 1;
        let offset = u16::try_from(allocation.0.as_u128() % span).ok()?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let port = (first + offset..=last)
            .chain(first..first + offset)
            .find(|port| !taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())?;
        taken.insert(port);
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}

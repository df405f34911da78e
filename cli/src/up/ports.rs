//! The ports of the parts: chosen once, kept in `ports.json`, the same after every restart. The trap avoided: the ranges of
//! outgoing connections (32768 and up) and of the runner's gates (20000 to 29999), where a port may be taken meanwhile.

use crate::{data::Data, private_file};
use anyhow::{Context as _, Result, bail};
use rhone_eventstore::clock::random_bytes;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, TcpListener},
    ops::Range,
};

const RANGE: Range<u16> = 30_000..32_000;

/// The ports of one data folder.
pub(super) struct Ports<'a> {
    data: &'a Data,
    kept: BTreeMap<String, u16>,
}

impl<'a> Ports<'a> {
    /// As they were kept.
    pub(super) fn of(data: &'a Data) -> Result<Self> {
        Ok(Self { data, kept: private_file::read(&data.ports())?.unwrap_or_default() })
    }

    /// The address of a part on this host: the port asked for, the one it had, or another.
    pub(super) fn address(&mut self, part: &str, host: IpAddr, asked: Option<u16>) -> Result<SocketAddr> {
        if let Some(port) = asked {
            if !is_free(host, port) {
                bail!("port {port} is taken on {host}: stop what listens there, or ask for another");
            }
            return self.keep(part, SocketAddr::new(host, port));
        }
        if let Some(port) = self.kept.get(part).copied().filter(|port| is_free(host, *port)) {
            return Ok(SocketAddr::new(host, port));
        }
        let others: Vec<u16> = self.kept.values().copied().collect();
        let found = (0..500).map(|_| random_port()).find(|port| !others.contains(port) && is_free(host, *port));
        let found = found.context("no free port between 30000 and 32000: stop something that listens there")?;
        self.keep(part, SocketAddr::new(host, found))
    }

    fn keep(&mut self, part: &str, address: SocketAddr) -> Result<SocketAddr> {
        self.kept.insert(part.to_owned(), address.port());
        private_file::write(&self.data.ports(), &self.kept)?;
        Ok(address)
    }
}

fn random_port() -> u16 {
    RANGE.start + u16::from_le_bytes(random_bytes()) % (RANGE.end - RANGE.start)
}

fn is_free(host: IpAddr, port: u16) -> bool {
    TcpListener::bind((host, port)).is_ok()
}

#[cfg(test)]
mod tests {
    //! Ports stay, and give way.
    use super::*;

    #[test]
    fn a_part_keeps_its_port_until_it_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = Data::at(folder.path());
        let host: IpAddr = [127, 0, 0, 1].into();
        let address = |part| Ports::of(&data).expect("readable").address(part, host, None).expect("a port");
        let first = address("serve");
        assert_eq!(address("serve"), first);
        assert_ne!(address("work"), first);
        let taken = TcpListener::bind(first).expect("it is free");
        let asked = Ports::of(&data).expect("readable").address("serve", host, Some(first.port()));
        assert!(asked.is_err(), "a port that was asked for is not exchanged");
        assert_ne!(address("serve"), first);
        drop(taken);
    }
}

//! Where a probe may reach. A tenant names the address, and we are the one who connects: what leads inward, to the machine's
//! own metadata or to our own servers, is refused. The trap avoided: judging a name and connecting to what it leads to a
//! moment later; names are resolved once, and an address that was judged is used. And taking the first of several for the only
//! one: `localhost` is `::1` and `127.0.0.1` on most machines, and a server listens where it was told to.

use super::{ProbeError, Target};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// So long one of several addresses is tried: three of them leave a probe time for its work.
const ONE_OF_SEVERAL: Duration = Duration::from_secs(1);

/// Where a probe may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Only what everybody can reach.
    #[default]
    Public,
    /// Also this machine and private networks: for development and tests.
    Local,
}

impl Reach {
    /// Whether this address may be reached.
    pub fn allows(self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        let (never, local) = match address {
            IpAddr::V4(v4) => (never_v4(v4), local_v4(v4)),
            IpAddr::V6(v6) => (never_v6(v6), local_v6(v6)),
        };
        !never && (self == Self::Local || !local)
    }

    /// Whether the address of a target is one that may be reached, as far as can be said without resolving it.
    pub fn allows_literally(self, target: &Target) -> bool {
        let Some((host, _)) = target.place() else { return true };
        let local_name = host == "localhost" || host.ends_with(".localhost") || host.ends_with(".internal");
        match host.parse::<IpAddr>() {
            Ok(address) => self.allows(address),
            Err(_) => self == Self::Local || !local_name,
        }
    }

    /// The address to connect to: the first that may be reached, and where a name has several, that somebody listens at.
    pub(super) async fn resolve(self, target: &Target) -> Result<SocketAddr, ProbeError> {
        let place = target.place().ok_or_else(|| ProbeError::fatal("NO_ADDRESS", "there is no address to try"))?;
        let unknown = || ProbeError::retry("UNKNOWN_HOST", format!("the host of {} is not known", target.endpoint()));
        let mut found = tokio::net::lookup_host(place).await.map_err(|_| unknown())?.peekable();
        found.peek().ok_or_else(unknown)?;
        let allowed = found.filter(|address| self.allows(address.ip())).collect::<Vec<_>>();
        listening(&allowed).await.ok_or_else(|| inward(target))
    }
}

/// The first of them that somebody listens at; the first of all where nobody does, so that connecting to it says why.
async fn listening(allowed: &[SocketAddr]) -> Option<SocketAddr> {
    let (first, others) = allowed.split_first()?;
    if others.is_empty() {
        return Some(*first);
    }
    for address in allowed {
        if matches!(timeout(ONE_OF_SEVERAL, TcpStream::connect(address)).await, Ok(Ok(_))) {
            return Some(*address);
        }
    }
    Some(*first)
}

fn inward(target: &Target) -> ProbeError {
    ProbeError::fatal("INWARD_ADDRESS", format!("{} leads inward, where no tenant may reach", target.endpoint()))
}

/// Link-local, where clouds keep their metadata, and what is no address of a host.
fn never_v4(address: Ipv4Addr) -> bool {
    let alibaba_metadata = address == Ipv4Addr::new(100, 100, 100, 200);
    address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || alibaba_metadata
}

fn local_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    address.is_loopback() || address.is_private() || shared || a == 0
}

fn never_v6(address: Ipv6Addr) -> bool {
    let aws_metadata = address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    address.is_unicast_link_local() || address.is_unspecified() || address.is_multicast() || aws_metadata
}

fn local_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unique_local()
}

#[cfg(test)]
mod tests {
    //! Which of several addresses is used. Which of them may be is tested where targets are.
    use super::*;
    use tokio::net::TcpListener;

    /// The sin: the first that may be reached is believed to be the one.
    async fn first_alone(allowed: &[SocketAddr]) -> Option<SocketAddr> {
        allowed.first().copied()
    }

    async fn finds_the_server(which: impl AsyncFn(&[SocketAddr]) -> Option<SocketAddr>) -> bool {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let there = server.local_addr().expect("an address");
        let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), there.port());
        which(&[nobody, there]).await == Some(there) && which(&[there, nobody]).await == Some(there)
    }

    #[tokio::test]
    async fn a_server_is_found_at_whichever_of_its_names_addresses_it_listens() {
        assert!(finds_the_server(listening).await);
        assert!(!finds_the_server(first_alone).await, "the sin is caught");
    }

    #[tokio::test]
    async fn where_nobody_listens_the_first_is_tried_and_says_so_and_none_is_none() {
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
        let other = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), free.port());
        assert_eq!(listening(&[free, other]).await, Some(free));
        assert_eq!(listening(&[]).await, None);
    }
}

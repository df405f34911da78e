//! Where a probe may reach. A tenant names the address, and we are the one who connects: what leads inward, to the machine's
//! own metadata or to our own servers, is refused. The trap avoided: judging a name and connecting to what it leads to a
//! moment later; names are resolved once, and that address is used.

use super::{ProbeError, Target};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

    /// The address to connect to.
    pub(super) async fn resolve(self, target: &Target) -> Result<SocketAddr, ProbeError> {
        let place = target.place().ok_or_else(|| ProbeError::fatal("NO_ADDRESS", "there is no address to try"))?;
        let unknown = || ProbeError::retry("UNKNOWN_HOST", format!("the host of {} is not known", target.endpoint()));
        let mut found = tokio::net::lookup_host(place).await.map_err(|_| unknown())?.peekable();
        found.peek().ok_or_else(unknown)?;
        found.find(|address| self.allows(address.ip())).ok_or_else(|| inward(target))
    }
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

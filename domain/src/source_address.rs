//! Where sources may be fetched from: the rules of an address that need no network, so that a bad one is refused where it
//! enters. The traps avoided: an address that is an option or a program to `git`, one that carries a password into the log,
//! and one that reaches inward, to the machine's own metadata for example, also in one of the spellings that only resolvers know.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Component, Path, PathBuf},
};

/// Whether something that is off by default is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// It is refused.
    #[default]
    No,
    /// It is not.
    Yes,
}

/// What this installation lets in. The default is the public internet over `https`, `http` and `git`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourcePolicy {
    /// Repositories in folders of the machine that builds.
    pub local: Allowed,
    /// Hosts with loopback or private addresses. Link-local and metadata addresses are never let in.
    pub private: Allowed,
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceAddress {
    /// On a host.
    Remote(Remote),
    /// In a folder, by its absolute path.
    Local(PathBuf),
}

/// A repository on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// How it is reached.
    pub scheme: Scheme,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// As written, or the scheme's own.
    pub port: u16,
    /// Begins with `/`.
    pub path: String,
}

/// How a host is reached. `ssh` is not here: it needs a key, and none is held for repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Over TLS.
    Https,
    /// In clear.
    Http,
    /// Git's own, in clear.
    Git,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
            Self::Git => 9418,
        }
    }

    /// As it begins a URL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Git => "git",
        }
    }
}

impl Remote {
    /// Its host as a URL has it, with the port where that is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.word(), self.authority(), self.path)
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(remote) => remote.fmt(f),
            Self::Local(folder) => write!(f, "{}", folder.display()),
        }
    }
}

/// Why an address is refused. The words never repeat the address: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// Not the form of an address.
    #[error("repository: {0}")]
    Malformed(&'static str),
    /// An address as it should be, and not let in here.
    #[error("repository: {0}")]
    NotAllowed(&'static str),
}

impl AddressRefused {
    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) => "REPOSITORY_INVALID",
            Self::NotAllowed(_) => "SOURCE_NOT_ALLOWED",
        }
    }

    /// Which rule it breaks.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Malformed(rule) | Self::NotAllowed(rule) => rule,
        }
    }
}

use AddressRefused::{Malformed, NotAllowed};

/// Never let in, whatever the policy says.
const INWARD: &str = "leads to link-local, metadata or otherwise unroutable addresses, which are never let in";
/// Let in by `private`.
const PRIVATE: &str =
    "leads to a loopback or private address; the operator can let those in (`build.sources` in rhone.json: `private`)";
const SSH: &str = "`ssh` needs a key, and none is held for repositories: give the same path with `https`; \
    `rhone credential set HOST` keeps what a private one asks for";
const PLAIN_ADDRESS: &str = "an IPv4 address must have four plain decimal numbers";

impl SourceAddress {
    /// Reads the address that somebody typed. What its name resolves to is judged later, by `may_be_reached`.
    pub fn parse(text: &str, policy: &SourcePolicy) -> Result<Self, AddressRefused> {
        if text.is_empty() || text.chars().count() > 500 {
            return Err(Malformed("must have 1 to 500 characters"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Malformed("must not contain blanks or control characters"));
        }
        if text.starts_with('-') {
            return Err(Malformed("must not begin with `-`"));
        }
        if text.starts_with('/') {
            return local(text, *policy);
        }
        if let Some(path) = text.strip_prefix("file://") {
            return local(path, *policy);
        }
        match text.split_once("://") {
            Some(("https", rest)) => remote(Scheme::Https, rest, *policy),
            Some(("http", rest)) => remote(Scheme::Http, rest, *policy),
            Some(("git", rest)) => remote(Scheme::Git, rest, *policy),
            Some(("ssh" | "git+ssh" | "ssh+git", _)) => Err(NotAllowed(SSH)),
            _ if text.contains("::") => Err(NotAllowed("`ext::`, `fd::` and other helpers of git are never let in")),
            None if is_for_ssh(text) => Err(NotAllowed(SSH)),
            _ => Err(Malformed("must begin with `https://`, `http://`, `git://`, or be the absolute path of a folder")),
        }
    }
}

/// As `git clone` takes an address for `ssh` that does not say so: `git@host:path`.
fn is_for_ssh(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'))
}

fn local(path: &str, policy: SourcePolicy) -> Result<SourceAddress, AddressRefused> {
    if !path.starts_with('/') {
        return Err(Malformed("`file://` must be followed by an absolute path"));
    }
    let folder = Path::new(path);
    if folder.components().any(|part| part == Component::ParentDir) {
        return Err(Malformed("a path must not contain `..`"));
    }
    if policy.local == Allowed::No {
        return Err(NotAllowed(
            "folders of this machine are not let in; the operator can let them in (`build.sources` in rhone.json: `local`)",
        ));
    }
    Ok(SourceAddress::Local(folder.components().collect()))
}

fn remote(scheme: Scheme, rest: &str, policy: SourcePolicy) -> Result<SourceAddress, AddressRefused> {
    let (authority, path) = rest.split_once('/').ok_or(Malformed("must name a repository after the host"))?;
    if authority.contains('@') {
        return Err(Malformed(
            "must not carry a user or a password, which would be on record for ever; `rhone credential set HOST` keeps them",
        ));
    }
    if path.is_empty() || path.starts_with('/') || path.contains(['?', '#', '\\']) {
        return Err(Malformed("must name a repository after the host, without `?`, `#` and `\\`"));
    }
    let (host, port) = host_and_port(authority, scheme)?;
    let host = host.to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => may_be_reached(address, &policy)?,
        Err(_) => name(&host, policy)?,
    }
    Ok(SourceAddress::Remote(Remote { scheme, host, port, path: format!("/{path}") }))
}

fn host_and_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), AddressRefused> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(Malformed("an IPv6 address must end with `]`"))?;
            host.parse::<Ipv6Addr>().map_err(|_| Malformed("must have an IPv6 address between `[` and `]`"))?;
            match after {
                "" => (host, None),
                after => (host, Some(after.strip_prefix(':').ok_or(Malformed("must have `:` before its port"))?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = |port: &&str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = match port {
        None => scheme.default_port(),
        Some(port) => Some(port)
            .filter(plain)
            .and_then(|port| port.parse().ok())
            .filter(|port| *port > 0)
            .ok_or(Malformed("must have a port from 1 to 65535"))?,
    };
    Ok((host, port))
}

/// A DNS name. Resolvers read `2852039166`, `0xa9fea9fe` and `169.254.43518` as addresses, so these are no names.
fn name(host: &str, policy: SourcePolicy) -> Result<(), AddressRefused> {
    let trimmed = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
    };
    if trimmed.len() > 253 || !trimmed.split('.').all(label) {
        return Err(Malformed("must have a host of letters, digits, `-`, `_` and `.`"));
    }
    let last = trimmed.rsplit('.').next().unwrap_or(trimmed);
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        return Err(Malformed(PLAIN_ADDRESS));
    }
    if trimmed == "metadata" || trimmed == "metadata.google.internal" || trimmed == "instance-data" {
        return Err(NotAllowed(INWARD));
    }
    let loopback = trimmed == "localhost" || trimmed.ends_with(".localhost");
    if loopback && policy.private == Allowed::No { Err(NotAllowed(PRIVATE)) } else { Ok(()) }
}

/// Whether an address may be connected to: asked of what is written, and again of everything that a name resolves to.
pub fn may_be_reached(address: IpAddr, policy: &SourcePolicy) -> Result<(), AddressRefused> {
    let address = match address {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => v4,
            None => return judged(inward_v6(v6), private_v6(v6), *policy),
        },
    };
    judged(inward_v4(address), private_v4(address), *policy)
}

fn judged(inward: bool, private: bool, policy: SourcePolicy) -> Result<(), AddressRefused> {
    if inward {
        return Err(NotAllowed(INWARD));
    }
    if private && policy.private == Allowed::No { Err(NotAllowed(PRIVATE)) } else { Ok(()) }
}

fn inward_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    // 100.100.100.200 and 192.0.0.192 are metadata of clouds, in ranges that are otherwise merely private.
    let metadata = matches!(address.octets(), [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16]);
    metadata || a == 0 || (a == 169 && b == 254) || a >= 224
}

fn private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    let protocol = a == 192 && b == 0 && c == 0;
    address.is_private() || address.is_loopback() || address.is_documentation() || shared || benchmark || protocol
}

/// The IPv4 address that an IPv6 address only carries: mapped, compatible, NAT64 and 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |at: usize| {
        let ([a, b], [c, d]) = (segments[at].to_be_bytes(), segments[at + 1].to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, _] if high != 0 => Some(v4(6)),
        [0x64, 0xff9b, ..] => Some(v4(6)),
        [0x2002, ..] => Some(v4(1)),
        _ => None,
    }
}

fn inward_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let metadata = address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    metadata || address.is_unspecified() || address.is_multicast() || first & 0xffc0 == 0xfe80
}

fn private_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let unique = first & 0xfe00 == 0xfc00;
    let site = first & 0xffc0 == 0xfec0;
    // Teredo carries an address that it hides, and documentation leads nowhere.
    let tunnel = first == 0x2001 && (second == 0 || second == 0x0db8);
    address.is_loopback() || unique || site || tunnel
}

#[cfg(test)]
mod tests;

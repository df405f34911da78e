//! Where a request comes from: the socket's other end, or what trusted proxies say. The trap avoided: a header that anybody can
//! write; of `X-Forwarded-For` only as many of the last entries are believed as proxies stand in front of us.

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The address of whoever asks; none where the server does not know its sockets. With `proxies` trusted ones in front it is the
/// entry that the outermost of them added; a request that did not come through all of them counts by its socket.
pub(crate) fn address_of(headers: &HeaderMap, extensions: &Extensions, proxies: usize) -> Option<IpAddr> {
    let socket = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    if proxies == 0 {
        return socket;
    }
    forwarded(headers, proxies).or(socket)
}

fn forwarded(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").into_iter();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().split(',').map(str::trim));
    let entries: Vec<&str> = entries.collect();
    let entry = entries.get(entries.len().checked_sub(proxies)?)?;
    let with_port = || entry.parse::<SocketAddr>().map(|address| address.ip());
    entry.parse().or_else(|_| with_port()).ok()
}

/// By what an address is remembered: whoever has an IPv6 network has 2^64 addresses.
pub(super) fn keyed(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    //! Nobody chooses the address that is believed.
    use super::*;

    fn of(lines: &[&str], proxies: usize) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().expect("a header"));
        }
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 80))));
        address_of(&headers, &extensions, proxies).map(|address| address.to_string())
    }

    #[test]
    fn without_trusted_proxies_only_the_socket_counts() {
        assert_eq!(of(&["1.2.3.4"], 0).as_deref(), Some("10.0.0.1"));
        assert_eq!(address_of(&HeaderMap::new(), &Extensions::new(), 0), None);
    }

    #[test]
    fn of_the_header_only_what_trusted_proxies_added_counts() {
        for (lines, proxies, expected) in [
            (&["9.9.9.9, 1.2.3.4"][..], 1, "1.2.3.4"),
            (&["9.9.9.9", "1.2.3.4"], 1, "1.2.3.4"),
            (&["9.9.9.9, 1.2.3.4, 10.0.0.2"], 2, "1.2.3.4"),
            (&["[2001:db8::1]:443"], 1, "2001:db8::1"),
            (&["1.2.3.4:5555"], 1, "1.2.3.4"),
            // Not through all of them, or nonsense: the socket.
            (&["1.2.3.4"], 2, "10.0.0.1"),
            (&["unknown"], 1, "10.0.0.1"),
            (&[""], 1, "10.0.0.1"),
            (&[], 1, "10.0.0.1"),
        ] {
            assert_eq!(of(lines, proxies).as_deref(), Some(expected), "{lines:?} behind {proxies}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_ipv4_address_is_itself() {
        let key = |text: &str| keyed(text.parse().expect("an address")).to_string();
        assert_eq!(key("2001:db8:1:2:aaaa::1"), key("2001:db8:1:2::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:1.2.3.4"), "1.2.3.4");
    }
}

//! The cookie that keeps a session at its allocation. Written and read by the request path. The trap: a pin that a client
//! can write is a way into any allocation, so it is authenticated, and it names the environment it is good for.

use crate::clock;
use hmac::{Hmac, Mac};
use hyper::{HeaderMap, header::COOKIE, header::HeaderValue};
use rhone_domain::{
    ids::{AllocationId, EnvironmentId},
    numbers::Epoch,
};
use sha2::Sha256;

/// How long a pin is good for.
const LIFETIME_SECONDS: i64 = 24 * 60 * 60;

/// Whether clients come over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// No.
    Http,
    /// Yes, ended here or before.
    Https,
}

impl Scheme {
    /// The scheme of a URL.
    pub(crate) fn of(url: &str) -> Self {
        if url.starts_with("https://") { Self::Https } else { Self::Http }
    }

    /// As `x-forwarded-proto` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn cookie(self) -> &'static str {
        match self {
            Self::Http => "rhone_session",
            Self::Https => "__Host-rhone",
        }
    }
}

/// Writes and reads pins.
pub(crate) struct Pins {
    key: Hmac<Sha256>,
    scheme: Scheme,
}

impl Pins {
    /// Pins under this key.
    pub(crate) fn new(key: &[u8; 32], scheme: Scheme) -> Self {
        let key = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
        Self { key, scheme }
    }

    /// The pin that a request brought for this environment, if it stands.
    pub(crate) fn read(&self, headers: &HeaderMap, environment: EnvironmentId) -> Option<AllocationId> {
        let name = self.scheme.cookie();
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(key, _)| *key == name)?.1;
        self.verified(value, environment, clock::now().timestamp())
    }

    /// A `Set-Cookie` that pins a session.
    pub(crate) fn write(&self, environment: EnvironmentId, allocation: AllocationId, epoch: Epoch) -> HeaderValue {
        let value = self.value(environment, allocation, epoch, clock::now().timestamp() + LIFETIME_SECONDS);
        let secure = match self.scheme {
            Scheme::Http => "",
            Scheme::Https => "; Secure",
        };
        let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", self.scheme.cookie());
        HeaderValue::from_str(&cookie).expect("ids, numbers and hex digits are visible ASCII")
    }

    fn value(&self, environment: EnvironmentId, allocation: AllocationId, epoch: Epoch, expires: i64) -> String {
        let claim = format!("v1|{}|{}|{epoch}|{expires}", environment.0.simple(), allocation.0.simple());
        let mac = self.key.clone().chain_update(&claim).finalize().into_bytes();
        format!("{claim}|{}", hex::encode(&mac[..16]))
    }

    fn verified(&self, value: &str, environment: EnvironmentId, now: i64) -> Option<AllocationId> {
        let (claim, mac) = value.rsplit_once('|')?;
        let mut offered = [0; 16];
        hex::decode_to_slice(mac, &mut offered).ok()?;
        self.key.clone().chain_update(claim).verify_truncated_left(&offered).ok()?;
        let mut words = claim.split('|');
        let (version, pinned) = (words.next()?, words.next()?.parse::<EnvironmentId>().ok()?);
        let allocation = words.next()?.parse().ok()?;
        let expires = words.nth(1)?.parse::<i64>().ok()?;
        (version == "v1" && pinned == environment && now < expires).then_some(allocation)
    }
}

#[cfg(test)]
mod tests {
    //! A pin is what this edge wrote, for this environment, in its time.
    use super::*;
    use crate::apply::tests::{PREVIEW, PRODUCTION};
    use uuid::Uuid;

    const ALLOCATION: AllocationId = AllocationId(Uuid::from_u128(9));

    fn pins(key: u8) -> Pins {
        Pins::new(&[key; 32], Scheme::Http)
    }

    #[test]
    fn a_pin_is_read_as_it_was_written() {
        let mut headers = HeaderMap::new();
        let set = pins(1).write(PRODUCTION, ALLOCATION, Epoch(3));
        let pair = set.to_str().expect("text").split(';').next().expect("a pair").to_owned();
        headers.append(COOKIE, format!("theme=dark; {pair}").parse().expect("a header"));
        assert_eq!(pins(1).read(&headers, PRODUCTION), Some(ALLOCATION));
        assert_eq!(pins(1).read(&headers, PREVIEW), None, "another environment");
        assert_eq!(pins(2).read(&headers, PRODUCTION), None, "another key");
    }

    #[test]
    fn a_pin_ends_in_time_and_does_not_survive_a_change() {
        let value = pins(1).value(PRODUCTION, ALLOCATION, Epoch(3), 100);
        assert_eq!(pins(1).verified(&value, PRODUCTION, 99), Some(ALLOCATION));
        assert_eq!(pins(1).verified(&value, PRODUCTION, 100), None);
        for forged in [value.replace("|100|", "|900|"), value.replace("v1", "v2"), value[..value.len() - 2].to_owned()]
        {
            assert_eq!(pins(1).verified(&forged, PRODUCTION, 99), None, "{forged}");
        }
    }
}

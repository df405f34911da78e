//! The replay contract: which unsafe requests an app itself says may wait for its wake, and under which key it recognises one
//! that it has seen. Writer: the app's author, in `rhone.toml`; it travels with the bytes to the owner and so to the edges.
//! Trap: a path that looks covered to the edge and is another one to the app, so only plainly written paths are.

use serde::{Deserialize, Serialize};

/// The methods a contract may speak of; the safe ones need none.
const UNSAFE: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];
/// As the header is called unless the contract says otherwise.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How many patterns a contract has at most.
const PATTERNS: usize = 100;
/// How long an idempotency key is at most.
const KEY_BYTES: usize = 255;

/// What an app promises about unsafe requests that are held back while it wakes. Part of an event: only ever added to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayContract {
    /// `METHOD /path`, or `METHOD /path/...` for everything below; may be empty: then nothing unsafe is ever held.
    pub hold: Vec<String>,
    /// The header that carries the key by which the app recognises a request; lower-case.
    pub idempotency_header: String,
}

/// Why a contract is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadContract {
    /// Too much of it.
    #[error("hold must have at most {PATTERNS} entries")]
    TooMany,
    /// A pattern of no use.
    #[error("hold[{0}] must be `METHOD /path` or `METHOD /path/...`, with POST, PUT, PATCH or DELETE")]
    Pattern(usize),
    /// No header.
    #[error("idempotency_header must be a header's name of 1 to 64 letters, digits and hyphens")]
    Header,
}

impl ReplayContract {
    /// The contract as written, checked.
    pub fn read(hold: Vec<String>, header: Option<&str>) -> Result<Self, BadContract> {
        if hold.len() > PATTERNS {
            return Err(BadContract::TooMany);
        }
        if let Some(at) = hold.iter().position(|pattern| !is_pattern(pattern)) {
            return Err(BadContract::Pattern(at));
        }
        let header = header.unwrap_or(IDEMPOTENCY_KEY).to_ascii_lowercase();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=64).contains(&header.len()) || !header.bytes().all(fits) {
            return Err(BadContract::Header);
        }
        Ok(Self { hold, idempotency_header: header })
    }

    /// Whether it speaks of such a request.
    pub fn covers(&self, method: &str, path: &str) -> bool {
        self.hold.iter().any(|pattern| {
            let Some((of, rest)) = pattern.split_once(' ') else { return false };
            of == method
                && match rest.strip_suffix("...") {
                    Some(below) => path.len() > below.len() && path.starts_with(below) && is_plain(path),
                    None => path == rest,
                }
        })
    }
}

/// Whether a value names a request: something visible, and not endless.
pub fn is_key(value: &[u8]) -> bool {
    (1..=KEY_BYTES).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

fn is_pattern(pattern: &str) -> bool {
    let Some((method, path)) = pattern.split_once(' ') else { return false };
    let plain = path.strip_suffix("...").map_or_else(|| is_plain(path), |below| below.ends_with('/') && is_base(below));
    UNSAFE.contains(&method) && plain && path.len() <= 500
}

fn is_base(below: &str) -> bool {
    below == "/" || is_plain(below.trim_end_matches('/')) && !below.ends_with("//")
}

/// Means the same to everybody: no empty, dotted or encoded segment.
fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#' | b';');
    path.bytes().all(fits) && (rest.is_empty() || rest.split('/').all(|one| !matches!(one, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    //! What is covered, and what only looks like it.
    use super::*;

    fn contract(hold: &[&str]) -> Result<ReplayContract, BadContract> {
        ReplayContract::read(hold.iter().map(|&one| one.to_owned()).collect(), None)
    }

    #[test]
    fn a_contract_covers_what_it_names_and_nothing_else() {
        let contract = contract(&["POST /webhooks/...", "PUT /cart"]).expect("a contract");
        let cases = [
            ("POST", "/webhooks/stripe", true),
            ("POST", "/webhooks/stripe/v2", true),
            ("PUT", "/cart", true),
            ("POST", "/cart", false),
            ("PUT", "/cart/1", false),
            ("POST", "/webhooks/", false),
            ("POST", "/webhooks", false),
            ("POST", "/webhooks/../admin", false),
            ("POST", "/webhooks/%2e%2e/admin", false),
            ("POST", "/webhooks//admin", false),
            ("POST", "/webhooks/..;/admin", false),
            ("DELETE", "/webhooks/stripe", false),
            ("post", "/webhooks/stripe", false),
        ];
        for (method, path, expected) in cases {
            assert_eq!(contract.covers(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_contract_is_refused_when_it_is_none() {
        for bad in ["", "POST", "POST cart", "GET /cart", "POST /a b", "POST /a/../b", "POST /x...", "POST /a//..."] {
            assert_eq!(contract(&["PUT /fine", bad]), Err(BadContract::Pattern(1)), "{bad}");
        }
        assert_eq!(ReplayContract::read(vec![], Some("x y")), Err(BadContract::Header));
        assert_eq!(ReplayContract::read(vec![], Some("")), Err(BadContract::Header));
        assert_eq!(contract(&vec!["POST /a"; PATTERNS + 1]), Err(BadContract::TooMany));
        assert!(contract(&vec!["POST /a"; PATTERNS]).is_ok());
        let all = contract(&["POST /..."]).expect("everything below the root");
        assert!(all.covers("POST", "/a") && !all.covers("POST", "/"), "the root is not below itself");
    }

    #[test]
    fn a_header_is_compared_in_lower_case() {
        let contract = ReplayContract::read(vec![], Some("Stripe-Event")).expect("a contract");
        assert_eq!(contract.idempotency_header, "stripe-event");
    }

    #[test]
    fn a_key_is_visible_and_bounded() {
        assert!(is_key(b"evt_1"));
        for bad in [b"".as_slice(), b"a b", b"\n", &[b'x'; KEY_BYTES + 1]] {
            assert!(!is_key(bad));
        }
    }
}

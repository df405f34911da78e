//! What an edge is told at its start, and why it may not start. Written by the binary's wiring. The trap: a token in a
//! `Debug` line ends in a log, so both the token and the bus address (which may hold a password) are kept from it.

use crate::waking::HoldBudget;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::VerifyingKey;
use rhone_domain::ids::RegionId;
use std::{fmt, io, net::SocketAddr, path::PathBuf, time::Duration};

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// How an edge is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The edge's own folder: identity, cookie key, table.
    pub data_dir: PathBuf,
    /// Where it serves; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where it answers for itself; keep it on loopback.
    pub admin: SocketAddr,
    /// Where clients reach it, when that is not `http://` and the address served at. `https://` makes its cookies secure.
    pub public_url: Option<String>,
    /// The control plane, such as `http://127.0.0.1:8080`.
    pub control_url: String,
    /// Sent to the control plane as a bearer token.
    pub token: Secret,
    /// The region whose feed it applies.
    pub region: RegionId,
    /// Signs that feed.
    pub feed_key: VerifyingKey,
    /// The bus; without one only HTTP brings changes.
    pub nats_url: Option<Secret>,
    /// Whether a snapshot with far fewer routes is believed.
    pub shrink: Shrink,
    /// How long it waits for what.
    pub timing: Timing,
    /// How much it holds for apps that wake.
    pub holds: HoldBudget,
}

/// What becomes of a snapshot that lacks more than a fifth of the routes served so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrink {
    /// Refused and counted; what was verified before is served on.
    Refuse,
    /// Believed: an operator has said so.
    Allow,
}

/// How long an edge waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a proven gap may stay unrepaired before everything is answered with 503.
    pub gap_grace: Duration,
    /// How long without word from the authority until the table counts as stale.
    pub stale_after: Duration,
    /// Over how much time the sockets of a drained deployment are closed.
    pub drain_spread: Duration,
    /// How long open work may go on after a request to stop.
    pub shutdown_grace: Duration,
    /// How long an app may take until the head of its answer; longer when the request has a body.
    pub upstream: Duration,
    /// How long a request is held for an app that wakes.
    pub hold: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            gap_grace: Duration::from_secs(10),
            stale_after: Duration::from_secs(5),
            drain_spread: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(5),
            upstream: Duration::from_mins(1),
            hold: Duration::from_secs(30),
        }
    }
}

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Its folder is of no use.
    #[error("using the edge's folder at {path}")]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("another edge runs on the folder {0}")]
    InUse(PathBuf),
    /// An address is taken or not ours.
    #[error("listening on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The client for the control plane could not be made.
    #[error("preparing to speak to the control plane")]
    Control(#[source] reqwest::Error),
    /// The system's signals could not be heard.
    #[error("listening for signals")]
    Signals(#[source] io::Error),
    /// The feed's key is no Ed25519 key.
    #[error("the feed's public key is 32 bytes as 64 hex digits or as base64")]
    FeedKey,
}

/// Reads the feed's public key: 64 hex digits, or base64.
pub fn feed_key(text: &str) -> Result<VerifyingKey, EdgeError> {
    let text = text.trim();
    let bytes = hex::decode(text).or_else(|_| BASE64.decode(text)).map_err(|_| EdgeError::FeedKey)?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| EdgeError::FeedKey)?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| EdgeError::FeedKey)
}

#[cfg(test)]
mod tests {
    //! Keys are read in both spellings; secrets are not printed.
    use super::*;
    use ed25519_dalek::SigningKey;

    #[test]
    fn a_key_is_read_as_hex_and_as_base64() {
        let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
        assert_eq!(feed_key(&hex::encode(key.as_bytes())).expect("hex"), key);
        assert_eq!(feed_key(&BASE64.encode(key.as_bytes())).expect("base64"), key);
        assert!(feed_key("nonsense").is_err());
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("rhone-token")), "[hidden]");
    }
}

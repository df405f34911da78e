//! Source credentials: with what an app's sources are read where not everybody may read them, a git repository's host and an
//! image's registry alike. Owner: the workspace. Writer: API operations; the app's stream holds host, user and a reference, the
//! vault the secret. Trap: a credential that is shown to another host than the one it was given for.

use crate::{
    digest::Digest,
    hidden::Hidden,
    ids::ValueId,
    logs::SHORTEST_SECRET,
    numbers::EnvSet,
    source_address::{Allowed, Remote, Scheme, SourceAddress, SourcePolicy},
    text::{ImageName, InvalidText, Username},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// No app holds credentials for more hosts.
pub const MOST: usize = 50;
/// No secret is longer, in bytes: what a server takes as one line of a request.
pub const SECRET_BYTES: usize = 6 * 1024;

/// A host that sources are read from: its name or address, and its port where that is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceHost(String);

/// A credential on record: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCredential {
    /// To which host alone it is shown.
    pub host: SourceHost,
    /// As whom.
    pub username: Username,
    /// The how manieth for this host; the ciphertext is bound to it.
    pub generation: EnvSet,
    /// An HMAC of host and secret under a key of the app's: equal secrets are seen to be equal, and nothing else.
    pub digest: Digest,
    /// Where the vault keeps the secret.
    pub value: ValueId,
    /// When it was set.
    pub at: DateTime<Utc>,
}

/// A credential that somebody wants, about to go into the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As whom.
    pub username: Username,
    /// See [`SourceCredential::digest`].
    pub digest: Digest,
    /// Where the vault keeps the secret.
    pub value: ValueId,
}

/// A credential in clear, on its way to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// To which host alone it is shown.
    pub host: SourceHost,
    /// As whom.
    pub username: Username,
    /// With what.
    pub secret: Hidden,
}

const HOST: &str = "the host of a repository or registry, such as git.example.com or registry.example.com:5000, without scheme and path";

impl SourceHost {
    /// Takes the text of `field` if sources can be read from there.
    pub fn parse(field: &str, text: &str) -> Result<Self, InvalidText> {
        let address = SourceAddress::parse(&format!("https://{text}/x"), &ANYWHERE);
        match address {
            Ok(SourceAddress::Remote(remote)) if !text.contains('/') => Ok(Self::of(&remote)),
            Ok(_) | Err(_) => Err(InvalidText::new(field, HOST)),
        }
    }

    /// The host of a repository.
    pub fn of(remote: &Remote) -> Self {
        Self(remote.authority())
    }

    /// The host of a repository's address, if it is one that asks who is there: neither a folder nor git's own protocol does.
    pub fn of_repository(repository: &str) -> Option<Self> {
        match SourceAddress::parse(repository, &ANYWHERE) {
            Ok(SourceAddress::Remote(remote)) if remote.scheme != Scheme::Git => Some(Self::of(&remote)),
            Ok(_) | Err(_) => None,
        }
    }

    /// The registry of an image, as its name has it.
    pub fn of_image(image: &ImageName) -> Option<Self> {
        Self::parse("image", image.as_str().split_once('/')?.0).ok()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a credential may be kept for; where it may be sent is judged by whoever sends it.
const ANYWHERE: SourcePolicy = SourcePolicy { local: Allowed::No, private: Allowed::Yes };

impl fmt::Display for SourceHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name under which the vault keeps a host's credential.
pub fn vault_name(host: &SourceHost) -> String {
    format!("source:{host}")
}

/// Takes the secret of `field` if a server can be shown it.
pub fn secret(field: &str, secret: Hidden) -> Result<Hidden, InvalidText> {
    let text = secret.expose();
    // A shorter one could not be masked in a log without telling more than it hides.
    let fits = (SHORTEST_SECRET..=SECRET_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    let rule = format!("{SHORTEST_SECRET} to {SECRET_BYTES} bytes on one line, without control characters");
    if fits { Ok(secret) } else { Err(InvalidText::new(field, &rule)) }
}

impl SignIn {
    /// Every form in which a program that was shown it may print it.
    pub fn forms(&self) -> Vec<Hidden> {
        let secret = self.secret.expose();
        let basic = STANDARD.encode(format!("{}:{secret}", self.username));
        vec![self.secret.clone(), Hidden::new(escaped(secret)), Hidden::new(basic)]
    }

    /// As git's own file of credentials has it: good for this scheme on this host, and for nothing else.
    pub fn line(&self, scheme: Scheme) -> Hidden {
        let Self { host, username, secret } = self;
        let (username, secret) = (escaped(username.as_str()), escaped(secret.expose()));
        Hidden::new(format!("{}://{username}:{secret}@{host}\n", scheme.word()))
    }
}

/// As a URL has it.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests;

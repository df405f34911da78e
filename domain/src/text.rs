//! Text that people type, checked once, where it enters. A refusal names the field and the rule.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct InvalidText {
    /// Which field.
    pub field: String,
    /// Which rule it breaks.
    pub rule: String,
}

impl InvalidText {
    /// A refusal of `field` by `rule`.
    pub fn new(field: &str, rule: &str) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident by $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text of `field` if the rule admits it.
            pub fn parse(field: &str, text: &str) -> Result<Self, InvalidText> {
                $check(text).map(Self).map_err(|rule| InvalidText::new(field, rule))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// A short name in an address: `^[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])?$`, 3 to 63 characters, no `--`.
    Slug by slug;
    /// A name for people: 1 to 100 characters on one line.
    Name by name;
    /// Why something was done: 1 to 500 characters.
    Reason by reason;
    /// A DNS name, lower-case ASCII, at least two labels, at most 253 characters.
    Hostname by hostname;
    /// The key of a request: 1 to 255 printable ASCII characters.
    IdempotencyKey by idempotency_key;
    /// A source repository: 1 to 500 printable characters.
    Repository by repository;
    /// A commit: 40 or 64 lower-case hex digits.
    Commit by commit;
    /// A commit, a branch or a tag as git takes it: 1 to 255 characters, none of blank, `~^:?*[\`, `..`, `@{`, and not beginning
    /// with `-` or `/`.
    GitReference by git_reference;
    /// The name of an image without tag and digest: a registry's host, and port if any, and a path of lower-case parts.
    ImageName by image_name;
    /// The name of a migration: 1 to 200 of a-z, A-Z, 0-9, `.`, `_` and `-`.
    MigrationName by migration_name;
    /// As whom somebody signs in: 1 to 255 visible ASCII characters without `:`.
    Username by username;
    /// What proves something, in words or as a link: 1 to 2000 printable characters.
    Proof by proof;
}

/// The platform's own domain: what is under it the platform gives, and nobody attaches.
pub const PLATFORM_DOMAIN: &str = "rhone.app";

impl Hostname {
    /// Whether it is the platform's own domain, or a name under it.
    pub fn is_the_platforms(&self) -> bool {
        let under = self.as_str().strip_suffix(PLATFORM_DOMAIN);
        under.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

const SLUG: &str = "3 to 63 of a-z, 0-9 and -, not starting or ending with - and without --";

fn slug(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let ends = text.starts_with('-') || text.ends_with('-');
    let fits = (3..=63).contains(&text.len());
    if plain && fits && !ends && !text.contains("--") { Ok(text.into()) } else { Err(SLUG) }
}

fn line(text: &str, most: usize, rule: &'static str) -> Result<String, &'static str> {
    let length = text.chars().count();
    let fits = (1..=most).contains(&length) && !text.trim().is_empty() && !text.chars().any(char::is_control);
    if fits { Ok(text.into()) } else { Err(rule) }
}

fn name(text: &str) -> Result<String, &'static str> {
    line(text, 100, "1 to 100 characters, not only blanks, without control characters")
}

fn reason(text: &str) -> Result<String, &'static str> {
    line(text, 500, "1 to 500 characters, not only blanks, without control characters")
}

fn repository(text: &str) -> Result<String, &'static str> {
    line(text, 500, "1 to 500 characters, not only blanks, without control characters")
}

fn hostname(text: &str) -> Result<String, &'static str> {
    const RULE: &str =
        "a DNS name of at least two labels, each 1 to 63 of a-z, 0-9 and inner -, at most 253 characters";
    let lower = text.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = lower.split('.').collect::<Vec<_>>();
    let numeric = labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let fits = lower.len() <= 253 && labels.len() >= 2 && labels.iter().all(|l| label(l)) && !numeric;
    if fits { Ok(lower) } else { Err(RULE) }
}

fn idempotency_key(text: &str) -> Result<String, &'static str> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if fits { Ok(text.into()) } else { Err("1 to 255 printable ASCII characters without blanks") }
}

fn migration_name(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let fits = (1..=200).contains(&text.len());
    if plain && fits { Ok(text.into()) } else { Err("1 to 200 of a-z, A-Z, 0-9, `.`, `_` and `-`") }
}

fn username(text: &str) -> Result<String, &'static str> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if fits { Ok(text.into()) } else { Err("1 to 255 visible ASCII characters without blanks and `:`") }
}

fn proof(text: &str) -> Result<String, &'static str> {
    line(text, 2000, "1 to 2000 characters, not only blanks, without control characters")
}

fn git_reference(text: &str) -> Result<String, &'static str> {
    const RULE: &str = "a commit, branch or tag: 1 to 255 visible ASCII characters without ~^:?*[\\, `..` and `@{`, not beginning with - or /, not ending with / or .";
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"~^:?*[\\".contains(&b));
    let parts = !text.contains("..") && !text.contains("@{") && !text.contains("//");
    let ends = !text.starts_with(['-', '/']) && !text.ends_with(['/', '.']);
    let fits = (1..=255).contains(&text.len());
    if plain && parts && ends && fits { Ok(text.into()) } else { Err(RULE) }
}

fn image_name(text: &str) -> Result<String, &'static str> {
    const RULE: &str =
        "a registry's host and a path of a-z, 0-9, `.`, `_` and `-`, such as registry.example.com:5000/acme/shop";
    let Some((host, path)) = text.split_once('/') else { return Err(RULE) };
    let (name, port) = host.split_once(':').unwrap_or((host, "443"));
    let named = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && (name.contains('.') || name == "localhost" || host.contains(':'));
    let ported = port.parse::<u16>().is_ok_and(|port| port > 0);
    let step = |step: &str| {
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        step.bytes().all(|b| alphanumeric(b) || matches!(b, b'.' | b'_' | b'-'))
            && step.bytes().next().is_some_and(alphanumeric)
            && step.bytes().last().is_some_and(alphanumeric)
    };
    let fits = text.len() <= 255 && path.split('/').all(step);
    if named && ported && fits { Ok(text.into()) } else { Err(RULE) }
}

fn commit(text: &str) -> Result<String, &'static str> {
    let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex && (text.len() == 40 || text.len() == 64) { Ok(text.into()) } else { Err("40 or 64 lower-case hex digits") }
}

#[cfg(test)]
mod tests;

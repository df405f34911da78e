//! The key of a variable: `^[A-Z][A-Z0-9_]*$`, at most 255 characters, and none that the platform gives an app itself. The trap
//! avoided: an app's own `PORT` or `RHONE_ALLOCATION`, by which it would listen, or be found, elsewhere.

use crate::text::InvalidText;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Keys that the platform sets; refused by name. Those that begin with `RHONE_` are refused as well.
pub const RESERVED: [&str; 6] =
    ["PORT", "FLY_APP_NAME", "FLY_REGION", "FLY_MACHINE_ID", "FLY_ALLOC_ID", "PRIMARY_REGION"];

const OURS: &str = "RHONE_";
const LONGEST: usize = 255;

/// A variable's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// Takes the text of `field` if it may be a key.
    pub fn parse(field: &str, text: &str) -> Result<Self, InvalidText> {
        let form = text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            && text.len() <= LONGEST;
        if !form {
            return Err(InvalidText::new(field, "a capital letter, then A-Z, 0-9 and _, at most 255 characters"));
        }
        if text.starts_with(OURS) || RESERVED.contains(&text) {
            return Err(InvalidText::new(field, &format!("{text} is set by the platform and cannot be set here")));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! Keys and tokens of a data folder: made once, each in a file that only its owner reads. The trap avoided: a feed key made
//! anew at a restart, which every edge would take for a forger's.

use crate::{config::Keys, data::Data, private_file, vault_keys};
use anyhow::{Context as _, Result};
use rhone_api::identity::PREFIX;
use rhone_eventstore::clock::{random_bytes, secret};
use std::collections::BTreeMap;

/// Keys and tokens.
pub(super) struct Secrets {
    pub(super) keys: Keys,
    tokens: BTreeMap<String, String>,
}

/// Who has a token besides the edges.
pub(super) const USER: &str = "user";
pub(super) const RUNNER: &str = "runner";

/// The name of an edge; the first one is 1.
pub(super) fn edge(number: u16) -> String {
    format!("edge-{number}")
}

/// As they were kept; what is missing is made.
pub(super) fn kept(data: &Data, edges: u16) -> Result<Secrets> {
    let make = || Keys { feed: hex::encode(random_bytes::<32>()), kek: Some(hex::encode(random_bytes::<32>())) };
    let keys = private_file::kept(&data.keys(), make)?;
    let mut tokens: BTreeMap<String, String> = private_file::read(&data.tokens())?.unwrap_or_default();
    vault_keys::made(data)?;
    let before = tokens.len();
    for name in [USER.to_owned(), RUNNER.to_owned()].into_iter().chain((1..=edges).map(edge)) {
        tokens.entry(name).or_insert_with(|| format!("{PREFIX}{}", secret()));
    }
    if tokens.len() > before {
        private_file::write(&data.tokens(), &tokens)?;
    }
    Ok(Secrets { keys, tokens })
}

impl Secrets {
    /// The token of `user`, `runner` or an edge.
    pub(super) fn token(&self, name: &str) -> Result<&str> {
        self.tokens.get(name).map(String::as_str).with_context(|| format!("there is no token for {name}"))
    }
}

#[cfg(test)]
mod tests {
    //! Secrets stay what they were.
    use super::*;

    #[test]
    fn another_edge_gets_a_token_and_nothing_else_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = Data::at(folder.path());
        let first = kept(&data, 1).expect("made");
        let second = kept(&data, 2).expect("read");
        assert_eq!(first.keys.feed, second.keys.feed);
        for name in [USER, RUNNER, "edge-1"] {
            assert_eq!(first.token(name).expect("there"), second.token(name).expect("there"));
        }
        assert!(first.token("edge-2").is_err());
        assert!(second.token("edge-2").expect("made").starts_with(PREFIX));
    }
}

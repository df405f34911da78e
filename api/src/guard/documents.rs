//! The persisted documents: texts known by their SHA-256, so that a console may be held to its own queries. Filled at start,
//! never by callers. The traps avoided: "automatic" persisting, which lets anyone fill the list; and a list for everybody, which
//! shuts out the command line and every script.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::fault::{Code, Fault};

/// Who asks, as far as documents go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A page, by the session's cookie that its browser adds.
    Page,
    /// A program, by a token that it shows.
    Program,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    AnyText,
    PagesKnownOnly,
}

/// Which documents may run.
#[derive(Debug, Clone)]
pub struct Documents {
    policy: Policy,
    known: Arc<HashMap<String, String>>,
}

impl Documents {
    /// Any text that passes the guard.
    pub fn any() -> Self {
        Self::any_and_known(std::iter::empty::<String>())
    }

    /// Any text, and these by their digest too.
    pub fn any_and_known(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { policy: Policy::AnyText, known: by_digest(texts) }
    }

    /// Of pages only these, by text or by digest; of programs any text, and these by their digest too.
    pub fn pages_known_only(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { policy: Policy::PagesKnownOnly, known: by_digest(texts) }
    }

    /// The text to run, from the request's text and its `extensions.persistedQuery.sha256Hash`.
    pub(crate) fn resolve(
        &self,
        asker: Asker,
        query: Option<String>,
        extensions: &Map<String, Value>,
    ) -> Result<String, Fault> {
        let unknown = || Fault::new(Code::PersistedQueryNotFound, "the persisted document is not known");
        let wanted = match extensions.get("persistedQuery") {
            None => None,
            Some(persisted) => Some(
                persisted
                    .get("sha256Hash")
                    .and_then(Value::as_str)
                    .ok_or_else(|| Fault::bad_input("extensions.persistedQuery.sha256Hash", "must be a string"))?,
            ),
        };
        match (query, wanted) {
            (None, None) => Err(Fault::bad_input("query", "is required")),
            (None, Some(digest)) => self.known.get(digest).cloned().ok_or_else(unknown),
            (Some(text), wanted) => {
                let digest = digest(&text);
                if wanted.is_some_and(|wanted| wanted != digest) {
                    let field = "extensions.persistedQuery.sha256Hash";
                    return Err(Fault::bad_input(field, "must be the SHA-256 of query"));
                }
                match (self.policy, asker) {
                    (Policy::AnyText, _) | (Policy::PagesKnownOnly, Asker::Program) => Ok(text),
                    (Policy::PagesKnownOnly, Asker::Page) if self.known.contains_key(&digest) => Ok(text),
                    (Policy::PagesKnownOnly, Asker::Page) => Err(unknown()),
                }
            }
        }
    }
}

fn by_digest(texts: impl IntoIterator<Item = impl Into<String>>) -> Arc<HashMap<String, String>> {
    Arc::new(texts.into_iter().map(Into::into).map(|text| (digest(&text), text)).collect())
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

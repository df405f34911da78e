//! Providers: which outside resources an app can be attached to, and who offers them. Owner: Rhone; these are words and a
//! table, attachments are in `provider_binding`. Trap: taking an app's own word for it; what it declares is only a need.

use crate::{
    actor::{UnknownWord, words},
    runtime_service::Needed,
    variables::Key,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

words! {
    /// An outside resource.
    Resource {
        /// Where product data lives.
        Database = "database",
        /// What sends mail.
        Email = "email",
        /// Any other service over HTTP.
        Api = "api",
    }
}

words! {
    /// How a resource is reached.
    Vendor {
        /// As a PostgreSQL database.
        Postgres = "postgres",
        /// Over HTTP.
        Http = "http",
    }
}

impl Resource {
    /// How it can be reached.
    pub fn vendors(self) -> &'static [Vendor] {
        match self {
            Self::Database => &[Vendor::Postgres],
            Self::Email | Self::Api => &[Vendor::Http],
        }
    }
}

/// What an artifact says it needs in order to run; part of an event, only ever added to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Outside resources, each with its vendor, or none for any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<Resource, Option<Vendor>>,
    /// Runtime services, each with its backend, or none for any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: Needed,
    /// Variables and secrets, by their keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub variables: BTreeSet<Key>,
}

impl Needs {
    /// Whether it needs nothing.
    pub fn is_empty(&self) -> bool {
        self.providers.is_empty() && self.services.is_empty() && self.variables.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_needed_is_a_need() {
        assert!(Needs::default().is_empty());
        let needs = crate::story::needs();
        assert!(!Needs { services: Needed::default(), ..needs.clone() }.is_empty());
        assert!(!Needs { providers: BTreeMap::default(), ..needs }.is_empty());
        let key = Key::parse("key", "TOKEN").expect("a key");
        assert!(!Needs { variables: [key].into(), ..Needs::default() }.is_empty());
    }
}

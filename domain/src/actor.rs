//! Who acts, and in which capacity. Ids only: names and addresses live where they can be erased.

use crate::ids::ActorId;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Who caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who.
    pub id: ActorId,
    /// Of which kind.
    pub kind: ActorKind,
    /// For whom, when support acts for a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<ActorId>,
}

/// A closed list of words that are stored as text.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stored word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| UnknownWord(text.to_owned()))
            }
        }
    };
}
pub(crate) use words;

/// A word that is not on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known word here")]
pub struct UnknownWord(pub String);

words! {
    /// What kind of actor.
    ActorKind {
        /// A person.
        User = "user",
        /// A program with an API token.
        Token = "token",
        /// A worker of the control plane.
        Worker = "worker",
        /// A runner, for what it saw.
        Runner = "runner",
        /// Support, on behalf of a user.
        Support = "support",
    }
}

words! {
    /// In which capacity an event is written; each noun accepts only its own.
    Writer {
        /// A command of an authenticated user or token.
        Api = "api",
        /// The deploy pipeline.
        Pipeline = "pipeline",
        /// The scheduler of allocations.
        Scheduler = "scheduler",
        /// A runner's report.
        Runner = "runner",
        /// A promotion operation.
        Promotion = "promotion",
        /// A rollback operation.
        Rollback = "rollback",
        /// An operation that binds what a provider offers.
        Provider = "provider",
        /// Provisioning of regions, cells and hosts.
        Platform = "platform",
        /// The control plane's own upkeep.
        System = "system",
        /// A deployed app, under its runtime identity. It may issue nothing.
        AppRuntime = "app_runtime",
    }
}

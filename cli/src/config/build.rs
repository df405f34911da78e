//! Section `build`: what a worker fetches and builds, and within which bounds. The trap avoided: a limit that the environment
//! names and that is then no number; digits are taken as text too.

use crate::data::Data;
use rhone_builder::{
    build::BuildLimits,
    source::{self, Allowed, SourcePolicy},
};
use rhone_workers::Builds;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

/// Section `build`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "they are keys of a file: a build's seconds beside a fetch's")]
pub(crate) struct Build {
    /// How many deploys a worker has in hand at once; 0 where nothing is built.
    #[serde(deserialize_with = "number")]
    pub(crate) at_once: usize,
    /// How many of one workspace are in hand at once, over all workers.
    #[serde(deserialize_with = "number")]
    pub(crate) per_workspace: u16,
    /// Where sources and artifacts are while they are made, in a folder of this installation; `builds` of the data folder when
    /// omitted.
    pub(crate) scratch: Option<PathBuf>,
    /// What may be fetched from where: tenants name the addresses.
    pub(crate) sources: Sources,
    /// A file of certificates (PEM, by its absolute path) by which hosts of git are known; the machine's when omitted.
    pub(crate) authorities: Option<PathBuf>,
    /// No source is larger, in bytes.
    #[serde(deserialize_with = "number")]
    pub(crate) source_bytes: u64,
    /// Nor has more files.
    #[serde(deserialize_with = "number")]
    pub(crate) source_files: u64,
    /// No artifact is larger, in bytes.
    #[serde(deserialize_with = "number")]
    pub(crate) artifact_bytes: u64,
    /// How long a fetch may take, in seconds.
    #[serde(deserialize_with = "number")]
    pub(crate) fetch_seconds: u64,
    /// How long a build may take, in seconds.
    #[serde(deserialize_with = "number")]
    pub(crate) build_seconds: u64,
    /// How much memory a build may have, in bytes.
    #[serde(deserialize_with = "number")]
    pub(crate) memory_bytes: u64,
    /// How many processes a build may have.
    #[serde(deserialize_with = "number")]
    pub(crate) processes: u64,
    /// How much a build may write, in bytes.
    #[serde(deserialize_with = "number")]
    pub(crate) disk_bytes: u64,
    /// How much is kept of what a build prints, in bytes.
    #[serde(deserialize_with = "number")]
    pub(crate) log_bytes: u64,
    /// Whether a build that declares that it needs the network gets it.
    #[serde(deserialize_with = "number")]
    pub(crate) network: bool,
}

/// Where sources and images may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sources {
    /// Only where everybody can reach.
    #[default]
    Public,
    /// On hosts of private networks, and of this machine, too.
    Private,
    /// There, and in folders of this machine.
    Local,
}

impl Sources {
    fn policy(self) -> SourcePolicy {
        let (private, local) = match self {
            Self::Public => (Allowed::No, Allowed::No),
            Self::Private => (Allowed::Yes, Allowed::No),
            Self::Local => (Allowed::Yes, Allowed::Yes),
        };
        SourcePolicy { local, private }
    }
}

const MIB: u64 = 1024 * 1024;

impl Default for Build {
    fn default() -> Self {
        Self {
            at_once: 2,
            per_workspace: 2,
            scratch: None,
            sources: Sources::Public,
            authorities: None,
            source_bytes: 512 * MIB,
            source_files: 100_000,
            artifact_bytes: 1024 * MIB,
            fetch_seconds: 300,
            build_seconds: 900,
            memory_bytes: 2048 * MIB,
            processes: 256,
            disk_bytes: 4096 * MIB,
            log_bytes: 16 * MIB,
            network: true,
        }
    }
}

impl Build {
    /// As workers take it; none where nothing is built.
    pub(crate) fn builds(self, data: &Data) -> Option<Arc<Builds>> {
        if self.at_once == 0 {
            return None;
        }
        Some(Arc::new(Builds {
            at_once: self.at_once,
            per_workspace: self.per_workspace,
            scratch: self.scratch.unwrap_or_else(|| data.path().join("builds")),
            artifact_limit: self.artifact_bytes,
            sources: self.sources.policy(),
            source_limits: source::Limits {
                bytes: self.source_bytes,
                files: self.source_files,
                timeout: Duration::from_secs(self.fetch_seconds),
            },
            limits: BuildLimits {
                memory_bytes: self.memory_bytes,
                seconds: self.build_seconds,
                processes: self.processes,
                disk_bytes: self.disk_bytes,
                network: self.network,
            },
            log_bytes: self.log_bytes,
            // Itself, also when another program was installed in its place meanwhile.
            guard: PathBuf::from("/proc/self/exe"),
            authorities: self.authorities,
        }))
    }
}

/// A number or a word of JSON, as it is or as text.
fn number<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + FromStr<Err: fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written<T> {
        Itself(T),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Itself(value) => Ok(value),
        Written::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    //! What may be left out, and what the environment says.
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn what_is_left_out_is_as_it_is_without_the_section() {
        let section: Build = from_value(json!({ "at_once": "3", "network": "false" })).expect("a section");
        assert_eq!((section.at_once, section.network, section.per_workspace), (3, false, 2));
        assert!(section.sources == Sources::Public, "tenants name addresses; inner ones are for who says so");
    }

    /// The sin would be one word for both: whoever has a git of their own in a private network would let every tenant name folders
    /// of the worker's machine.
    #[test]
    fn private_hosts_are_let_in_without_the_machines_own_folders() {
        let let_in = |word: &str| {
            let policy = from_value::<Sources>(json!(word)).expect(word).policy();
            (policy.private == Allowed::Yes, policy.local == Allowed::Yes)
        };
        assert_eq!(["public", "private", "local"].map(let_in), [(false, false), (true, false), (true, true)]);
        assert!(from_value::<Sources>(json!("everything")).is_err());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert!(from_value::<Build>(json!({ "at_once": "many" })).is_err());
        assert!(from_value::<Build>(json!({ "build_seconds": -1 })).is_err());
    }
}

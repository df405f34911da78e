//! What the files of an artifact say about it, read once, when it is packed. Writer: the build pipeline, into the artifact's
//! first event. The trap avoided: asking an artifact again at promotion, when its files could be read differently.

use crate::{database_impact::Impact, digest::Digest, provider::Needs, text::MigrationName, wake::ReplayContract};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the files of an artifact say. Part of an event: only ever added to, no fractions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFacts {
    /// The program and its arguments, relative to the artifact's folder; never empty.
    pub command: Vec<String>,
    /// Where the app answers for its health; begins with `/`.
    pub health_path: String,
    /// Where the app accepts WebSockets; each begins with `/`.
    #[serde(default)]
    pub socket_paths: Vec<String>,
    /// The paths the app serves; each begins with `/`.
    #[serde(default)]
    pub routes: Vec<String>,
    /// How long it wants between SIGTERM and SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_seconds: Option<u32>,
    /// Its static files; none when it says nothing of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<AssetFacts>,
    /// Its state as Vango describes it; none when it is no Vango app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vango: Option<VangoFacts>,
    /// Where it was built from; none when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceFacts>,
    /// What it needs outside its process.
    #[serde(default, skip_serializing_if = "Needs::is_empty")]
    pub needs: Needs,
    /// The migrations that its code counts on, in the order in which they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<MigrationFacts>,
    /// Generated files by name: what was declared when it was built, and what is packed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generated: BTreeMap<String, GeneratedFacts>,
    /// Which unsafe requests an edge may hold while the app wakes; none when its author says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<ReplayContract>,
}

/// A migration that an artifact declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationFacts {
    /// Its name, for ever.
    pub id: MigrationName,
    /// Of the packed file that holds it.
    pub digest: Digest,
    /// What it does to the database, as its author says.
    pub impact: Impact,
}

/// A generated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratedFacts {
    /// What its generator made.
    pub declared: Digest,
    /// What is in the artifact; none when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Digest>,
}

/// The static files, by their manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetFacts {
    /// How many the manifest lists.
    pub count: u64,
    /// The manifest's own bytes.
    pub manifest: Digest,
}

/// The state of a Vango app: what a session keeps from one deployment to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VangoFacts {
    /// The form of the manifest, such as `1.0`.
    pub manifest_version: String,
    /// Which set of persisted things the build knows, such as `bs:v1:e3b0c44298fc`.
    pub build_schema: String,
    /// The digest of the state schema, as the build wrote it; none without a schema file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_hash: Option<String>,
    /// Persisted primitives: by id, the fingerprint of their encoding.
    #[serde(default)]
    pub persisted: BTreeMap<String, String>,
    /// Keys of the session: by name, the fingerprint of their encoding, or the declaration itself where there is none.
    #[serde(default)]
    pub session_keys: BTreeMap<String, String>,
    /// The form of the schema, such as `1.0`; none without a schema file, or as read by an older program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// What else is said of each persisted primitive, by the same id; absent as read by an older program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, PersistedFacts>,
}

/// What is said of a persisted primitive besides its encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistedFacts {
    /// Where it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// Such as `signal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Which schema its value has, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_id: Option<String>,
    /// Former ids and anchors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// Where an artifact was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// Such as `https://github.com/vango-go/vai-lite`.
    pub repository: String,
    /// The commit's name.
    pub commit: String,
}

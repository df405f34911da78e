//! The route feed of a region, as control plane and edges both see it (ADR 0006). The control plane writes it, inside the
//! append's own transaction; an edge only applies it. The trap: whoever can write to the bus must move no route, so every
//! entry, snapshot and heartbeat is signed over its incarnation, position, digests and content.

use crate::{
    digest::Digest,
    ids::{AllocationId, AppId, CellId, DeploymentId, EnvironmentId, HostId, Incarnation, RegionId, WorkspaceId},
    numbers::{EnvSet, Epoch, FeedSeq, Generation, Revision, SleepGeneration},
    wake::ReplayContract,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};

/// What a feed entry says. The last one for a key is the whole truth about that key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Who owns an environment's traffic.
    Route(Route),
    /// Where an allocation is reached, and whether it takes work.
    Allocation(Endpoint),
}

/// An environment's owner. Ordered by (epoch, revision); never lower. The field `weights` is reserved for a rollout to several
/// deployments at once, which is not built: nobody writes it, and whoever finds it goes by `owner` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The route key.
    pub environment: EnvironmentId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The app.
    pub app: AppId,
    /// Where.
    pub region: RegionId,
    /// Where in the region.
    pub cell: CellId,
    /// Rises with every change of owner.
    pub epoch: Epoch,
    /// Rises with every other change within the epoch.
    pub revision: Revision,
    /// The hostnames, lower-case ASCII, that flip together.
    pub hosts: Vec<String>,
    /// The owner; none before the first promotion.
    pub owner: Option<Owner>,
    /// The owner before, whose open sockets live on until the deadline.
    pub drain: Option<Drain>,
    /// Whether traffic is served.
    pub posture: Posture,
}

/// The deployment that owns an environment's traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Which deployment.
    pub deployment: DeploymentId,
    /// Exactly which bytes.
    pub artifact: Digest,
    /// With which set of variables.
    pub env_set: EnvSet,
    /// Where the app answers for its health.
    pub health_path: String,
    /// Which unsafe requests the app lets an edge hold while it wakes; none when it promised nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayContract>,
}

/// What an owner is, and what an allocation has to run to be one of its own: all three, for an edge sends nobody to what
/// differs in one of them. Whoever counts allocations compares this, so that what is counted is what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// Which deployment.
    pub deployment: DeploymentId,
    /// Exactly which bytes.
    pub artifact: Digest,
    /// With which set of variables.
    pub env_set: EnvSet,
}

impl Owner {
    /// What an allocation has to run to be one of its own.
    pub fn runs(&self) -> Runs {
        Runs { deployment: self.deployment, artifact: self.artifact, env_set: self.env_set }
    }
}

/// A former owner with sessions still open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The former owner.
    pub deployment: DeploymentId,
    /// When its sockets are closed with 1012.
    pub deadline: DateTime<Utc>,
}

/// Whether a route serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Posture {
    /// Traffic goes to the owner.
    Serve,
    /// 503 for everyone, by decision.
    Suspended,
    /// Nothing of the owner runs; a request asks for a wake, and is held or told to come back (`wake::classify`).
    Asleep {
        /// Which sleep; named by whoever asks for a wake.
        generation: SleepGeneration,
        /// When the next wake may be asked for, after one that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<DateTime<Utc>>,
    },
}

/// Where an allocation is reached. Ordered by (generation, state as listed); never lower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Which allocation.
    pub allocation: AllocationId,
    /// The only environment whose traffic it may ever get.
    pub environment: EnvironmentId,
    /// What it runs.
    pub deployment: DeploymentId,
    /// With which variables.
    pub env_set: EnvSet,
    /// The digest its runner verified and executed.
    pub artifact: Digest,
    /// Orders the entries of one allocation.
    pub generation: Generation,
    /// On which host.
    pub host: HostId,
    /// `ip:port` of the allocation's gate on that host.
    pub address: String,
    /// Whether it takes work.
    pub state: EndpointState,
}

impl Endpoint {
    /// What runs there.
    pub fn runs(&self) -> Runs {
        Runs { deployment: self.deployment, artifact: self.artifact, env_set: self.env_set }
    }
}

/// Whether an allocation takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// New sessions welcome.
    Ready,
    /// Only what is open already.
    Draining,
    /// Stopped or failed; final.
    Gone,
}

/// One entry of a region's feed, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which life of the feed.
    pub incarnation: Incarnation,
    /// Whose feed.
    pub region: RegionId,
    /// Gap-free.
    pub seq: FeedSeq,
    /// The digest before this entry.
    pub prev: Digest,
    /// SHA-256 over `prev` and the bytes of `content`.
    pub digest: Digest,
    /// A [`Content`] as JSON; these very bytes are digested.
    pub content: String,
    /// Ed25519 over [`Entry::signed_bytes`], base64.
    pub signature: String,
}

/// All that is true in a region at one position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Which life of the feed.
    pub incarnation: Incarnation,
    /// Whose feed.
    pub region: RegionId,
    /// The position it is true at.
    pub seq: FeedSeq,
    /// The feed's digest at that position.
    pub digest: Digest,
    /// The last content of every key, as JSON.
    pub contents: Vec<String>,
    /// Ed25519, base64.
    pub signature: String,
}

/// Where the feed stands; says that silence is not loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Which life of the feed.
    pub incarnation: Incarnation,
    /// Whose feed.
    pub region: RegionId,
    /// The last position.
    pub seq: FeedSeq,
    /// The digest there.
    pub digest: Digest,
    /// When it was signed.
    pub sent_at: DateTime<Utc>,
    /// Ed25519, base64.
    pub signature: String,
}

/// What goes over the bus, subject [`subject`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// A change.
    Entry(Entry),
    /// None.
    Heartbeat(Heartbeat),
}

/// Answer of `GET /edge/v1/events?incarnation=&after=&wait_ms=&limit=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// What followed, without gaps; may be empty.
    pub entries: Vec<Entry>,
    /// Where the feed stands.
    pub heartbeat: Heartbeat,
}

/// Why signed words are not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The signature does not fit.
    #[error("the signature does not fit incarnation, position, digest and content")]
    Signature,
    /// The digest is not that of the content.
    #[error("the digest is not that of what precedes it and the content")]
    Digest,
    /// The content is none.
    #[error("the content is not one that this version reads: {0}")]
    Content(String),
}

/// The bus subject of a region's feed.
pub fn subject(region: RegionId) -> String {
    format!("rhone.route.v1.{region}")
}

/// The digest after this content.
pub fn chain(prev: Digest, content: &str) -> Digest {
    Digest::of(&[&prev.0, content.as_bytes()])
}

impl Content {
    /// The JSON text that is stored, digested and sent.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a content has no map with other than text keys")
    }
}

impl Entry {
    /// Makes and signs an entry.
    pub fn signed(
        key: &SigningKey,
        (incarnation, region): (Incarnation, RegionId),
        (seq, prev): (FeedSeq, Digest),
        content: String,
    ) -> Self {
        let digest = chain(prev, &content);
        let mut entry = Self { incarnation, region, seq, prev, digest, content, signature: String::new() };
        entry.signature = sign(key, &entry.signed_bytes());
        entry
    }

    /// What the signature covers; the content through its digest.
    pub fn signed_bytes(&self) -> Vec<u8> {
        position_bytes(b"rhone.feed.entry.v1", self.incarnation, self.region, self.seq, &[&self.prev.0, &self.digest.0])
    }

    /// The content, if all of it can be believed.
    pub fn verified(&self, key: &VerifyingKey) -> Result<Content, Untrusted> {
        verify(key, &self.signed_bytes(), &self.signature)?;
        if chain(self.prev, &self.content) != self.digest {
            return Err(Untrusted::Digest);
        }
        read(&self.content)
    }
}

impl Snapshot {
    /// Makes and signs a snapshot.
    pub fn signed(
        key: &SigningKey,
        (incarnation, region): (Incarnation, RegionId),
        (seq, digest): (FeedSeq, Digest),
        contents: Vec<String>,
    ) -> Self {
        let mut snapshot = Self { incarnation, region, seq, digest, contents, signature: String::new() };
        snapshot.signature = sign(key, &snapshot.signed_bytes());
        snapshot
    }

    /// What the signature covers: every content with its length.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for content in &self.contents {
            all.extend_from_slice(&(content.len() as u64).to_be_bytes());
            all.extend_from_slice(content.as_bytes());
        }
        let contents = Digest::of(&[&all]);
        let head = [self.digest.0.as_slice(), contents.0.as_slice()];
        position_bytes(b"rhone.feed.snapshot.v1", self.incarnation, self.region, self.seq, &head)
    }

    /// The contents, if all of them can be believed.
    pub fn verified(&self, key: &VerifyingKey) -> Result<Vec<Content>, Untrusted> {
        verify(key, &self.signed_bytes(), &self.signature)?;
        self.contents.iter().map(|content| read(content)).collect()
    }
}

impl Heartbeat {
    /// Makes and signs a heartbeat.
    pub fn signed(
        key: &SigningKey,
        (incarnation, region): (Incarnation, RegionId),
        (seq, digest): (FeedSeq, Digest),
        sent_at: DateTime<Utc>,
    ) -> Self {
        let mut heartbeat = Self { incarnation, region, seq, digest, sent_at, signature: String::new() };
        heartbeat.signature = sign(key, &heartbeat.signed_bytes());
        heartbeat
    }

    /// What the signature covers.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let sent = self.sent_at.timestamp_micros().to_be_bytes();
        position_bytes(b"rhone.feed.heartbeat.v1", self.incarnation, self.region, self.seq, &[&self.digest.0, &sent])
    }

    /// Whether it can be believed.
    pub fn verified(&self, key: &VerifyingKey) -> Result<(), Untrusted> {
        verify(key, &self.signed_bytes(), &self.signature)
    }
}

fn position_bytes(tag: &[u8], incarnation: Incarnation, region: RegionId, seq: FeedSeq, rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = tag.to_vec();
    bytes.push(b'\n');
    bytes.extend_from_slice(incarnation.0.as_bytes());
    bytes.extend_from_slice(region.0.as_bytes());
    bytes.extend_from_slice(&seq.0.to_be_bytes());
    for part in rest {
        bytes.extend_from_slice(part);
    }
    bytes
}

fn sign(key: &SigningKey, bytes: &[u8]) -> String {
    BASE64.encode(key.sign(bytes).to_bytes())
}

fn verify(key: &VerifyingKey, bytes: &[u8], signature: &str) -> Result<(), Untrusted> {
    let signature = BASE64.decode(signature).map_err(|_| Untrusted::Signature)?;
    let signature = Signature::from_slice(&signature).map_err(|_| Untrusted::Signature)?;
    key.verify(bytes, &signature).map_err(|_| Untrusted::Signature)
}

fn read(content: &str) -> Result<Content, Untrusted> {
    serde_json::from_str(content).map_err(|error| Untrusted::Content(error.to_string()))
}

#[cfg(test)]
mod tests;

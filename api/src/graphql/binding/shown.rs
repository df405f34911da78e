//! A binding as it is shown, of either noun; never its credential.

use crate::graphql::id;
use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};
use rhone_domain::binding::{Bound, State};

/// Where a binding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "State")]
pub(crate) enum BindingState {
    /// Asked for; nothing is proven.
    Requested,
    /// A probe has proven it.
    Verified,
    /// The last probe did not.
    Failed,
    /// It is attached no longer.
    Disabled,
}

/// What both nouns have.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    id: ID,
    region: ID,
    state: State,
    endpoint: String,
    identity: Option<String>,
    evidence: Vec<String>,
    verified_at: Option<DateTime<Utc>>,
    verified_by: Option<ID>,
    failure: Option<(String, String)>,
    shared: Option<String>,
    generation: Option<u64>,
}

impl Shown {
    pub(crate) fn of<W>(bound: &Bound<W>) -> Self {
        let (declared, proof) = (&bound.declared, bound.proof.as_ref());
        Self {
            id: id::show(declared.id),
            region: id::show(declared.region),
            state: bound.state,
            endpoint: declared.endpoint.clone(),
            identity: proof.and_then(|proof| proof.identity.clone()),
            evidence: proof.map(|proof| proof.evidence.clone()).unwrap_or_default(),
            verified_at: proof.map(|proof| proof.at),
            verified_by: proof.map(|proof| id::show(proof.by)),
            failure: bound.unproven.clone().map(|why| (why.code, why.message)),
            shared: declared.shared.as_ref().map(ToString::to_string),
            generation: bound.credential.map(|credential| credential.generation.0),
        }
    }
}

impl Shown {
    /// As clients see it.
    pub(crate) fn shown_id(&self) -> ID {
        self.id.clone()
    }
}

#[Object(name = "Binding")]
impl Shown {
    pub(crate) async fn id(&self) -> &ID {
        &self.id
    }

    /// Where it is reached from.
    async fn region_id(&self) -> &ID {
        &self.region
    }

    /// Only VERIFIED counts.
    async fn state(&self) -> BindingState {
        self.state.into()
    }

    /// Where it is, without credentials.
    async fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What it really is, whatever it is called.
    async fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// What was tried and answered.
    async fn evidence(&self) -> &[String] {
        &self.evidence
    }

    async fn verified_at(&self) -> Option<DateTime<Utc>> {
        self.verified_at
    }

    /// The operation that proved it.
    async fn verified_by(&self) -> Option<&ID> {
        self.verified_by.as_ref()
    }

    /// Why the last probe proved nothing: a stable code.
    async fn failure_code(&self) -> Option<&str> {
        self.failure.as_ref().map(|(code, _)| code.as_str())
    }

    /// The same in words.
    async fn failure_message(&self) -> Option<&str> {
        self.failure.as_ref().map(|(_, message)| message.as_str())
    }

    /// Why it may be the same as that of an environment of another kind.
    async fn shared_because(&self) -> Option<&str> {
        self.shared.as_deref()
    }

    /// The how manieth credential it is reached with; none when nothing is needed.
    async fn credential_generation(&self) -> Option<u64> {
        self.generation
    }
}

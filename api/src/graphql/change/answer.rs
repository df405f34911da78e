//! What a mutation came to, and what is said where its append failed: part of the append under an idempotency key, so that a
//! repetition finds it. The trap avoided: an append's failure that tells of another tenant's things.

use super::Judged;
use crate::{
    fault::{Code, Fault},
    graphql::user_error::UserError,
    identity::OVER,
};
use async_graphql::SimpleObject;
use rhone_domain::ids::OperationId;
use rhone_eventstore::{AppendError, Position};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a mutation came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) object: Option<Uuid>,
    pub(crate) operation: Option<OperationId>,
    pub(crate) user_errors: Vec<UserError>,
    #[serde(skip)]
    pub(crate) position: Option<Position>,
    #[serde(skip)]
    pub(crate) replayed: bool,
    #[serde(skip)]
    pub(crate) planned: Vec<PlannedEvent>,
}

/// An event that would be appended.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct PlannedEvent {
    /// Which aggregate.
    stream: String,
    /// The how manieth of its stream.
    version: u64,
    /// `noun.verbed`.
    r#type: String,
    /// What it would say.
    payload: async_graphql::Json<serde_json::Value>,
}

impl Answer {
    pub(super) fn refused(error: UserError) -> Self {
        Self { user_errors: vec![error], ..Self::default() }
    }
}

/// What a dry run shows.
pub(super) fn shown(judged: &Judged) -> Answer {
    let planned = judged.unit.events().map(|event| PlannedEvent {
        stream: event.envelope.stream.to_string(),
        version: event.envelope.version.0,
        r#type: event.envelope.event_type.clone(),
        payload: async_graphql::Json(rhone_projections::timeline::redacted(event.payload.to_value())),
    });
    Answer { planned: planned.collect(), ..Answer::default() }
}

/// The same key, for something else.
pub(super) fn key_reused() -> UserError {
    UserError {
        code: "IDEMPOTENCY_KEY_REUSED".to_owned(),
        field: Some("idempotencyKey".to_owned()),
        message: "the idempotency key was used for another request".to_owned(),
        expected: None,
        actual: None,
        gates: Vec::new(),
    }
}

/// What an append that failed means to the caller.
pub(super) fn fault_of(error: AppendError) -> Fault {
    match error {
        // The stream belongs to somebody else: no word about it.
        AppendError::ForeignStream { .. } => Fault::new(Code::NotFound, "there is no such thing"),
        // Support's access ended after it was looked at.
        AppendError::Refused { code, .. } if code == OVER => {
            Fault::new(Code::NotFound, "there is no such support access, or no more")
        }
        error @ (AppendError::Conflict { .. }
        | AppendError::KeyReused { .. }
        | AppendError::StaleFence { .. }
        | AppendError::Refused { .. }
        | AppendError::Invalid(_)
        | AppendError::Malformed(_)
        | AppendError::Unavailable(_)
        | AppendError::Unknown(_)) => Fault::internal(error),
    }
}

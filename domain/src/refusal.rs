//! Refusal: what an authorised actor asked for and did not get, with expected and actual. A stream of its own per target, so
//! that a refusal can never contend with the aggregate that refused. Writer: the API. Trap: a caller that retries for ever
//! fills the log; the same refusal of the same actor within a minute is one event, and a target has at most 30 a minute.

pub mod code;

use crate::{
    aggregate::{self, Aggregate},
    envelope::StreamId,
    ids::{ActorId, AppId, EnvironmentId, WorkspaceId, derived},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use uuid::Uuid;

/// The stream of the refusals that concern `target`, within one tenant: what one is refused is not the next one's to see.
pub fn id(workspace: WorkspaceId, target: &StreamId) -> Uuid {
    derived(&["refusal", &workspace.to_string(), target.as_str()])
}

/// The refusals of one target, as later ones see them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Refusals {
    recent: VecDeque<(Refused, DateTime<Utc>)>,
}

/// The most that are put on record for one target within a minute.
const MOST_A_MINUTE: usize = 30;

/// What was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The mutation.
    pub command: String,
    /// The aggregate that refused.
    pub target: StreamId,
    /// The app it concerns.
    pub app: Option<AppId>,
    /// The environment it concerns.
    pub environment: Option<EnvironmentId>,
    /// The rule's code.
    pub code: String,
    /// The rule in words.
    pub message: String,
    /// What the caller expected.
    pub expected: Option<String>,
    /// What was so.
    pub actual: Option<String>,
    /// Who asked.
    pub actor: ActorId,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Put it on record.
    Record {
        /// What was refused.
        refused: Refused,
        /// When.
        at: DateTime<Utc>,
    },
}

aggregate::commands!(Command {
    Command::Record { .. } => "refusal.record",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
pub enum Event {
    /// Somebody did not get what they asked for.
    #[serde(rename = "refusal.recorded")]
    Recorded { refused: Refused, at: DateTime<Utc> },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[("refusal.recorded", 1)];
}

/// Recording a refusal is never refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {}

impl aggregate::Rejection for Rejection {
    fn code(&self) -> &'static str {
        match *self {}
    }
}

impl Aggregate for Refusals {
    const CATEGORY: &'static str = "refusal";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, Command::Record { refused, at }: Command) -> Result<Vec<Event>, Rejection> {
        let mut lately = self.recent.iter().filter(|(_, when)| at - *when < TimeDelta::minutes(1));
        let enough = lately.clone().count() >= MOST_A_MINUTE || lately.any(|(same, _)| *same == refused);
        Ok(if enough { vec![] } else { vec![Event::Recorded { refused, at }] })
    }

    fn apply(&mut self, Event::Recorded { refused, at }: &Event) {
        self.recent.push_back((refused.clone(), *at));
        if self.recent.len() > MOST_A_MINUTE {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;

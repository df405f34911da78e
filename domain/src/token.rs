//! Token: what a caller shows. Owner: whoever it speaks for. Writer: API operations of theirs; those of machines and of support
//! are made and withdrawn by whoever runs the platform. Durability: the log, with the secret's SHA-256 and never the secret.
//! Trap: a token that makes, takes over or ends a wider one; whoever asks is held to the limits of what they show.

use crate::{
    actor::ActorKind,
    aggregate::{self, Aggregate},
    authorization::{NEVER_NARROWED, Narrowing},
    digest::Digest,
    ids::{ActorId, HostId, PLATFORM, RegionId, SupportId, TokenId, WorkspaceId},
    text::Name,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

mod rejection;
pub use rejection::Rejection;

/// The shortest time for which a token is made.
pub const SHORTEST: TimeDelta = TimeDelta::seconds(60);
/// The longest.
pub const LONGEST: TimeDelta = TimeDelta::days(366);

/// For what a token speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// For a person: it acts as they do, within its limits.
    Person,
    /// For the runner of a host.
    Runner(HostId),
    /// For the edges of a region.
    Edge(RegionId),
    /// For support, as long as a member lets it act.
    Support(SupportId),
}

/// What a token leaves of its holder's reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The only workspace that it may touch; none: all of its holder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    /// Its grants.
    #[serde(default, rename = "grants", skip_serializing_if = "Narrowing::is_whole")]
    pub narrowing: Narrowing,
    /// Until when it is valid; none: until it is ended, or with what it speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Which.
    pub id: TokenId,
    /// Who shows it.
    pub actor: ActorId,
    /// For what it speaks.
    pub holder: Holder,
    /// For people.
    pub name: Name,
    /// What it is less than its holder.
    #[serde(flatten)]
    pub limits: Limits,
}

/// What is known of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its SHA-256.
    pub digest: Digest,
    /// Its last characters, for people.
    pub hint: String,
}

/// Whoever asks, with the limits of what they show.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who.
    pub actor: ActorId,
    /// See [`Limits`]; a browser's session has none.
    pub limits: Limits,
}

/// A token, as later decisions see it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Token {
    /// What it is; none before it exists.
    pub token: Option<Described>,
    /// How it is recognised; none for one that was there before the log knew of it.
    pub secret: Option<Secret>,
    /// When it was made.
    pub made: Option<DateTime<Utc>>,
    /// When it got the secret that it has, if it was made with another one.
    pub rotated: Option<DateTime<Utc>>,
    /// When it was ended.
    pub ended: Option<DateTime<Utc>>,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make one that acts as whoever asks, and never as more than what they show.
    Create {
        /// Which.
        id: TokenId,
        /// For people.
        name: Name,
        /// What it shall be less.
        limits: Limits,
        /// Its secret.
        secret: Secret,
        /// Who asks.
        by: Asker,
        /// When.
        at: DateTime<Utc>,
    },
    /// Make one for a machine or for support.
    Issue {
        /// Which.
        token: Described,
        /// Its secret.
        secret: Secret,
        /// When.
        at: DateTime<Utc>,
    },
    /// Take one into the log that was made outside of it.
    Find {
        /// What it is.
        token: Described,
        /// When it was made.
        made: DateTime<Utc>,
    },
    /// Give one's own another secret.
    Rotate {
        /// The new one.
        secret: Secret,
        /// Who asks.
        by: Asker,
        /// When.
        at: DateTime<Utc>,
    },
    /// End one's own.
    Revoke {
        /// Who asks.
        by: Asker,
        /// When.
        at: DateTime<Utc>,
    },
    /// End one of a machine or of support.
    Withdraw {
        /// When.
        at: DateTime<Utc>,
    },
}

aggregate::commands!(Command {
    Command::Create { .. } => "token.create",
    Command::Issue { .. } => "token.issue",
    Command::Find { .. } => "token.find",
    Command::Rotate { .. } => "token.rotate",
    Command::Revoke { .. } => "token.revoke",
    Command::Withdraw { .. } => "token.withdraw",
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// Somebody made one for themselves.
    #[serde(rename = "token.created")]
    Created {
        /// What it is.
        token: Described,
        /// How it is recognised.
        secret: Secret,
        /// When.
        at: DateTime<Utc>,
    },
    /// Whoever runs the platform made one for a machine or for support.
    #[serde(rename = "token.issued")]
    Issued {
        /// What it is.
        token: Described,
        /// How it is recognised.
        secret: Secret,
        /// When.
        at: DateTime<Utc>,
    },
    /// One was there that the log did not know.
    #[serde(rename = "token.found")]
    Found {
        /// What it is.
        token: Described,
        /// When it was made.
        made: DateTime<Utc>,
    },
    /// It has another secret; the former one is refused.
    #[serde(rename = "token.rotated")]
    Rotated {
        /// How it is recognised now.
        secret: Secret,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its holder ended it.
    #[serde(rename = "token.revoked")]
    Revoked {
        /// When.
        at: DateTime<Utc>,
    },
    /// Whoever runs the platform ended it.
    #[serde(rename = "token.withdrawn")]
    Withdrawn {
        /// When.
        at: DateTime<Utc>,
    },
}

impl aggregate::Event for Event {
    const TYPES: &'static [(&'static str, u16)] = &[
        ("token.created", 1),
        ("token.issued", 1),
        ("token.found", 1),
        ("token.rotated", 1),
        ("token.revoked", 1),
        ("token.withdrawn", 1),
    ];
}

impl Holder {
    /// As what its holder stands in events, where it is somebody who calls the API.
    pub fn kind(self) -> Option<ActorKind> {
        match self {
            Self::Person => Some(ActorKind::Token),
            Self::Support(_) => Some(ActorKind::Support),
            Self::Runner(_) | Self::Edge(_) => None,
        }
    }
}

impl Limits {
    /// Whether nothing of another one goes beyond these, time aside.
    fn cover(&self, other: &Self) -> bool {
        self.workspace.is_none_or(|own| other.workspace == Some(own)) && self.narrowing.covers(&other.narrowing)
    }

    /// Whether they hold longer than others.
    fn outlive(&self, other: &Self) -> bool {
        other.until.is_some_and(|end| self.until.is_none_or(|until| until > end))
    }

    /// Whether they hold no longer.
    pub fn are_over(&self, at: DateTime<Utc>) -> bool {
        self.until.is_some_and(|until| until <= at)
    }
}

impl Described {
    /// In whose part of the log it stands: the workspace that it is for, its holder's own, or the platform's.
    pub fn tenant(&self) -> WorkspaceId {
        match self.holder {
            Holder::Person => self.limits.workspace.unwrap_or(own(self.actor)),
            Holder::Runner(_) | Holder::Edge(_) | Holder::Support(_) => PLATFORM,
        }
    }
}

/// A person's own part of the log, which nobody else sees: what concerns no workspace.
pub fn own(actor: ActorId) -> WorkspaceId {
    WorkspaceId(actor.0)
}

impl Token {
    fn create(&self, limits: &Limits, by: &Asker, at: DateTime<Utc>) -> Result<(), Rejection> {
        self.is_new()?;
        if let Narrowing::Only(grants) = &limits.narrowing
            && let Some(grant) = grants.iter().find(|grant| NEVER_NARROWED.contains(grant))
        {
            return Err(Rejection::PassesRightsOn { grant: *grant });
        }
        let until = limits.until.ok_or(Rejection::Lifetime)?;
        if !(SHORTEST..=LONGEST).contains(&(until - at)) {
            return Err(Rejection::Lifetime);
        }
        if !by.limits.cover(limits) {
            return Err(Rejection::Wider);
        }
        if limits.outlive(&by.limits) { Err(Rejection::OutlivesMaker) } else { Ok(()) }
    }

    fn is_new(&self) -> Result<(), Rejection> {
        if self.token.is_none() { Ok(()) } else { Err(Rejection::Exists) }
    }

    /// The token, while it is valid.
    fn standing(&self, at: DateTime<Utc>) -> Result<&Described, Rejection> {
        let standing = self.token.as_ref().filter(|token| self.ended.is_none() && !token.limits.are_over(at));
        standing.ok_or(Rejection::NoToken)
    }

    /// One's own, no wider than what one shows.
    fn within(&self, by: &Asker, at: DateTime<Utc>) -> Result<&Described, Rejection> {
        let token = self.standing(at)?;
        let mine = token.holder == Holder::Person && token.actor == by.actor && by.limits.cover(&token.limits);
        if mine { Ok(token) } else { Err(Rejection::NoToken) }
    }
}

impl Aggregate for Token {
    const CATEGORY: &'static str = "token";
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Create { id, name, limits, secret, by, at } => {
                self.create(&limits, &by, at)?;
                let token = Described { id, actor: by.actor, holder: Holder::Person, name, limits };
                Ok(vec![Event::Created { token, secret, at }])
            }
            Command::Issue { token, secret, at } => {
                self.is_new()?;
                if token.holder == Holder::Person {
                    return Err(Rejection::NotForAMachine);
                }
                Ok(vec![Event::Issued { token, secret, at }])
            }
            Command::Find { token, made } => {
                self.is_new()?;
                Ok(vec![Event::Found { token, made }])
            }
            Command::Rotate { secret, by, at } => {
                // Whoever is told the secret has the token: it may not outlive what they show.
                let token = self.within(&by, at)?;
                if token.limits.outlive(&by.limits) {
                    return Err(Rejection::NoToken);
                }
                Ok(vec![Event::Rotated { secret, at }])
            }
            Command::Revoke { by, at } => {
                self.within(&by, at)?;
                Ok(vec![Event::Revoked { at }])
            }
            Command::Withdraw { at } => match self.standing(at)?.holder {
                Holder::Person => Err(Rejection::NoToken),
                Holder::Runner(_) | Holder::Edge(_) | Holder::Support(_) => Ok(vec![Event::Withdrawn { at }]),
            },
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Created { token, secret, at } | Event::Issued { token, secret, at } => {
                *self = Self {
                    token: Some(token.clone()),
                    secret: Some(secret.clone()),
                    made: Some(*at),
                    ..Self::default()
                };
            }
            Event::Found { token, made } => {
                *self = Self { token: Some(token.clone()), made: Some(*made), ..Self::default() };
            }
            Event::Rotated { secret, at } => {
                (self.secret, self.rotated) = (Some(secret.clone()), Some(*at));
            }
            Event::Revoked { at } | Event::Withdrawn { at } => self.ended = Some(*at),
        }
    }
}

#[cfg(test)]
mod tests;

//! How an asking may fail, and the exit code of each way. The trap avoided: a refusal that a script cannot tell from a broken
//! network; the codes are a contract: 1 failure, 2 usage, 3 not authenticated, 4 refused, 5 conflict, 6 timed out waiting.

use crate::{exit::Exit, output};
use rhone_domain::refusal::code::is_refusal;
use serde_json::{Value, json};
use std::{error::Error as _, fmt, process::ExitCode};

/// The stage of a deploy that ends at a closed gate.
pub(super) const BLOCKED: &str = "BLOCKED";

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody said who we are.
    #[error(
        "there is no token: run `rhone login --url URL`, set RHONE_URL and RHONE_TOKEN, or start `rhone up` on this data folder"
    )]
    NoToken,
    /// The token is not accepted.
    #[error("not authenticated: {0}")]
    Unauthenticated(String),
    /// Something on our side of the wire.
    #[error("{doing}")]
    Local {
        /// What was being done.
        doing: String,
        /// What lay underneath.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A command of this machine, which asks no API.
    #[error("{0:#}")]
    Here(anyhow::Error),
    /// No answer, however often it was tried.
    #[error("asking {url}")]
    Unreachable {
        /// Whom.
        url: String,
        /// What lay underneath.
        #[source]
        source: reqwest::Error,
    },
    /// A fault: the question was wrong, or something broke.
    #[error("{code}: {message}")]
    Fault {
        /// Of the API's closed list.
        code: String,
        /// In words.
        message: String,
    },
    /// A rule said no.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// An operation began and did not end well.
    #[error("the operation {operation} ended as {stage}: {refusal}")]
    Ended {
        /// Which.
        operation: String,
        /// Where it ended.
        stage: String,
        /// Where its app or its build printed: the words of `rhone logs`.
        printed: Option<String>,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// It takes longer than we wait.
    #[error("the operation {operation} goes on; it was waited for long enough")]
    TimedOut {
        /// Which.
        operation: String,
    },
    /// An answer that is none.
    #[error("the API answered something else than was asked: {0}")]
    Unexpected(String),
}

/// What a rule said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// A stable code.
    pub code: String,
    /// The rule, in words.
    pub message: String,
    /// What the caller expected.
    pub expected: Option<String>,
    /// What is so.
    pub actual: Option<String>,
}

impl Refusal {
    /// As the API writes it.
    pub(crate) fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Self {
            code: text("code").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            expected: text("expected"),
            actual: text("actual"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let (Some(expected), Some(actual)) = (&self.expected, &self.actual) {
            write!(f, " (expected {expected}, actual {actual})")?;
        }
        Ok(())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<anyhow::Error> for Failure {
    /// What a command of this machine says by name stays that.
    fn from(error: anyhow::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Here)
    }
}

impl Failure {
    /// Words or values that are wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Fault { code: "BAD_USER_INPUT".into(), message: message.to_string() }
    }

    /// What is named and not there.
    pub(crate) fn absent(message: impl fmt::Display) -> Self {
        Self::Fault { code: "NOT_FOUND".into(), message: message.to_string() }
    }

    /// An environment is there, and no hostname leads to it.
    pub(crate) fn no_hostname() -> Self {
        Self::Fault { code: "NO_HOSTNAME".into(), message: "no hostname leads there".into() }
    }

    /// An API is there, and nobody signs in to it by a page.
    pub(crate) fn no_sign_in() -> Self {
        let message =
            "nobody signs in to this API by a page: it does not know its own address (`serve.public_url`)".into();
        Self::Fault { code: "NO_SIGN_IN".into(), message }
    }

    /// A rehearsed restore that came back whole, but for read models that are not what the log says; each in words.
    pub(crate) fn read_models_differ(which: &[String]) -> Self {
        let which = which.join(", ");
        let message = format!("the backup can be restored, but read models built anew from the log differ: {which}");
        Self::Fault { code: "READ_MODEL_DIFFERS".into(), message }
    }

    /// Says it, to scripts too where they are owed an answer, and what the process ends with.
    pub fn end(self, as_json: bool) -> ExitCode {
        if as_json && output::has_said_nothing() {
            output::line(self.json());
        }
        let (code, next) = (self.exit_code(), self.next());
        output::error_with(&self.into(), next.as_deref());
        ExitCode::from(code)
    }

    /// What failed, and what lay underneath.
    fn whole(&self) -> String {
        let (mut said, mut below) = (self.to_string(), self.source());
        while let Some(cause) = below {
            said = format!("{said}: {cause}");
            below = cause.source();
        }
        said
    }

    /// Something on our side of the wire.
    pub(crate) fn local(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Local { doing: doing.into(), source: source.into() }
    }

    /// As scripts read it.
    pub(super) fn json(&self) -> Value {
        let code = match self {
            Self::NoToken | Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Local { .. } | Self::Here(_) => "LOCAL",
            Self::Unreachable { .. } => "UNREACHABLE",
            Self::Fault { code, .. } => code,
            Self::Refused(refusal) | Self::Ended { refusal, .. } => &refusal.code,
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::Unexpected(_) => "UNEXPECTED",
        };
        let operation = match self {
            Self::Ended { operation, .. } | Self::TimedOut { operation } => Some(operation),
            Self::NoToken
            | Self::Unauthenticated(_)
            | Self::Local { .. }
            | Self::Here(_)
            | Self::Unreachable { .. }
            | Self::Fault { .. }
            | Self::Refused(_)
            | Self::Unexpected(_) => None,
        };
        let said = json!({
            "code": code, "message": self.whole(), "exit": self.exit_code(), "next": self.next(), "operation": operation,
        });
        json!({ "error": said })
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        self.exit().code()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoToken | Self::Unauthenticated(_) => Exit::Unauthenticated,
            Self::Local { .. } | Self::Here(_) | Self::Unreachable { .. } | Self::Unexpected(_) => Exit::Failed,
            Self::Fault { code, .. } => match code.as_str() {
                "UNAUTHENTICATED" => Exit::Unauthenticated,
                "FORBIDDEN" => Exit::Refused,
                "CONFLICT" => Exit::Conflict,
                "BAD_USER_INPUT" => Exit::Usage,
                _ => Exit::Failed,
            },
            Self::Refused(refusal) if is_conflict(&refusal.code) => Exit::Conflict,
            Self::Refused(_) => Exit::Refused,
            Self::Ended { refusal, .. } => match refusal.code.as_str() {
                code if is_conflict(code) => Exit::Conflict,
                code if code == BLOCKED || is_refusal(code) => Exit::Refused,
                _ => Exit::Failed,
            },
            Self::TimedOut { .. } => Exit::TimedOut,
        }
    }

    /// What to do next, where the failure itself does not say it.
    pub fn next(&self) -> Option<String> {
        match self {
            Self::NoToken => None,
            Self::Unauthenticated(_) => Some("rhone login, or set RHONE_TOKEN to a token that is valid".into()),
            Self::Local { .. } => Some("mend what is named, and ask again".into()),
            Self::Here(_) => Some("mend what is named, and try again; rhone doctor says what else is wrong".into()),
            Self::Unreachable { .. } => Some(
                "see whether the API runs (rhone doctor on its host) and RHONE_URL names it; then ask again".into(),
            ),
            Self::Unexpected(_) => Some("see whether RHONE_URL names an API of this version (rhone whoami)".into()),
            Self::Fault { code, .. } => Some(fault_next(code).to_owned()),
            Self::Refused(refusal) => Some(refused_next(&refusal.code).to_owned()),
            Self::Ended { operation, printed: None, .. } => {
                Some(format!("rhone explain {operation} says what led to it"))
            }
            Self::Ended { operation, printed: Some(printed), .. } => Some(format!(
                "rhone explain {operation} says what led to it, and rhone logs {printed} what was printed"
            )),
            Self::TimedOut { operation } => Some(format!("rhone operation watch {operation}")),
        }
    }
}

/// What an answer means that is of no code we know: a proxy's, or another version's.
const OF_SOMEBODY_ELSE: &str =
    "see whether RHONE_URL names the API itself, of this version (rhone whoami); then ask again";

fn fault_next(code: &str) -> &'static str {
    match code {
        "BAD_USER_INPUT" => "mend what is named, and ask again; --help says what the command takes",
        "NOT_FOUND" => {
            "look at the id: `rhone workspace list`, `rhone app show APP` and `rhone whoami` say what is yours"
        }
        "NO_HOSTNAME" => "give it one: `rhone environment host-attach ENVIRONMENT HOST`",
        "NO_SIGN_IN" => "`rhone login --token-file FILE` takes a token that somebody gave you",
        "FORBIDDEN" => "ask an owner of the workspace for the role or grant, or use another token",
        "UNAUTHENTICATED" => "rhone login, or set RHONE_TOKEN to a token that is valid",
        "CONFLICT" => "look at it again and decide anew",
        "RATE_LIMITED" => "ask again in a minute, or ask for less at once",
        "OVERLOADED" => "ask again in some seconds: more was asked than it carries out at a time",
        "QUERY_TOO_COMPLEX" => "ask for less at once: with a smaller --first, or for one thing after the other",
        "READ_MODEL_DIFFERS" => {
            "the log is right and came back whole; find out who wrote to these tables where the backup was made"
        }
        "INTERNAL" => "ask again; if it stays so, give the request's id to whoever runs the API",
        _ => OF_SOMEBODY_ELSE,
    }
}

fn refused_next(code: &str) -> &'static str {
    match code {
        "STALE_EPOCH" | "STALE_VERSION" | "SUPERSEDED" | "CONFLICT" => {
            "look at `rhone environment show` and decide on the epoch that is there"
        }
        "IDEMPOTENCY_KEY_REUSED" => "use another --idempotency-key for another request",
        "FROZEN" => "`rhone environment unfreeze` lets promotions through again",
        "PINNED" => "`rhone environment pin-release` ends the hold of the rollback",
        "QUARANTINED" => "`rhone environment quarantine-lift` lets these bytes come back",
        "NEEDS_ACKNOWLEDGEMENT" => {
            "take it upon yourself: the same command (of a promotion `rhone promote`) with --acknowledge GATE=REASON"
        }
        "APPROVAL_MISSING" => "somebody else of the workspace approves it: `rhone deployment approve`",
        "NAME_TAKEN" => "choose another name",
        _ => "mend what the rule names; --dry-run shows whether it is enough",
    }
}

fn is_conflict(code: &str) -> bool {
    matches!(code, "STALE_EPOCH" | "STALE_VERSION" | "SUPERSEDED" | "IDEMPOTENCY_KEY_REUSED" | "CONFLICT")
}

#[cfg(test)]
mod tests;

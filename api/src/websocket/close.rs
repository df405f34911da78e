//! Why a connection ends, as the protocol numbers it. The trap avoided: a reason that quotes the caller; frames hold at most
//! 123 bytes of it, so every reason is a constant.

use axum::extract::ws::{CloseFrame, Message};

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The other side is gone; there is nobody to tell.
    Gone,
    /// The connection is ended by us for this reason.
    Because(u16, &'static str),
}

impl Close {
    pub(super) const RESTART: Self = Self::Because(1012, "Service restart");
    pub(super) const TRY_LATER: Self = Self::Because(1013, "The token cannot be checked, try again later");
    pub(super) const TOO_MANY_TOKENS: Self = Self::Because(1013, "Too many bad tokens, try again later");
    pub(super) const SILENT: Self = Self::Because(3008, "Timeout");
    pub(super) const INVALID: Self = Self::Because(4400, "Invalid message");
    pub(super) const UNAUTHORIZED: Self = Self::Because(4401, "Unauthorized");
    pub(super) const FORBIDDEN: Self = Self::Because(4403, "Forbidden");
    pub(super) const INIT_TIMEOUT: Self = Self::Because(4408, "Connection initialisation timeout");
    pub(super) const DUPLICATE: Self = Self::Because(4409, "Subscriber already exists");
    pub(super) const TOO_MANY_INITS: Self = Self::Because(4429, "Too many initialisation requests");

    /// The frame to send, if there is anyone to read it.
    pub(super) fn frame(self) -> Option<Message> {
        match self {
            Self::Gone => None,
            Self::Because(code, reason) => Some(Message::Close(Some(CloseFrame { code, reason: reason.into() }))),
        }
    }
}

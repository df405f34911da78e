//! Which of the two media types answers a request (GraphQL over HTTP, section 6). The trap avoided: the library answers
//! `application/json` and 200 whatever `Accept` says.

use axum::http::{HeaderMap, StatusCode, header::ACCEPT};

/// The media type of an answer, and with it the meaning of its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/graphql-response+json`: the status tells how the request went.
    GraphQlResponse,
    /// `application/json`: the older meaning, in which a well-formed request is answered 200.
    Json,
}

impl MediaType {
    /// The value of `Content-Type`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GraphQlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// The status of a document that was refused by parsing, validation or the limits.
    pub(crate) const fn document_refused(self) -> StatusCode {
        match self {
            Self::GraphQlResponse => StatusCode::BAD_REQUEST,
            Self::Json => StatusCode::OK,
        }
    }

    /// Reads `Accept`: the better weight wins, the newer type on a tie, JSON for wildcards and for silence.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let ranges =
            headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        let (mut newer, mut json) = (0.0_f32, 0.0_f32);
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            match essence.as_str() {
                "application/graphql-response+json" => newer = newer.max(weight),
                "application/json" | "application/*" | "*/*" => json = json.max(weight),
                _ => {}
            }
        }
        if newer > 0.0 && newer >= json { Self::GraphQlResponse } else { Self::Json }
    }
}

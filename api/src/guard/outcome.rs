//! The last word on every answer: each error gets a code from the closed list and the request's ids, a failure of ours loses
//! its text and is logged, here and once. The trap avoided: an error without a code of ours is presumed to be a leak.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use async_graphql::{PathSegment, Pos, Response, ServerError, Value, parser::types::OperationType};
use serde::Serialize;

use crate::{
    fault::{Code, Fault, INTERNAL_MESSAGE},
    rate::Standing,
    request::RequestInfo,
};

/// A GraphQL answer in the order the specification wants it: errors first, `data` only when something was executed.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: BTreeMap<String, Value>,
}

/// One entry of `errors`.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Pos>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<PathSegment>,
    extensions: Details,
    #[serde(skip)]
    pub(crate) code: Code,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    code: &'static str,
    request_id: String,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(flatten)]
    rate: Option<Standing>,
}

impl Answer {
    /// A query that was not carried out whole, for want of room, is answered as a whole by that: what is there by chance would
    /// be taken for all there is. A change that was carried out keeps what it answered.
    pub(crate) fn shed(&mut self, operation: OperationType) {
        let nothing = self.data.as_ref().is_none_or(|data| *data == Value::Null);
        let is_short = self.errors.iter().any(|problem| problem.code == Code::Overloaded);
        if is_short && (nothing || operation == OperationType::Query) {
            self.errors.retain(|problem| problem.code == Code::Overloaded);
            self.errors.truncate(1);
            self.data = None;
        }
    }
}

/// Turns what the library answered into what we send.
pub(crate) fn settle(response: Response, request: &RequestInfo) -> Answer {
    // Only a request that never ran has errors without a path and nothing beside them.
    let refused = !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty());
    Answer {
        errors: response.errors.into_iter().map(|error| problem(error, request)).collect(),
        data: (!refused).then_some(response.data),
        extensions: response.extensions,
    }
}

/// The answer that consists of one fault.
pub(crate) fn refuse(fault: Fault, request: &RequestInfo) -> Answer {
    settle(Response::from_errors(vec![fault.into_server_error()]), request)
}

fn problem(error: ServerError, request: &RequestInfo) -> Problem {
    let fault = error.source::<Fault>().cloned().unwrap_or_else(|| classify(&error));
    if fault.code == Code::Internal {
        report(&error, &fault, request);
    }
    let message = if fault.code == Code::Internal { INTERNAL_MESSAGE.to_owned() } else { fault.message.into_owned() };
    Problem {
        message,
        locations: error.locations,
        path: error.path,
        code: fault.code,
        extensions: Details {
            code: fault.code.as_str(),
            request_id: request.id.to_string(),
            trace_id: request.trace_id.clone(),
            field: fault.field.map(Into::into),
            rule: fault.rule.map(Into::into),
            rate: fault.rate.map(Arc::unwrap_or_clone),
        },
    }
}

/// An error without a fault of ours: the library's own refusals are told by where they arise and how they begin.
fn classify(error: &ServerError) -> Fault {
    const LIMITS: [&str; 4] =
        ["Query is too complex", "Query is nested too deep", "The recursion depth", "The number of directives"];
    let text = || error.message.clone();
    let never_ran = error.path.is_empty();
    if never_ran && LIMITS.iter().any(|limit| error.message.starts_with(limit)) {
        return Fault::new(Code::QueryTooComplex, text());
    }
    // Values that only the resolver's own types can judge, such as ids, are refused while running.
    let of_an_argument = error.source.is_none() && error.message.starts_with("Failed to parse \"");
    if never_ran || of_an_argument {
        return Fault::new(Code::BadUserInput, text());
    }
    Fault::new(Code::Internal, INTERNAL_MESSAGE)
}

fn report(error: &ServerError, fault: &Fault, request: &RequestInfo) {
    let mut chain = error.message.clone();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        chain = format!("{chain}: {inner}");
        cause = inner.source();
    }
    tracing::error!(request.id = %request.id, trace.id = %request.trace_id, path = ?error.path, error = chain, "a request failed");
}

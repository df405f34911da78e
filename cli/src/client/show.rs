//! What is printed: JSON as the API names it, or a line per field for people. The trap avoided: progress among the data; it
//! goes to standard error, so that standard output can be piped.

use super::follow::Progress;
use crate::output::line;
use serde_json::Value;
use std::{
    io::{self, Write as _},
    time::Duration,
};

/// Data, as JSON or as lines.
pub(super) fn data(value: &Value, json: bool) {
    if json {
        line(value);
        return;
    }
    leaves("", value);
}

/// All of a list: one array for scripts, as they read any other answer, or a line each for people.
pub(super) fn list(nodes: &[Value], json: bool, told: impl Fn(&Value) -> String) {
    if json {
        line(Value::from(nodes));
        return;
    }
    for node in nodes {
        line(told(node));
    }
}

/// One line per leaf that says something.
fn leaves(path: &str, value: &Value) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Value::Object(fields) = value {
        fields.iter().for_each(|(name, value)| leaves(&below(name), value));
    } else if let Value::Array(items) = value {
        items.iter().enumerate().for_each(|(index, item)| leaves(&below(&index.to_string()), item));
    } else if !value.is_null() {
        line(format_args!("{path}: {}", word(value)));
    }
}

pub(super) fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text of an answer, or a dash where there is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// One line of a timeline for people: when, who, what, why, and what it belongs to.
pub(crate) fn told(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let short = |name: &str| text(name).chars().take(13).collect::<String>();
    let actor = entry["actorName"].as_str().map_or_else(|| short("actor"), str::to_owned);
    // Some sentences say it already.
    let why = entry["reason"].as_str().filter(|reason| !text("summary").contains(reason));
    let why = why.map(|reason| format!(" Why: {reason}.")).unwrap_or_default();
    let cause = entry["causation"].as_str().map(|_| format!(", after {}", short("causation"))).unwrap_or_default();
    format!(
        "{}  {:<8} {actor:<13}  {:<28} {}{why} [{}@{}, part of {}{cause}]",
        text("occurredAt").get(11..23).unwrap_or_default(),
        text("actorKind"),
        text("type"),
        text("summary"),
        text("stream"),
        entry["version"],
        short("correlation"),
    )
}

/// What an operation did, on standard error.
pub(super) fn progress(step: &Progress, since: Duration) {
    let stage = step.stage.as_deref().unwrap_or("-").to_lowercase();
    let _ = writeln!(io::stderr(), "[+{:>6} ms] {stage:<16} {}", since.as_millis(), step.summary);
}

#[cfg(test)]
mod tests {
    //! A line of a timeline says it all.
    use super::*;
    use serde_json::json;

    #[test]
    fn a_timeline_line_says_when_who_what_why_and_from_what() {
        let line = told(&json!({
            "occurredAt": "2026-11-20T12:34:56.789Z", "actorKind": "user", "actor": "01234567-89ab-cdef",
            "type": "route_owner.promoted", "summary": "Blue serves.", "reason": "ready", "stream": "route_owner:1",
            "version": 3, "correlation": "aaaaaaaa-bbbb-cccc", "causation": "bbbbbbbb-cccc-dddd"
        }));
        for part in [
            "12:34:56.789",
            "user",
            "01234567-89ab",
            "promoted",
            "Blue serves.",
            "Why: ready",
            "@3",
            "aaaaaaaa",
            "bbbbbbbb",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
        let named = told(&json!({ "actor": "01234567-89ab-cdef", "actorName": "alice", "actorKind": "user" }));
        assert!(named.contains("user     alice ") && !named.contains("01234567"), "{named}");
    }
}

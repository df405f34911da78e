//! A timeline's lines as JSON or CSV. The trap avoided: a reason that a spreadsheet takes for a formula; what begins like one
//! gets an apostrophe before it, as OWASP advises, and every cell stands in quotes.

use crate::graphql::timeline::TimelineEntry;
use chrono::{DateTime, SecondsFormat, Utc};
use csv::{QuoteStyle, WriterBuilder};
use rhone_eventstore::{Cursor, LogIncarnation};
use rhone_projections::timeline::Entry;
use serde::Serialize;
use serde_json::Value;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv,
}

/// A line, with the names of the API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    position: String,
    event_id: String,
    occurred_at: String,
    recorded_at: String,
    r#type: String,
    schema_version: i16,
    stream: String,
    version: i64,
    actor: String,
    actor_name: Option<String>,
    actor_kind: String,
    on_behalf_of: Option<String>,
    writer: String,
    correlation: String,
    causation: Option<String>,
    trace_id: Option<String>,
    command: Option<String>,
    reason: Option<String>,
    summary: String,
    refused_command: Option<String>,
    refused_code: Option<String>,
    expected: Option<String>,
    actual: Option<String>,
    late_report: Option<String>,
    payload: Value,
}

impl Line {
    pub(super) fn of(entry: &Entry, actor_name: Option<String>, incarnation: LogIncarnation) -> Self {
        let told = TimelineEntry(entry.clone());
        let (refused, late) = (told.refused(), told.late());
        Self {
            position: Cursor { incarnation, position: entry.position }.to_string(),
            event_id: entry.event.to_string(),
            occurred_at: time(entry.occurred_at),
            recorded_at: time(entry.recorded_at),
            r#type: entry.event_type.clone(),
            schema_version: entry.schema_version,
            stream: entry.stream.clone(),
            version: entry.version,
            actor: entry.actor.to_string(),
            actor_name,
            actor_kind: entry.actor_kind.clone(),
            on_behalf_of: entry.on_behalf_of.map(|id| id.to_string()),
            writer: entry.writer.clone(),
            correlation: entry.correlation.to_string(),
            causation: entry.causation.map(|id| id.to_string()),
            trace_id: told.trace().map(str::to_owned),
            command: rhone_domain::history::command_of(&entry.event_type, &entry.payload),
            reason: entry.reason.clone(),
            summary: entry.summary.clone(),
            refused_command: refused.as_ref().map(|refused| refused.command.clone()),
            refused_code: refused.as_ref().map(|refused| refused.code.clone()),
            expected: refused.as_ref().and_then(|refused| refused.expected.clone()),
            actual: refused.and_then(|refused| refused.actual),
            late_report: late.map(|late| late.report),
            payload: entry.payload.clone(),
        }
    }

    /// Its cells, in the order of [`HEAD`].
    fn cells(&self) -> [String; HEAD.len()] {
        let or = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            self.position.clone(),
            self.event_id.clone(),
            self.occurred_at.clone(),
            self.recorded_at.clone(),
            self.r#type.clone(),
            self.schema_version.to_string(),
            self.stream.clone(),
            self.version.to_string(),
            self.actor.clone(),
            self.actor_kind.clone(),
            or(&self.on_behalf_of),
            self.writer.clone(),
            self.correlation.clone(),
            or(&self.causation),
            or(&self.trace_id),
            or(&self.command),
            or(&self.reason),
            self.summary.clone(),
            or(&self.refused_command),
            or(&self.refused_code),
            or(&self.expected),
            or(&self.actual),
            or(&self.late_report),
            self.payload.to_string(),
            or(&self.actor_name),
        ]
    }
}

const HEAD: [&str; 25] = [
    "position",
    "eventId",
    "occurredAt",
    "recordedAt",
    "type",
    "schemaVersion",
    "stream",
    "version",
    "actor",
    "actorKind",
    "onBehalfOf",
    "writer",
    "correlation",
    "causation",
    "traceId",
    "command",
    "reason",
    "summary",
    "refusedCommand",
    "refusedCode",
    "expected",
    "actual",
    "lateReport",
    "payload",
    "actorName",
];

impl Form {
    /// Its media type, and the name of its file.
    pub(super) fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application/json", "timeline.json"),
            Self::Csv => ("text/csv; charset=utf-8; header=present", "timeline.csv"),
        }
    }

    /// A page of lines: the first has what stands before all, the last what stands behind.
    pub(super) fn written(self, lines: impl Iterator<Item = Line>, is_first: bool, is_last: bool) -> Vec<u8> {
        match self {
            Self::Json => json(lines, is_first, is_last),
            Self::Csv => csv(lines, is_first),
        }
    }
}

fn json(lines: impl Iterator<Item = Line>, is_first: bool, is_last: bool) -> Vec<u8> {
    let mut written = Vec::new();
    if is_first {
        written.push(b'[');
    }
    for (index, line) in lines.enumerate() {
        written.extend_from_slice(if is_first && index == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut written, &line).expect("a line has text keys and finite numbers only");
    }
    if is_last {
        written.extend_from_slice(b"\n]\n");
    }
    written
}

fn csv(lines: impl Iterator<Item = Line>, is_first: bool) -> Vec<u8> {
    let mut writer = WriterBuilder::new().quote_style(QuoteStyle::Always).from_writer(Vec::new());
    if is_first {
        writer.write_record(HEAD).expect("a vector takes all that is written");
    }
    for line in lines {
        writer.write_record(line.cells().map(|cell| harmless(&cell))).expect("a vector takes all that is written");
    }
    writer.into_inner().expect("a vector takes all that is written")
}

/// What no spreadsheet takes for a formula.
fn harmless(cell: &str) -> String {
    let begins = cell.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next();
    let is_formula = matches!(begins, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'));
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

/// As GraphQL writes it.
fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

#[cfg(test)]
mod tests {
    //! A page after a page is one document; no cell is a formula.
    use super::*;
    use rhone_eventstore::Position;
    use serde_json::json;
    use uuid::Uuid;

    fn line(reason: &str) -> Line {
        let entry = Entry {
            position: Position { era: 1, tx: 2, pos: 3 },
            event: Uuid::from_u128(1),
            stream: "refusal:00000000-0000-0000-0000-000000000007".into(),
            version: 1,
            event_type: "refusal.recorded".into(),
            schema_version: 1,
            actor: Uuid::from_u128(2),
            actor_kind: "user".into(),
            on_behalf_of: None,
            writer: "api".into(),
            correlation: Uuid::from_u128(3),
            causation: None,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            reason: Some(reason.into()),
            summary: "Refused, with a \"quote\"\nand a line.".into(),
            payload: json!({ "refused": { "command": "deploymentPromote", "target": "route_owner:7", "code": "STALE_EPOCH",
                "message": reason, "expected": "-1", "actual": "2" } }),
            occurred_at: DateTime::UNIX_EPOCH,
            recorded_at: DateTime::UNIX_EPOCH,
        };
        Line::of(&entry, Some("=alice".into()), LogIncarnation { system: 7, timeline: 1, era: 1 })
    }

    #[test]
    fn no_cell_is_a_formula_and_every_cell_is_read_back() {
        let reasons = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\u{a0}=1"];
        let written = Form::Csv.written(reasons.iter().map(|reason| line(reason)), true, true);
        let mut reader = csv::Reader::from_reader(written.as_slice());
        let head: Vec<_> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
        assert_eq!(head, HEAD);
        let at = |name: &str| head.iter().position(|one| one == name).expect("a column");
        let records: Vec<_> = reader.records().map(|record| record.expect("a record")).collect();
        assert_eq!(records.len(), reasons.len());
        for (record, reason) in records.iter().zip(reasons) {
            assert_eq!(&record[at("reason")], format!("'{reason}"));
            assert_eq!((&record[at("expected")], &record[at("actual")]), ("'-1", "2"));
            assert_eq!(&record[at("actorName")], "'=alice", "a name is no formula either");
            assert_eq!(&record[at("summary")], "Refused, with a \"quote\"\nand a line.");
        }
        assert_eq!(harmless("a plain reason - with = signs"), "a plain reason - with = signs");
    }

    #[test]
    fn pages_make_one_array_and_one_table() {
        let page = |form: Form, n: usize, first, last| form.written((0..n).map(|_| line("why")), first, last);
        for (pages, lines) in [(vec![0], 0), (vec![2], 2), (vec![2, 2, 1], 5)] {
            let last = pages.len() - 1;
            let all = |form| -> Vec<u8> {
                pages.iter().enumerate().flat_map(|(at, n)| page(form, *n, at == 0, at == last)).collect()
            };
            let read: Vec<Value> = serde_json::from_slice(&all(Form::Json)).expect("one array");
            assert_eq!(read.len(), lines);
            assert!(read.iter().all(|line| line["refusedCode"] == "STALE_EPOCH" && line["expected"] == "-1"));
            assert_eq!(csv::Reader::from_reader(all(Form::Csv).as_slice()).records().count(), lines);
        }
        let cut: Vec<u8> = page(Form::Json, 2, true, false);
        assert!(serde_json::from_slice::<Value>(&cut).is_err(), "what was cut off does not look whole");
    }
}

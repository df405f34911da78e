//! `rhone logs`: what was printed, in pages, and with `-f` what is printed, over server-sent events. A position is all that is
//! kept between the two and over every break, so that no line is missed or told twice. The trap avoided: a follower whose
//! reader has gone and that goes on for ever.

use super::{connection::Connection, failure::Failure, logs_args::LogsArgs, run::not_found};
use chrono::SecondsFormat;
use futures_util::StreamExt as _;
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    future::pending,
    io::{self, Write as _},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// Rows of one page.
const PAGE: u32 = 100;
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the last lines may take once it is known how it ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Of a line.
const LINE: &str = "at stream text number source appId environmentId deploymentId operationId allocationId";

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Reads,
    HasGone,
}

/// What is asked for, in the words of the API.
struct Asked {
    noun: &'static str,
    id: String,
    filter: Value,
}

/// Prints what is asked for.
pub(super) async fn run(connection: &Connection, words: &LogsArgs) -> Result<(), Failure> {
    let asked = Asked::of(connection, words);
    let out = if words.json { Out::Json } else { Out::Lines };
    let mut told = Told { out, cursor: String::new(), workspace: String::new() };
    let reader = if words.since.is_some() {
        asked.forward(connection, &mut told).await?
    } else {
        asked.tail(connection, words.tail, &mut told).await?
    };
    if words.follow && reader == Reader::Reads {
        asked.follow(connection, &mut told).await?;
    }
    Ok(())
}

/// Tells on standard error what an operation prints while somebody waits for what becomes of it, to the last line.
pub(super) async fn beside<T>(connection: &Connection, operation: &str, waiting: impl Future<Output = T>) -> T {
    let filter = json!({ "operationId": operation });
    let asked = Asked { noun: "operation", id: operation.to_owned(), filter };
    let mut told = Told { out: Out::Beside, cursor: String::new(), workspace: String::new() };
    let ended = tokio::select! {
        ended = waiting => ended,
        never = asked.for_ever(connection, &mut told) => match never {},
    };
    // What was printed last is what matters most when it ended badly. It keeps nobody who has the answer.
    _ = timeout(LAST_WORDS, asked.forward(connection, &mut told)).await;
    ended
}

impl Asked {
    fn of(connection: &Connection, words: &LogsArgs) -> Self {
        let named = [
            ("allocation", &words.allocation),
            ("operation", &words.operation),
            ("deployment", &words.deployment),
            ("environment", &words.environment),
            ("app", &words.app),
        ];
        let mut filter = json!({});
        for (noun, id) in named {
            if let Some(id) = id {
                filter[format!("{noun}Id")] = json!(id);
            }
        }
        let now = connection.clock().now();
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        for (name, moment) in [("since", words.since), ("until", words.until)] {
            if let Some(moment) = moment {
                filter[name] = json!(time(moment.before(now)));
            }
        }
        if let Some(text) = &words.grep {
            filter["contains"] = json!(text);
        }
        // One at least is there, says the command line.
        let root = named.into_iter().find_map(|(noun, id)| Some((noun, id.clone()?)));
        let (noun, id) = root.unwrap_or(("app", String::new()));
        Self { noun, id, filter }
    }

    /// A page: its lines with their cursors, and the rest.
    async fn page(&self, connection: &Connection, pages: Value) -> Result<Value, Failure> {
        // No question leads to an allocation alone but that for anything with an id.
        let (field, before, after) = match self.noun {
            "allocation" => ("node", "... on Allocation {", "}"),
            noun => (noun, "", ""),
        };
        let document = format!(
            "query($id: ID!, $filter: LogFilter, $first: Int, $after: String, $last: Int, $before: String) {{ \
             {field}(id: $id) {{ {before} \
             logs(filter: $filter, first: $first, after: $after, last: $last, before: $before) {{ \
             looked workspaceId pageInfo {{ hasNextPage hasPreviousPage startCursor }} nodes {{ {LINE} }} }} \
             {after} }} }}"
        );
        let mut variables = pages;
        variables["id"] = json!(self.id);
        variables["filter"] = self.filter.clone();
        let mut data = connection.query(&document, variables).await?;
        let page = data[field]["logs"].take();
        if page.is_null() { Err(not_found(self.noun)) } else { Ok(page) }
    }

    /// Whatever goes wrong with it concerns nobody, for it only stands beside something; it goes on where that may mend it.
    async fn for_ever(&self, connection: &Connection, told: &mut Told) -> Infallible {
        loop {
            let listened = async {
                self.forward(connection, told).await?;
                self.follow(connection, told).await
            };
            match listened.await {
                Err(Failure::Fault { code, .. }) if code == "INTERNAL" => sleep(LONGEST_PAUSE).await,
                Err(Failure::Unreachable { .. }) => sleep(LONGEST_PAUSE).await,
                Ok(()) | Err(_) => return pending().await,
            }
        }
    }

    /// From where it was told up to, or from the time that was said, to the end.
    async fn forward(&self, connection: &Connection, told: &mut Told) -> Result<Reader, Failure> {
        let mut after = if told.cursor.is_empty() { Value::Null } else { json!(told.cursor) };
        loop {
            let page = self.page(connection, json!({ "first": PAGE, "after": after })).await?;
            if told.lines(&page["nodes"]) == Reader::HasGone {
                return Ok(Reader::HasGone);
            }
            told.note(&page);
            if page["pageInfo"]["hasNextPage"] != true {
                return Ok(Reader::Reads);
            }
            after = page["looked"].clone();
        }
    }

    /// The newest lines, in their order.
    async fn tail(&self, connection: &Connection, most: u32, told: &mut Told) -> Result<Reader, Failure> {
        let (mut pages, mut left, mut before) = (Vec::new(), most, Value::Null);
        loop {
            let page = self.page(connection, json!({ "last": left.min(PAGE), "before": before })).await?;
            if pages.is_empty() {
                told.note(&page);
            }
            let found = page["nodes"].as_array().map_or(0, Vec::len);
            left = left.saturating_sub(u32::try_from(found).unwrap_or(u32::MAX));
            before = page["pageInfo"]["startCursor"].clone();
            let more = page["pageInfo"]["hasPreviousPage"] == true && before.is_string();
            pages.push(page);
            if left == 0 || !more {
                break;
            }
        }
        for page in pages.iter().rev() {
            if told.lines(&page["nodes"]) == Reader::HasGone {
                return Ok(Reader::HasGone);
            }
        }
        Ok(Reader::Reads)
    }

    /// What is printed from here on, until the reader has gone or the API will not tell it any more.
    async fn follow(&self, connection: &Connection, told: &mut Told) -> Result<(), Failure> {
        let mut pause = PAUSE;
        loop {
            match self.opened(connection, told).await? {
                Some(response) => {
                    pause = PAUSE;
                    if told.stream(response).await? == Reader::HasGone {
                        return Ok(());
                    }
                }
                None => pause = (pause * 2).min(LONGEST_PAUSE),
            }
            sleep(pause).await;
        }
    }

    /// A stream from where we stand; none while the API is away.
    async fn opened(&self, connection: &Connection, told: &Told) -> Result<Option<Response>, Failure> {
        let mut said = vec![("workspaceId", told.workspace.as_str()), ("after", told.cursor.as_str())];
        let fields = self.filter.as_object().into_iter().flatten();
        said.extend(fields.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))));
        let url = Url::parse_with_params(&connection.at("/v1/logs"), said)
            .map_err(|error| Failure::local("asking for logs", error))?;
        let Ok(response) = connection.http().get(url).bearer_auth(connection.token()).send().await else {
            return Ok(None);
        };
        match response.status() {
            StatusCode::OK => Ok(Some(response)),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Ok(None),
            status => {
                let body: Value = response.json().await.unwrap_or_default();
                Err(refused(&body, &format!("status {status}")))
            }
        }
    }
}

fn refused(body: &Value, otherwise: &str) -> Failure {
    let message = body["message"].as_str().unwrap_or(otherwise).to_owned();
    match body["code"].as_str() {
        Some("UNAUTHENTICATED") => Failure::Unauthenticated(message),
        code => Failure::Fault { code: code.unwrap_or("HTTP").to_owned(), message },
    }
}

/// Where lines go, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Lines,
    Json,
    /// Standard error.
    Beside,
}

/// What was told, and up to where.
struct Told {
    out: Out,
    cursor: String,
    workspace: String,
}

impl Told {
    /// Where a page has looked to.
    fn note(&mut self, page: &Value) {
        page["looked"].as_str().unwrap_or_default().clone_into(&mut self.cursor);
        page["workspaceId"].as_str().unwrap_or_default().clone_into(&mut self.workspace);
    }

    fn lines(&self, lines: &Value) -> Reader {
        let mut out: Box<dyn io::Write> = match self.out {
            Out::Lines | Out::Json => Box::new(io::stdout().lock()),
            Out::Beside => Box::new(io::stderr().lock()),
        };
        for line in lines.as_array().into_iter().flatten() {
            let written = match self.out {
                Out::Json => writeln!(out, "{line}"),
                Out::Lines => writeln!(out, "{}", shown(line)),
                Out::Beside => writeln!(out, "{:>14}| {}", "", line["text"].as_str().unwrap_or_default()),
            };
            if written.is_err() {
                return Reader::HasGone;
            }
        }
        if out.flush().is_err() { Reader::HasGone } else { Reader::Reads }
    }

    /// Tells what comes until the stream ends or breaks.
    async fn stream(&mut self, response: Response) -> Result<Reader, Failure> {
        let (mut body, mut bytes) = (response.bytes_stream(), Vec::new());
        while let Some(Ok(piece)) = body.next().await {
            bytes.extend_from_slice(&piece);
            while let Some(at) = bytes.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = bytes.drain(..at + 2).collect();
                let (kind, words) = event(&String::from_utf8_lossy(&block));
                match kind.as_str() {
                    "lines" if self.lines(&words["lines"]) == Reader::HasGone => return Ok(Reader::HasGone),
                    "resync" => {
                        let _ = writeln!(io::stderr(), "rhone: {}", words["reason"].as_str().unwrap_or_default());
                    }
                    "end" => return Err(refused(&words, "the stream was ended")),
                    _ => {}
                }
                // Only now: what was not printed is asked for again.
                if let Some(position) = words["position"].as_str() {
                    position.clone_into(&mut self.cursor);
                }
            }
        }
        Ok(Reader::Reads)
    }
}

/// The kind and the words of one server-sent event.
fn event(block: &str) -> (String, Value) {
    let (mut kind, mut words) = (String::new(), String::new());
    for (name, value) in block.lines().filter_map(|line| line.split_once(':')) {
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut kind),
            "data" => words.push_str(value),
            _ => {}
        }
    }
    (kind, serde_json::from_str(&words).unwrap_or_default())
}

/// One line for people: when, of whom, from where, what.
fn shown(line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let whose = line["allocationId"].as_str().or(line["operationId"].as_str()).unwrap_or_default();
    // Ids made in one minute differ at their end.
    let short = whose.get(whose.len().saturating_sub(6)..).unwrap_or_default();
    let from = match text("stream") {
        "STDERR" => "err",
        "STDOUT" => "out",
        _ => "***",
    };
    format!("{} {short} {from}  {}", text("at").get(..23).unwrap_or_default(), text("text"))
}

#[cfg(test)]
mod tests {
    //! Events are read as they are sent, and lines written for people.
    use super::*;

    #[test]
    fn an_event_is_read_with_its_kind_and_words() {
        let (kind, words) = event("event: lines\nid: 1~2-3\ndata: {\"lines\":[],\"position\":\"1~2-3\"}\n\n");
        assert_eq!((kind.as_str(), &words["position"]), ("lines", &json!("1~2-3")));
        assert_eq!(event(": still here\n\n"), (String::new(), Value::Null));
        assert_eq!(event("retry: 1000\n\n").0, "");
    }

    #[test]
    fn a_line_says_when_of_whom_from_where_and_what() {
        let line = json!({ "at": "2026-11-20T12:34:56.789123Z", "stream": "STDERR", "text": "oops",
            "allocationId": "alc_0123456789abcdef" });
        assert_eq!(shown(&line), "2026-11-20T12:34:56.789 abcdef err  oops");
    }
}

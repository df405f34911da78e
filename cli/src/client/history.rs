//! Asking of the past: the questions, and how answers are written for people. The trap avoided: a rule decided here; what is
//! folded, compared and explained is folded, compared and explained by the API.

use super::{
    app_history,
    connection::Connection,
    documents, explain,
    failure::Failure,
    history_args::{HistoryArgs, LineKind, Past, SupportBundleArgs, TimelineArgs, TimelineFormat},
    list, show,
};
use crate::output::{self, line};
use reqwest::{StatusCode, Url};
use rhone_eventstore::Cursor;
use serde_json::{Value, json};
use std::{fs, io::Write as _};

/// Asks, and writes the answer.
pub(super) async fn run(connection: &Connection, past: Past) -> Result<(), Failure> {
    match past {
        Past::Timeline(asked) => timeline(connection, asked).await,
        Past::Explain(asked) => explain::run(connection, &asked).await,
        Past::History(asked) => history(connection, &asked).await,
        Past::SupportBundle(asked) => support_bundle(connection, &asked).await,
    }
}

async fn timeline(connection: &Connection, mut asked: TimelineArgs) -> Result<(), Failure> {
    if asked.json {
        asked.format = TimelineFormat::Json;
    }
    let named = asked.workspace.is_some() || asked.project.is_some() || asked.app.is_some();
    let named = named || asked.environment.is_some() || asked.object.is_some();
    if named || asked.operation.is_some() || asked.correlation.is_some() {
        return export(connection, &asked).await;
    }
    let own = list::all(connection, &list::WORKSPACES, None).await?;
    if own.len() != 1 && asked.format != TimelineFormat::Text {
        // Two arrays, or two tables, are no document.
        let message = "--workspace or another place is needed, or --format text".to_owned();
        return Err(Failure::Fault { code: "BAD_USER_INPUT".into(), message });
    }
    for workspace in own {
        let workspace = workspace["id"].as_str().map(str::to_owned);
        export(connection, &TimelineArgs { workspace, ..asked.clone() }).await?;
    }
    Ok(())
}

fn url(connection: &Connection, asked: &TimelineArgs) -> Result<Url, Failure> {
    let kind = asked.kind.map(|kind| match kind {
        LineKind::Event => "EVENT".to_owned(),
        LineKind::Refusal => "REFUSAL".to_owned(),
        LineKind::LateEvidence => "LATE_EVIDENCE".to_owned(),
    });
    let format = if asked.format == TimelineFormat::Csv { "csv" } else { "json" };
    let types = (!asked.types.is_empty()).then(|| asked.types.join(","));
    let said = [
        ("format", Some(format.to_owned())),
        ("workspaceId", asked.workspace.clone()),
        ("projectId", asked.project.clone()),
        ("appId", asked.app.clone()),
        ("environmentId", asked.environment.clone()),
        ("objectId", asked.object.clone()),
        ("operationId", asked.operation.clone()),
        ("correlation", asked.correlation.clone()),
        ("actor", asked.actor.clone()),
        ("types", types),
        ("kind", kind),
        ("since", asked.since.clone()),
        ("until", asked.until.clone()),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Url::parse_with_params(&connection.at("/v1/timeline"), said)
        .map_err(|error| Failure::local("asking for the timeline", error))
}

async fn export(connection: &Connection, asked: &TimelineArgs) -> Result<(), Failure> {
    let url = url(connection, asked)?;
    let unreachable = |source| Failure::Unreachable { url: connection.at("/v1/timeline"), source };
    let mut response = connection.http().get(url).bearer_auth(connection.token()).send().await.map_err(unreachable)?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        return Err(refused(status, &bytes));
    }
    if asked.format != TimelineFormat::Text {
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            // When the reader of a pipe has gone there is nobody left to tell.
            if std::io::stdout().write_all(&part).is_err() {
                break;
            }
        }
        return Ok(());
    }
    let bytes = response.bytes().await.map_err(unreachable)?;
    let lines: Vec<Value> =
        serde_json::from_slice(&bytes).map_err(|_| Failure::Unexpected("a timeline that is no JSON array".into()))?;
    for entry in &lines {
        line(show::told(entry));
    }
    Ok(())
}

fn refused(status: StatusCode, bytes: &[u8]) -> Failure {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let message = text("message").unwrap_or_else(|| format!("status {status}"));
    match text("code") {
        Some(code) if code == "UNAUTHENTICATED" => Failure::Unauthenticated(message),
        code => Failure::Fault { code: code.unwrap_or_else(|| "HTTP".into()), message },
    }
}

async fn history(connection: &Connection, asked: &HistoryArgs) -> Result<(), Failure> {
    let (at, from) = match asked.diff.as_deref() {
        Some([from, to]) => (moment(Some(to))?, moment(Some(from))?),
        _ => (moment(asked.at.as_deref())?, Value::Null),
    };
    if asked.object.starts_with("app_") {
        return app_history::run(connection, asked, (at, from)).await;
    }
    let of = json!({ "stream": asked.object, "at": at });
    let with = |name: &str, value: Value| {
        let mut variables = of.clone();
        variables[name] = value;
        variables
    };
    if let Some(path) = &asked.why {
        let data = connection.query(&documents::why(), with("path", json!(path))).await?;
        show::data(&data["why"], asked.json);
    } else if asked.diff.is_some() {
        let data = connection.query(documents::DIFFERENCE, with("from", from)).await?;
        if asked.json {
            line(&data["replay"]);
        } else {
            for change in list(&data["replay"]["difference"]) {
                line(changed(change));
            }
        }
    } else if asked.step {
        steps(connection, of, asked.json).await?;
    } else {
        let data = connection.query(documents::REPLAY, of).await?;
        show_state(&data["replay"], asked.json);
    }
    Ok(())
}

pub(super) fn show_state(replay: &Value, json: bool) {
    if json {
        line(replay);
        return;
    }
    let text = |name: &str| replay[name].as_str().unwrap_or("-").to_owned();
    line(format_args!("{} at version {}, state {}", text("stream"), replay["version"], text("stateHash")));
    line(format_args!("{:#}", replay["state"]));
}

async fn steps(connection: &Connection, mut variables: Value, json: bool) -> Result<(), Failure> {
    loop {
        let data = connection.query(&documents::steps(), variables.clone()).await?;
        let page = &data["replay"]["steps"];
        for step in list(&page["nodes"]) {
            if json {
                line(step);
                continue;
            }
            for refused in list(&step["refusedBefore"]) {
                line(format_args!("    refused: {}", show::told(refused)));
            }
            line(show::told(&step["entry"]));
            for change in list(&step["changes"]) {
                line(format_args!("    {}", changed(change)));
            }
        }
        variables["after"] = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] != true {
            let since = list(&data["replay"]["refusedSince"]);
            since
                .iter()
                .filter(|_| !json)
                .for_each(|refused| line(format_args!("    refused: {}", show::told(refused))));
            return Ok(());
        }
    }
}

pub(super) fn changed(change: &Value) -> String {
    let shown = |value: &Value| if value.is_null() { "(absent)".to_owned() } else { value.to_string() };
    let path = change["path"].as_str().unwrap_or_default();
    format!("{path}: {} -> {}", shown(&change["before"]), shown(&change["after"]))
}

/// A version, a time or a position of the log; none means now.
fn moment(text: Option<&str>) -> Result<Value, Failure> {
    let Some(text) = text else { return Ok(Value::Null) };
    if let Ok(version) = text.parse::<u32>() {
        return Ok(json!({ "version": version }));
    }
    if text.parse::<Cursor>().is_ok() {
        return Ok(json!({ "position": text }));
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(_) => Ok(json!({ "time": text })),
        Err(_) => Err(usage(format!(
            "`{text}` is neither a version, nor a time such as 2026-11-20T12:00:00Z, nor a position of the log"
        ))),
    }
}

pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::Fault { code: "BAD_USER_INPUT".into(), message: message.into() }
}

async fn support_bundle(connection: &Connection, asked: &SupportBundleArgs) -> Result<(), Failure> {
    let correlation = asked.correlation.strip_prefix("op_").unwrap_or(&asked.correlation);
    let data = connection.query(documents::SUPPORT_BUNDLE, json!({ "correlation": correlation })).await?;
    let text = data["supportBundle"]["bundle"].to_string();
    let digest = data["supportBundle"]["digest"].as_str().unwrap_or_default();
    if rhone_domain::digest::Digest::of(&[text.as_bytes()]).to_string() != digest {
        return Err(Failure::Unexpected("a support bundle with another digest".into()));
    }
    let Some(path) = &asked.out else {
        line(text);
        return Ok(());
    };
    fs::write(path, &text).map_err(|error| Failure::local(format!("writing {}", path.display()), error))?;
    output::told(asked.json, &json!({ "file": path, "digest": digest }), format_args!("{} {digest}", path.display()));
    Ok(())
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    //! What is asked, and how it is told.
    use super::*;

    #[test]
    fn a_moment_is_a_version_a_time_or_a_position() {
        assert_eq!(moment(Some("7")).expect("a version"), json!({ "version": 7 }));
        assert_eq!(moment(None).expect("now"), Value::Null);
        assert_eq!(moment(Some("2026-11-20T12:00:00Z")).expect("a time")["time"], "2026-11-20T12:00:00Z");
        let position = "7712345678901234567.1.1~1-1091-40";
        assert_eq!(moment(Some(position)).expect("a position"), json!({ "position": position }));
        assert_eq!(moment(Some("~1-1091-40")).expect_err("of no log").exit_code(), 2);
        assert_eq!(moment(Some("yesterday")).expect_err("neither").exit_code(), 2);
    }

    #[test]
    fn only_what_is_said_is_asked_and_nothing_of_it_breaks_the_address() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let connection = Connection::new("http://127.0.0.1:1", "rhone_t").expect("built");
        let asked = TimelineArgs {
            app: Some("app_1&appId=app_2".into()),
            types: vec!["app.created".into(), "route_owner.*".into()],
            since: Some("2026-11-20T12:00:00+01:00".into()),
            ..TimelineArgs::default()
        };
        let url = url(&connection, &asked).expect("an address");
        let said: Vec<_> = url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "format=json",
            "appId=app_1&appId=app_2",
            "types=app.created,route_owner.*",
            "since=2026-11-20T12:00:00+01:00",
        ];
        assert_eq!(said, expected);
    }
}

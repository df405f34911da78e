//! What is done every day in a folder: link, open, route show, lists of operations, files of variables. The trap avoided: a
//! second way to do a thing; each of these asks what the nouns' verbs ask.

use super::{
    args::{Daily, ImportArgs, LinkArgs, OpenArgs, OperationsArgs, StatusArgs},
    documents, dotenv,
    failure::Failure,
    gates,
    link::Link,
    list,
    mutation::VARIABLES_SET,
    run::{Asking, not_found},
    show::{self, text},
};
use crate::{Report, Stage, data::Data, output::line, private_file};
use reqwest::Url;
use rhone_domain::{
    claim::{self, Kind},
    text::Hostname,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, IsTerminal as _},
    process::{Command, Stdio},
};
use uuid::Uuid;

/// Does what is asked.
pub(super) async fn run(asking: &Asking<'_>, data: &Data, daily: Daily) -> Result<(), Failure> {
    match daily {
        Daily::Link(words) => link(asking, words).await,
        Daily::Open(words) => open(asking, data, words).await,
        Daily::Status(words) => status(asking, &words).await,
        Daily::Route(host) => route(asking, &host).await,
        Daily::Operations(words) => operations(asking, words).await,
        Daily::Import(words) => import(asking, words).await,
        Daily::Promote(words) => gates::promote(asking, words).await,
        Daily::Rollback(words) => gates::roll_back(asking, words).await,
    }
}

/// `rhone link --forget`, which needs no connection.
pub(super) fn forget(json: bool) -> Result<(), Failure> {
    let forgotten = Link::forget()?;
    show::data(&json!({ "forgotten": forgotten }), json);
    Ok(())
}

async fn link(asking: &Asking<'_>, words: LinkArgs) -> Result<(), Failure> {
    let environment = words.target.unwrap_or_default();
    let mut found = asking.found(documents::PLACE, &environment, "environment").await?;
    let app = found["app"]["id"].as_str().ok_or_else(|| not_found("app of that environment"))?;
    let kept = Link { app: app.to_owned(), environment }.keep()?;
    found["link"] = json!(kept);
    show::data(&found, asking.how.json);
    Ok(())
}

async fn open(asking: &Asking<'_>, data: &Data, words: OpenArgs) -> Result<(), Failure> {
    let found = asking.found(&documents::environment(), &words.environment, "environment").await?;
    let Some(host) = found["routeOwner"]["hosts"][0].as_str() else { return Err(Failure::no_hostname()) };
    let url = address(host, edge_here(asking, data)?.as_deref());
    if asking.how.json {
        line(json!({ "url": url, "host": host, "environment": words.environment }));
        return Ok(());
    }
    line(&url);
    if !words.print && io::stdout().is_terminal() {
        let opened = Command::new("xdg-open").arg(&url).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        opened.map(drop).map_err(|error| Failure::local("starting xdg-open; open it yourself", error))?;
    }
    Ok(())
}

/// An edge of the `rhone up` that is asked; none where it is another API.
fn edge_here(asking: &Asking<'_>, data: &Data) -> Result<Option<String>, Failure> {
    let report: Option<Report> = private_file::read(&data.report())
        .map_err(|error| Failure::local("looking for a running `rhone up`", error))?;
    let here = report.filter(|report| report.stage != Stage::Stopped).map(|report| report.facts.urls);
    Ok(here.filter(|urls| asking.connection.at("") == urls.api).and_then(|urls| urls.edges.into_iter().next()))
}

/// Where visitors reach a host: over TLS, which somebody in front of the edges speaks, or at the edge of this machine.
fn address(host: &str, edge: Option<&str>) -> String {
    let port = edge.and_then(|edge| Url::parse(edge).ok()?.port());
    port.map_or_else(|| format!("https://{host}/"), |port| format!("http://{host}:{port}/"))
}

/// Who has a name is a fact of the claim's own stream, whose name is derived from the name.
async fn route(asking: &Asking<'_>, host: &str) -> Result<(), Failure> {
    let usage = |error: rhone_domain::text::InvalidText| Failure::Fault {
        code: "BAD_USER_INPUT".into(),
        message: error.to_string(),
    };
    let host = Hostname::parse("host", host).map_err(usage)?;
    let stream = format!("claim:{}", claim::id(Kind::Hostname, Uuid::nil(), host.as_str()));
    let unknown = || Failure::Fault {
        code: "NOT_FOUND".into(),
        message: format!("no environment that you can see has the hostname {}", host.as_str()),
    };
    let asked = asking.connection.query(documents::REPLAY, json!({ "stream": stream })).await;
    let claim = match asked {
        Err(Failure::Fault { code, .. }) if code == "NOT_FOUND" => return Err(unknown()),
        asked => asked?,
    };
    let holder = claim["replay"]["state"]["holder"].as_str().and_then(|id| Uuid::try_parse(id).ok());
    let environment = format!("env_{}", holder.ok_or_else(unknown)?.simple());
    let found = asking.found(&documents::route(), &environment, "environment").await?;
    show::data(&json!({ "host": host.as_str(), "environment": found }), asking.how.json);
    Ok(())
}

async fn status(asking: &Asking<'_>, words: &StatusArgs) -> Result<(), Failure> {
    let mut app = asking.found(documents::STATUS, &words.app, "app").await?;
    app["environments"] = asking.environments(&words.app).await?;
    let under_way = (documents::UNDER_WAY, Some(words.app.as_str()));
    app["operations"] = json!({ "nodes": list::pages(&asking.connection, under_way, "/app/operations", "app").await? });
    if asking.how.json {
        line(&app);
        return Ok(());
    }
    if let Some(source) = source_line(&app["source"]) {
        line(source);
    }
    let nodes = |list: &Value| list["nodes"].as_array().cloned().unwrap_or_default();
    for environment in nodes(&app["environments"]) {
        line(environment_line(&environment));
    }
    for operation in nodes(&app["operations"]) {
        line(operation_line(&operation));
    }
    for (how, ended) in [("failed", nodes(&app["failed"])), ("blocked", nodes(&app["blocked"]))] {
        if let Some(last) = ended.first() {
            line(bad_end_line(how, last));
        }
    }
    Ok(())
}

/// Where it comes from; nothing of an app that was never told.
fn source_line(source: &Value) -> Option<String> {
    let repository = source["repository"].as_str()?;
    Some(format!("source  {repository} ({})", text(&source["reference"])))
}

/// What failed, or was blocked, last, and why.
fn bad_end_line(how: &str, operation: &Value) -> String {
    let (id, by) = (text(&operation["id"]), &operation["requestedBy"]);
    let by = by["actorName"].as_str().or(by["actor"].as_str()).map(|by| format!(" for {by}")).unwrap_or_default();
    format!(
        "{how} last  {id}  {:<18} {}  {}{by} at {}: {}",
        text(&operation["kind"]).to_lowercase(),
        text(&operation["environment"]["id"]),
        text(&operation["deployment"]["id"]),
        text(&operation["endedAt"]),
        cause(operation),
    )
}

/// Its failure, or the gates that are closed.
fn cause(operation: &Value) -> String {
    let failure = &operation["failure"];
    if let Some(code) = failure["code"].as_str() {
        return format!("{code}: {}", text(&failure["message"]));
    }
    let closed = |gate: &&Value| matches!(gate["state"].as_str(), Some("fail" | "needs_acknowledgement"));
    let told = |gate: &Value| format!("{}: {}", text(&gate["kind"]), text(&gate["reason"]));
    operation["gates"].as_array().into_iter().flatten().filter(closed).map(told).collect::<Vec<_>>().join("; ")
}

fn environment_line(environment: &Value) -> String {
    let owner = &environment["routeOwner"];
    let hosts: Vec<String> = owner["hosts"].as_array().into_iter().flatten().map(text).collect();
    let held = match (owner["frozen"] == true, owner["pin"]["reason"].as_str()) {
        (true, _) => "  frozen".to_owned(),
        (false, Some(reason)) => format!("  pinned: {reason}"),
        (false, None) => String::new(),
    };
    format!(
        "{}  {:<12} {:<10} epoch {:<4} {}  {}{held}",
        text(&environment["id"]),
        text(&environment["slug"]),
        text(&environment["kind"]).to_lowercase(),
        owner["epoch"].as_u64().unwrap_or_default(),
        text(&owner["deploymentId"]),
        hosts.join(" "),
    )
}

async fn operations(asking: &Asking<'_>, words: OperationsArgs) -> Result<(), Failure> {
    let OperationsArgs { app, only, open, first } = words;
    let filter = open.then(|| json!({ "ended": false }));
    let variables = json!({ "id": app, "environment": only, "filter": filter, "first": first });
    let data = asking.connection.query(documents::OPERATIONS, variables).await?;
    let Some(nodes) = data["app"]["operations"]["nodes"].as_array() else { return Err(not_found("app")) };
    show::list(nodes, asking.how.json, operation_line);
    Ok(())
}

fn operation_line(node: &Value) -> String {
    let failure = node["failure"]["code"].as_str().map(|code| format!("  {code}")).unwrap_or_default();
    format!(
        "{}  {:<18} {:<16} {}  {}{failure}",
        text(&node["id"]),
        text(&node["kind"]).to_lowercase(),
        text(&node["stage"]).to_lowercase(),
        text(&node["environment"]["id"]),
        text(&node["deployment"]["id"]),
    )
}

async fn import(asking: &Asking<'_>, words: ImportArgs) -> Result<(), Failure> {
    let ImportArgs { environment, file, secrets, expected_set } = words;
    let text =
        fs::read_to_string(&file).map_err(|error| Failure::local(format!("reading {}", file.display()), error))?;
    let read = dotenv::read(&text).map_err(|bad| Failure::Fault {
        code: "BAD_USER_INPUT".into(),
        message: format!("{}: {bad}", file.display()),
    })?;
    let kind = if secrets { "SECRET" } else { "PLAIN" };
    let one = |(key, value): &(String, String)| json!({ "key": key, "value": value, "kind": kind });
    let variables: Vec<Value> = read.iter().map(one).collect();
    let input = json!({ "environmentId": environment, "variables": variables, "expectedSet": expected_set });
    asking.change(&VARIABLES_SET, input).await
}

#[cfg(test)]
mod tests {
    //! Where an environment is reached.
    use super::*;

    #[test]
    fn an_environment_is_told_with_its_owner_and_what_holds_it() {
        let told = environment_line(
            &json!({ "id": "env_1", "slug": "production", "kind": "PRODUCTION", "routeOwner": {
            "epoch": 3, "deploymentId": "dep_1", "hosts": ["a.example.com"], "frozen": false, "pin": { "reason": "bad" } } }),
        );
        for word in ["env_1", "production", "epoch 3", "dep_1", "a.example.com", "pinned: bad"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        let nobody = environment_line(&json!({ "id": "env_1", "slug": "x", "kind": "PREVIEW", "routeOwner": {
            "epoch": 0, "deploymentId": null, "hosts": [], "frozen": true, "pin": null } }));
        assert!(nobody.contains("epoch 0    -") && nobody.ends_with("frozen"), "{nobody}");
    }

    #[test]
    fn an_app_is_told_with_its_source_where_it_has_one() {
        let source = json!({ "repository": "https://git.example.com/shop", "reference": "main" });
        assert_eq!(source_line(&source).as_deref(), Some("source  https://git.example.com/shop (main)"));
        assert_eq!(source_line(&Value::Null), None);
    }

    #[test]
    fn what_failed_last_is_one_line_with_its_cause() {
        let told = bad_end_line(
            "failed",
            &json!({ "id": "op_1", "kind": "PROMOTION", "endedAt": "2026-11-27T12:00:00Z",
            "requestedBy": { "actor": "0193", "actorName": "alice" }, "environment": { "id": "env_1" }, "deployment": { "id": "dep_1" },
            "failure": { "code": "ALLOCATION_FAILED", "message": "its app ended by itself: exit 3" } }),
        );
        for word in [
            "failed last",
            "op_1",
            "promotion",
            "env_1",
            "for alice",
            "at 2026",
            "ALLOCATION_FAILED: its app ended by itself: exit 3",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(!told.contains('\n'), "{told}");
    }

    #[test]
    fn what_was_blocked_last_is_one_line_with_the_gates_that_were_closed() {
        let gates = json!([{ "kind": "artifact", "state": "pass", "reason": "validated" },
            { "kind": "variables", "state": "fail", "reason": "TOKEN is not set" },
            { "kind": "vango_state", "state": "needs_acknowledgement", "reason": "it is cold" }]);
        let told = bad_end_line("blocked", &json!({ "id": "op_1", "kind": "DEPLOY", "gates": gates }));
        assert!(told.starts_with("blocked last  op_1  deploy"), "{told}");
        assert!(told.ends_with(": variables: TOKEN is not set; vango_state: it is cold"), "{told}");
    }

    #[test]
    fn a_host_is_reached_over_tls_or_at_the_edge_of_this_machine() {
        assert_eq!(address("shop.example.com", None), "https://shop.example.com/");
        assert_eq!(address("shop.localhost", Some("http://127.0.0.1:4001")), "http://shop.localhost:4001/");
    }
}

//! Asking of an app's past: all that belongs to it as it was, command by command, and what differs between two moments. Page by
//! page, as one list. Trap: an app that is taken for its own stream; that one is `app:` and its id without the prefix.

use super::{
    connection::Connection,
    documents,
    failure::Failure,
    history::{changed, list, show_state, usage},
    history_args::HistoryArgs,
    show,
};
use crate::output::line;
use serde_json::{Value, json};

/// Asks, and writes the answer: at a moment, or from the second one to it.
pub(super) async fn run(
    connection: &Connection,
    asked: &HistoryArgs,
    (at, from): (Value, Value),
) -> Result<(), Failure> {
    if asked.why.is_some() {
        return Err(usage("--why is about one stream: name it as `category:uuid`"));
    }
    let of = json!({ "id": asked.object, "at": at });
    if asked.diff.is_some() {
        let mut of = of;
        of["from"] = from;
        return pages(connection, documents::APP_DIFFERENCES, of, "differences", |one| differs(one, asked.json)).await;
    }
    if asked.step {
        return pages(connection, &documents::app_steps(), of, "steps", |one| stepped(one, asked.json)).await;
    }
    let was_there = |one: &Value| {
        if one["version"] != 0 {
            show_state(one, asked.json);
        }
    };
    pages(connection, documents::APP_REPLAY, of.clone(), "streams", was_there).await?;
    let data = connection.query(documents::APP_STATES, of).await?;
    let hash = &data["app"]["replay"]["statesHash"];
    if asked.json {
        line(json!({ "app": asked.object, "statesHash": hash }));
    } else {
        line(format_args!("{}, states {}", asked.object, hash.as_str().unwrap_or("-")));
    }
    Ok(())
}

/// Every page of a list of the app's replay.
async fn pages(
    connection: &Connection,
    document: &str,
    mut variables: Value,
    field: &str,
    tell: impl Fn(&Value),
) -> Result<(), Failure> {
    loop {
        let data = connection.query(document, variables.clone()).await?;
        let page = &data["app"]["replay"][field];
        if page.is_null() {
            return Err(Failure::Fault { code: "NOT_FOUND".into(), message: "there is no such app".into() });
        }
        list(&page["nodes"]).iter().for_each(&tell);
        variables["after"] = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] != true {
            return Ok(());
        }
    }
}

fn differs(one: &Value, json: bool) {
    if json {
        line(one);
        return;
    }
    line(format_args!("{} from version {} to {}", one["stream"].as_str().unwrap_or("-"), one["before"], one["after"]));
    for change in list(&one["changes"]) {
        line(format_args!("    {}", changed(change)));
    }
}

fn stepped(step: &Value, json: bool) {
    if json {
        line(step);
        return;
    }
    let said = if step["accepted"] == true { "accepted" } else { "refused " };
    line(format_args!("{said} {:<34} {}", step["command"].as_str().unwrap_or("-"), show::told(&step["entry"])));
    for change in list(&step["changes"]) {
        line(format_args!("    {}", changed(change)));
    }
}

//! `rhone explain`: an operation for people, with its command, the person behind it, the decision, the cause of a bad end, and
//! all that led to what. The trap avoided: the request of another operation taken for this one's, where one asked for another.

use super::{
    connection::Connection,
    documents,
    failure::Failure,
    history::list,
    history_args::ExplainArgs,
    show::{self, text},
};
use crate::output::line;
use serde_json::{Value, json};
use uuid::Uuid;

/// Asks, and writes the answer.
pub(super) async fn run(connection: &Connection, asked: &ExplainArgs) -> Result<(), Failure> {
    let data = connection.query(&documents::explain(), json!({ "id": asked.operation })).await?;
    if data["operation"].is_null() {
        return Err(Failure::Fault { code: "NOT_FOUND".into(), message: "there is no such operation".into() });
    }
    if asked.json {
        line(&data);
    } else {
        explained(&data).iter().for_each(line);
    }
    Ok(())
}

/// An operation, for people.
fn explained(data: &Value) -> Vec<String> {
    let operation = &data["operation"];
    let nodes = list(&data["causationTree"]["nodes"]);
    let mut told =
        vec![format!("{} {} is {}", text(&operation["kind"]), text(&operation["id"]), text(&operation["stage"]))];
    let entries = || nodes.iter().map(|node| &node["entry"]);
    let own = operation["id"].as_str().and_then(|id| id.strip_prefix("op_")).and_then(|id| Uuid::try_parse(id).ok());
    let own = own.map(|id| format!("operation:{id}"));
    let is_request =
        |entry: &&Value| entry["type"] == "operation.requested" && entry["stream"].as_str() == own.as_deref();
    if let Some(request) = entries().find(is_request) {
        let why = request["reason"].as_str().map(|reason| format!(", because {reason}")).unwrap_or_default();
        let (kind, at) = (text(&request["actorKind"]), text(&request["occurredAt"]));
        let actor = named(request);
        told.push(format!("command   {} by {kind} {actor} at {at}{why}", text(&request["command"])));
    }
    let person = &operation["requestedBy"];
    told.push(if person.is_null() {
        "person    none: Rhone did it by itself".to_owned()
    } else {
        format!("person    {} {}", text(&person["actorKind"]), named(person))
    });
    let given =
        operation["epoch"].as_u64().map(|epoch| format!("; it gave the route epoch {epoch}")).unwrap_or_default();
    let expected = operation["expectedRouteEpoch"].as_u64();
    told.push(match (&operation["failure"], expected) {
        (Value::Null, Some(expected)) => format!("decision  accepted at epoch {expected}{given}"),
        (Value::Null, None) => "decision  accepted".to_owned(),
        (failure, _) => format!(
            "decision  failed, {}: {} (expected {}, actual {}){given}",
            text(&failure["code"]),
            text(&failure["message"]),
            text(&failure["expected"]),
            text(&failure["actual"]),
        ),
    });
    if !operation["failure"].is_null() {
        let failed = entries().filter(|entry| entry["type"] == "allocation.failed");
        told.extend(failed.map(|entry| format!("cause     {} [{}]", text(&entry["summary"]), text(&entry["stream"]))));
    }
    told.extend(list(&operation["gates"]).iter().map(|gate| {
        let (state, kind) = (text(&gate["state"]), text(&gate["kind"]));
        format!("gate      {state} {kind}: {} [{}]", text(&gate["reason"]), text(&gate["evidence"]))
    }));
    told.extend(list(&operation["edges"]).iter().map(|edge| {
        let seq = &edge["appliedSeq"];
        format!("edge      {} had applied {seq} and answered with {}", text(&edge["edge"]), text(&edge["digest"]))
    }));
    told.extend(nodes.iter().map(|node| {
        let depth = usize::try_from(node["depth"].as_u64().unwrap_or_default()).unwrap_or_default();
        let late = if node["entry"]["kind"] == "LATE_EVIDENCE" { "LATE, without effect: " } else { "" };
        format!("event     {}{late}{}", "  ".repeat(depth), show::told(&node["entry"]))
    }));
    told
}

/// An actor, with what it is called where that is known.
fn named(of: &Value) -> String {
    let actor = of["actor"].as_str().unwrap_or("-");
    of["actorName"].as_str().map_or_else(|| actor.to_owned(), |name| format!("{name} ({actor})"))
}

#[cfg(test)]
mod tests {
    //! What is told of an operation.
    use super::*;

    #[test]
    fn an_explanation_says_command_decision_gates_edges_and_events() {
        let entry = |kind: &str, summary: &str, line: &str| {
            json!({ "type": kind, "summary": summary, "actorKind": "user", "actor": "ada",
            "occurredAt": "2026-11-20T12:34:56.789Z", "reason": "ready", "command": "operation.request_promotion", "kind": line,
            "stream": "operation:00000000-0000-0000-0000-000000000001", "version": 1, "correlation": "c" })
        };
        let mut another = entry("operation.requested", "A deploy was asked for.", "EVENT");
        another["stream"] = json!("operation:00000000-0000-0000-0000-000000000002");
        another["command"] = json!("operation.request_deploy");
        let id = "op_00000000000000000000000000000001";
        let told = explained(&json!({
            "operation": { "id": id, "requestedBy": { "actor": "0193", "actorKind": "user", "actorName": "ada" }, "kind": "PROMOTION", "stage": "FAILED", "expectedRouteEpoch": 1, "epoch": null,
                "failure": { "code": "STALE_EPOCH", "message": "moved on", "expected": "1", "actual": "2" },
                "gates": [{ "kind": "artifact", "state": "pass", "reason": "validated", "evidence": "sha256:1" }],
                "edges": [{ "edge": "e1", "appliedSeq": 9, "digest": "sha256:2" }] },
            "causationTree": { "nodes": [
                { "depth": 0, "entry": another },
                { "depth": 0, "entry": entry("operation.requested", "A promotion was asked for.", "EVENT") },
                { "depth": 1, "entry": entry("allocation.failed", "The allocation failed: exit 3.", "EVENT") },
                { "depth": 1, "entry": entry("operation.late_report_recorded", "Too late.", "LATE_EVIDENCE") } ] },
        }));
        for (line, parts) in told.iter().zip([
            vec!["PROMOTION op_", "is FAILED"],
            vec!["command", "operation.request_promotion by user ada", "because ready"],
            vec!["person    user ada (0193)"],
            vec!["decision", "STALE_EPOCH: moved on (expected 1, actual 2)"],
            vec!["cause     The allocation failed: exit 3. [operation:"],
            vec!["gate", "pass artifact: validated [sha256:1]"],
            vec!["edge", "e1 had applied 9 and answered with sha256:2"],
            vec!["event     12:34", "A deploy was asked for."],
            vec!["event     12:34", "A promotion was asked for."],
            vec!["event       12:34", "The allocation failed"],
            vec!["event       LATE, without effect: ", "Too late."],
        ]) {
            assert!(parts.iter().all(|part| line.contains(part)), "{parts:?} in {line}");
        }
        assert_eq!(told.len(), 11);
    }
}

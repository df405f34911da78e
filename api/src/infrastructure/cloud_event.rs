//! An event as CloudEvents 1.0 has it, in its structured JSON form, for those who follow with tools that know it. The trap: another
//! truth beside the timeline's; `data` is the timeline's own line, and what stands around it only names it.

use rhone_domain::ids::WorkspaceId;
use rhone_projections::timeline::Entry;
use serde_json::{Value, json};

use crate::graphql::id;

/// Before every type of event, so that nobody takes it for another system's.
const PREFIX: &str = "app.rhone.";

/// The event around its line. Where it stands in the log is an extension of ours.
pub(super) fn around(line: &Value, entry: &Entry, workspace: WorkspaceId) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": entry.event,
        "source": format!("/workspaces/{}", id::show(workspace).as_str()),
        "type": format!("{PREFIX}{}", entry.event_type),
        "subject": entry.stream,
        "time": entry.occurred_at,
        "datacontenttype": "application/json",
        "rhoneposition": line["position"],
        "data": line,
    });
    if let Some(traceparent) = &entry.traceparent {
        event["traceparent"] = json!(traceparent);
    }
    event
}

#[cfg(test)]
mod tests {
    //! What is told is a CloudEvent by the specification's own schema.
    use super::*;
    use chrono::DateTime;
    use rhone_eventstore::Position;
    use uuid::Uuid;

    fn entry(traceparent: Option<&str>) -> Entry {
        Entry {
            position: Position::default(),
            event: Uuid::from_u128(1),
            stream: "route_owner:00000000-0000-0000-0000-000000000002".into(),
            version: 3,
            event_type: "route_owner.promoted".into(),
            schema_version: 1,
            actor: Uuid::from_u128(4),
            actor_kind: "user".into(),
            on_behalf_of: None,
            writer: "promotion".into(),
            correlation: Uuid::from_u128(5),
            causation: None,
            traceparent: traceparent.map(str::to_owned),
            reason: None,
            summary: "It owns the traffic.".into(),
            payload: json!({ "epoch": "1" }),
            occurred_at: DateTime::UNIX_EPOCH,
            recorded_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn every_line_is_a_cloud_event_by_the_schema_of_the_specification() {
        let schema = include_str!("../../tests/cloudevents/cloudevents-1.0.schema.json");
        let schema: Value = serde_json::from_str(schema).expect("a schema");
        let schema = jsonschema::draft7::new(&schema).expect("a schema");
        let line = json!({ "position": "here", "type": "route_owner.promoted" });
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for traceparent in [None, Some(parent)] {
            let event = around(&line, &entry(traceparent), WorkspaceId(Uuid::from_u128(6)));
            assert!(schema.is_valid(&event), "{event:#}");
            assert_eq!(event["type"], "app.rhone.route_owner.promoted");
            assert_eq!(event["source"], "/workspaces/ws_00000000000000000000000000000006");
            assert_eq!((&event["rhoneposition"], &event["data"]), (&json!("here"), &line));
            assert_eq!(event.get("traceparent").and_then(Value::as_str), traceparent);
            for attribute in ["specversion", "id", "source", "type"] {
                let mut without = event.clone();
                without.as_object_mut().expect("an object").remove(attribute);
                assert!(!schema.is_valid(&without), "without {attribute}");
            }
            let names = event.as_object().expect("an object").keys();
            assert!(names.flat_map(|name| name.chars()).all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        }
    }
}

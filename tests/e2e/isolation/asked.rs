//! Every id that a query takes, wherever it stands: in an argument of any field of any object, in a filter, and in the query
//! string of what is read over HTTP. The trap avoided: a question about nothing; one's own id must be answered otherwise, unless
//! it is said why not.

use super::things::{Things, Whose, is_id, plain, unknown};
use crate::fields::{filled, id_of, question, way};
use rhone_tests::{
    live::{Events, before_all, now},
    platform::Platform,
    schema::{Field, Output, Schema},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A place where an id is taken.
struct Place {
    /// Such as `App.timeline(filter.actor)`.
    label: String,
    field: String,
    argument: String,
    /// With `§` where it stands.
    text: String,
}

const OWN: &str = "this person made no token, and what concerns a workspace is not told there";

/// Where one's own id is answered like an unknown one, and why.
const SAME: [(&str, &str); 21] = [
    ("Allocation.logs(filter.operationId)", "what runs was built by no operation"),
    ("App.logs(filter.operationId)", "nothing was built here"),
    ("Deployment.logs(filter.operationId)", "nothing was built here"),
    ("Environment.logs(filter.operationId)", "nothing was built here"),
    ("Operation.logs(filter.appId)", "nothing was built here"),
    ("Operation.logs(filter.environmentId)", "nothing was built here"),
    ("Operation.logs(filter.deploymentId)", "nothing was built here"),
    ("Operation.logs(filter.allocationId)", "nothing was built here"),
    ("App.deployments(filter.artifactDigest)", "what is one's own alone is not deployed"),
    ("Environment.deployments(filter.artifactDigest)", "what is one's own alone is not deployed"),
    ("Project.deployments(filter.artifactDigest)", "what is one's own alone is not deployed"),
    ("Workspace.deployments(filter.artifactDigest)", "what is one's own alone is not deployed"),
    ("Environment.variableDifference(deploymentId)", "nothing was ever set here"),
    ("Viewer.grants(projectId)", "an owner has the same in every project"),
    ("Viewer.timeline(filter.actor)", OWN),
    ("Viewer.timeline(filter.appId)", OWN),
    ("Viewer.timeline(filter.correlation)", OWN),
    ("Viewer.timeline(filter.environmentId)", OWN),
    ("Viewer.timeline(filter.objectId)", OWN),
    ("Viewer.timeline(filter.operationId)", OWN),
    ("Viewer.timeline(filter.projectId)", OWN),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_answered_as_an_unknown_one_by_every_field() {
    let platform = Platform::shared().await;
    let (own, other) = (Things::new(platform).await, Things::new(platform).await);
    let (mut compared, mut nobodys, mut wrong, mut vain) = (0, BTreeMap::new(), Vec::new(), Vec::new());
    for place in places(Schema::checked_in()) {
        let (foreign, mine) = match (ids(&other, &place), ids(&own, &place)) {
            (Some(Whose::Tenants(foreign)), Some(Whose::Tenants(mine))) => (foreign, mine),
            (Some(Whose::Nobodys(why)), _) => {
                nobodys.insert(place.argument, why);
                continue;
            }
            _ => panic!("nobody said whose the id of {} is: add a line to things.rs", place.label),
        };
        let mut telling = 0;
        for (foreign, mine) in foreign.iter().zip(&mine) {
            let (seen, nothing) = (told(&own, &place, foreign).await, told(&own, &place, &unknown(foreign)).await);
            if seen != nothing {
                wrong.push(format!("{} {foreign}: {seen} {nothing}", place.label));
            }
            telling += usize::from(told(&own, &place, mine).await != nothing);
            compared += 1;
        }
        vain.extend((telling == 0).then_some(place.label));
    }
    let right = compared - wrong.len();
    eprintln!("S2: {right}/{compared} ids of fields tell nothing of a foreign thing; nobody's are {nobodys:?}");
    assert_eq!(wrong, Vec::<String>::new());
    vain.sort();
    let same: BTreeMap<_, _> = SAME.into_iter().collect();
    assert_eq!(vain, same.into_keys().collect::<Vec<_>>(), "where one's own id is answered like an unknown one");
}

fn ids(things: &Things, place: &Place) -> Option<Whose> {
    things.ids(&place.field, &place.argument)
}

async fn told(own: &Things, place: &Place, id: &str) -> Value {
    let text = filled(&place.text, |name| id_of(&own.owner, name)).replace('§', id);
    plain(&own.owner.tenant.client.ask(&text, json!({})).await, id)
}

/// Every argument of every field of every object, and every field of a filter.
fn places(schema: &Schema) -> Vec<Place> {
    let mut places = Vec::new();
    for (object, field) in
        schema.objects.iter().flat_map(|(object, fields)| fields.iter().map(move |one| (object, one)))
    {
        for argument in &field.arguments {
            let inner = schema.input(argument).into_iter().flatten().filter(|field| is_id(field));
            let taken = is_id(argument).then_some(None).into_iter().chain(inner.map(Some));
            places.extend(
                taken.filter(|_| !is_followed(object)).map(|inner| place(schema, (object, field), (argument, inner))),
            );
        }
    }
    places
}

/// Subscriptions are opened, not asked (`followed.rs`); mutations are tried in `changed.rs`.
fn is_followed(object: &str) -> bool {
    ["Subscription", "Mutation"].contains(&object)
}

fn place(schema: &Schema, (object, field): (&str, &Output), (argument, inner): (&Field, Option<&Field>)) -> Place {
    let way = match object {
        "Query" => "$",
        object => way(object).unwrap_or_else(|| panic!("no way leads to {object}.{}", field.name)),
    };
    let mut asked = field.clone();
    asked.arguments.retain(|one| one.name != argument.name && !one.optional);
    asked.arguments.push(Field { kind: "ID!".to_owned(), optional: false, ..argument.clone() });
    let text = question(schema, way, &asked);
    let (plain, marked) = match inner {
        Some(inner) => {
            (format!("{0}: \"{0}\"", argument.name), format!("{}: {{ {}: \"§\" }}", argument.name, inner.name))
        }
        None => (format!("{0}: \"{0}\"", argument.name), format!("{}: \"§\"", argument.name)),
    };
    // The way there is the owner's own; only this one id, the last of its name, is another's.
    let at = text.rfind(&plain).expect("the argument is asked for");
    let mut text = [&text[..at], &marked, &text[at + plain.len()..]].concat();
    if let Some(selection) = selection(schema, &field.answer) {
        let at = text.rfind("{ __typename }").expect("an object is selected from");
        text.replace_range(at..at + "{ __typename }".len(), &selection);
    }
    // The roots stand in no object.
    let root = text.strip_prefix("{ ").and_then(|text| text.strip_suffix(" }")).filter(|_| object == "Query");
    let text = root.map_or_else(|| text.clone(), str::to_owned);
    let leaf = inner.unwrap_or(argument);
    let path = inner.map_or_else(|| argument.name.clone(), |inner| format!("{}.{}", argument.name, inner.name));
    Place {
        label: format!("{object}.{}({path})", field.name),
        field: field.name.clone(),
        argument: leaf.name.clone(),
        text,
    }
}

/// All that is plain about what is answered, and of a list about each of it.
fn selection(schema: &Schema, answer: &str) -> Option<String> {
    let fields = schema.objects.get(answer)?;
    if let Some(nodes) = fields.iter().find(|field| field.name == "nodes") {
        return Some(format!("{{ nodes {} }}", selection(schema, &nodes.answer)?));
    }
    let plain = ["ID", "String", "Int", "Boolean", "DateTime"];
    let seen = fields.iter().filter(|field| field.arguments.is_empty() && plain.contains(&field.answer.as_str()));
    Some(format!("{{ __typename {} }}", seen.map(|field| field.name.as_str()).collect::<Vec<_>>().join(" ")))
}

/// Where one's own id tells nothing in a query string, and why.
const SILENT: [(&str, &str); 1] = [("/v1/logs operationId", "nothing was built here")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_answered_as_an_unknown_one_in_every_query_string() {
    let platform = Platform::shared().await;
    let (own, other) = (Things::new(platform).await, Things::new(platform).await);
    let (schema, mut compared, mut wrong, mut silent) = (Schema::checked_in(), 0, Vec::new(), Vec::new());
    for (path, filter) in
        [("/v1/events", "EventFilterInput"), ("/v1/logs", "LogFilter"), ("/v1/timeline", "TimelineFilter")]
    {
        let names = schema.inputs[filter].iter().filter(|field| is_id(field)).map(|field| field.name.as_str());
        let after = match path {
            "/v1/timeline" => None,
            _ => Some(before_all(&now(&own.owner.tenant.client, path, &own.owner.tenant.workspace).await)),
        };
        let heard = async |name: &str, id: &str| heard(&own, (path, after.as_deref()), name, id).await;
        for name in names.chain(["workspaceId"]) {
            let (Some(Whose::Tenants(foreign)), Some(Whose::Tenants(mine))) =
                (other.ids(path, name), own.ids(path, name))
            else {
                panic!("{path} takes {name}")
            };
            let mut telling = 0;
            for (foreign, mine) in foreign.iter().zip(&mine) {
                let (seen, nothing) = (heard(name, foreign).await, heard(name, &unknown(foreign)).await);
                if seen != nothing {
                    wrong.push(format!("{path} {name} {foreign}: {seen} {nothing}"));
                }
                let told = heard(name, mine).await;
                telling += usize::from(told != nothing && told != "caught_up");
                compared += 1;
            }
            silent.extend((telling == 0).then(|| format!("{path} {name}")));
        }
    }
    eprintln!("S2: {}/{compared} ids of query strings tell nothing of a foreign thing", compared - wrong.len());
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(silent, SILENT.map(|(place, _)| place), "where one's own id tells nothing");
}

/// The answer, or the first word of a stream that begins before everything.
async fn heard(own: &Things, (path, after): (&str, Option<&str>), name: &str, id: &str) -> Value {
    let (client, workspace) = (&own.owner.tenant.client, own.owner.tenant.workspace.as_str());
    let mut query = vec![(name, id)];
    query.extend(after.map(|after| ("after", after)));
    if name != "workspaceId" {
        query.push(("workspaceId", workspace));
    }
    if path == "/v1/timeline" {
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (status, body) = client.get(&format!("{path}?{}", query.join("&"))).await;
        return without_request(plain(&json!({ "status": status, "body": body }), id));
    }
    match Events::open_at(client, path, &query, None).await {
        Ok(mut events) => json!(events.said().await.event),
        Err((status, words)) => without_request(plain(&json!({ "status": status, "words": words }), id)),
    }
}

/// A refusal names its request.
fn without_request(mut answer: Value) -> Value {
    for own in ["requestId", "traceId"] {
        answer["words"].as_object_mut().map(|words| words.remove(own));
    }
    if let Some(Value::Object(mut body)) = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()) {
        for own in ["requestId", "traceId"] {
            body.remove(own);
        }
        answer["body"] = Value::Object(body);
    }
    answer
}

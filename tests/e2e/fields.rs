//! Every field of every object by everybody who could ask for it (S1). The table is the schema itself: an object without a way
//! to it, or an argument without a value, is red. The trap avoided: a field that is guarded where it is usually reached, and
//! reachable elsewhere.

mod lived;
mod ways;

use crate::roles::{added, machines, reading, support};
use lived::Lived;
use rhone_domain::authorization::{self, Audience};
use rhone_tests::{
    database::{administrator, end_session, open_session, person, uuid},
    graphql::Client,
    inputs::{Owner, unknown_id},
    platform::Platform,
    schema::{Output, Schema},
    story::text,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub(crate) use ways::way;

/// Who may see a field, as the table of `domain` says.
pub(crate) fn audience(object: &str, field: &Output) -> Audience {
    let said = authorization::audience(object, &field.name);
    said.unwrap_or_else(|| {
        panic!("nobody said who sees {object}.{}: add it to domain/src/authorization/seen.rs", field.name)
    })
}

/// A field, who may see it, and the way to its object.
type Walked<'a> = (&'a String, Audience, String, &'a Output);

/// Every field of every object that a question leads to. The others are asked for by mutations (`roles`) and by subscriptions
/// (`live/roles`), where it is told that none is left out; the fields of the roots are the ways there.
fn walked(schema: &Schema) -> Vec<Walked<'_>> {
    let mut walked = Vec::new();
    for (object, fields) in &schema.objects {
        let Some(way) = way(object).map(str::to_owned).or_else(|| page(schema, object)) else {
            assert!(
                is_root(object) || followed(schema).contains(&object) || is_issued(object, fields),
                "no way: {object}"
            );
            continue;
        };
        walked.extend(fields.iter().map(|field| (object, audience(object, field), way.clone(), field)));
    }
    walked
}

pub(crate) fn is_root(object: &str) -> bool {
    ["Query", "Mutation", "Subscription"].contains(&object)
}

/// What a mutation answers.
fn is_issued(object: &str, fields: &[Output]) -> bool {
    fields.iter().all(|field| audience(object, field) == Audience::Issuer)
}

/// What subscriptions answer and no question does.
pub(crate) fn followed(schema: &Schema) -> Vec<&String> {
    let unions = schema.objects["Subscription"].iter().flat_map(|field| &schema.unions[&field.answer]);
    unions.filter(|object| way(object).is_none()).collect()
}

/// The way to a page or to one of its edges, by the first field of an object with a way that answers such a page.
fn page(schema: &Schema, object: &str) -> Option<String> {
    if let Some(node) = object.strip_suffix("Edge") {
        return page(schema, &format!("{node}Connection")).map(|way| way.replacen('$', "{ edges $ }", 1));
    }
    let of = schema.objects.iter().find_map(|(parent, fields)| {
        let way = if parent == "Query" { "$" } else { way(parent)? };
        // A page of what another page holds is asked for like its first one.
        fields.iter().find(|field| field.answer == object).map(|field| (parent, way, field))
    });
    let (parent, way, field) = of.filter(|_| object.ends_with("Connection"))?;
    let arguments = required(field).chain(["first: 1".to_owned()]).collect::<Vec<_>>().join(", ");
    let asked = format!("{}({arguments}) $", field.name);
    Some(if parent == "Query" { asked } else { way.replacen('$', &format!("{{ {asked} }}"), 1) })
}

/// The question for one field, with ids by the names of their arguments.
pub(crate) fn question(schema: &Schema, way: &str, field: &Output) -> String {
    let arguments: Vec<_> = required(field).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
    let composite = schema.is_composite(&field.answer);
    let selection = if composite { " { __typename }" } else { "" };
    let asked = format!("{{ __typename {}{arguments}{selection} }}", field.name);
    format!("{{ {} }}", way.replacen('$', &asked, 1))
}

/// The arguments that a field must be given, with ids by their names.
fn required(field: &Output) -> impl Iterator<Item = String> {
    let needed = field.arguments.iter().filter(|argument| !argument.optional);
    needed.map(|argument| match (argument.kind.as_str(), argument.name.as_str()) {
        ("ID!", name) => format!("{name}: \"{name}\""),
        ("Int!", "replicas") => "replicas: 1".to_owned(),
        ("DateTime!", "from") => "from: \"2026-01-01T00:00:00Z\"".to_owned(),
        ("DateTime!", "to") => "to: \"2100-01-01T00:00:00Z\"".to_owned(),
        ("MomentInput!", name) => format!("{name}: {{ time: \"2100-01-01T00:00:00Z\" }}"),
        ("EnvironmentField!", name) => format!("{name}: REPLICAS"),
        ("String!", "path") => "path: \"/created\"".to_owned(),
        (kind, name) => panic!("the argument `{name}: {kind}` of `{}` has no value in {}", field.name, file!()),
    })
}

const IDS: [&str; 12] = [
    "productionId",
    "builtId",
    "failedId",
    "workspaceId",
    "projectId",
    "appId",
    "environmentId",
    "deploymentId",
    "operationId",
    "regionId",
    "cellId",
    "correlation",
];

/// With these ids in the places of their names.
pub(crate) fn filled(question: &str, id: impl Fn(&str) -> String) -> String {
    IDS.iter().fold(question.to_owned(), |question, name| {
        question.replace(&format!("\"{name}\""), &format!("\"{}\"", id(name)))
    })
}

/// An id of the owner's, or of the platform's.
pub(crate) fn id_of(owner: &Owner, name: &str) -> String {
    if name == "correlation" {
        return uuid(&id_of(owner, "operationId")).to_string();
    }
    match name {
        "productionId" => return owner.tenant.production.id.clone(),
        "builtId" | "failedId" => return id_of(owner, "operationId"),
        _ => {}
    }
    owner.id(name).map_or_else(|| text(&owner.good_value(name)), str::to_owned)
}

fn unknown_of(owner: &Owner, name: &str) -> String {
    if name == "correlation" {
        return uuid(&unknown_of(owner, "operationId")).to_string();
    }
    // Regions and cells are everybody's.
    if ["regionId", "cellId"].contains(&name) { id_of(owner, name) } else { unknown_id(&id_of(owner, name)) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    Admin,
    Member,
    Support,
    Outsider,
    /// A token of the owner's for another workspace of theirs.
    Narrowed,
    EndedSupport,
    /// The owner's browser.
    Browser,
    /// The owner, with a token that only reads.
    Reading,
    /// A host's and a region's own programs.
    Runner,
    Edge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Seen,
    /// Nothing is kept from them, and there is nothing.
    Empty,
    Unseen,
    Unauthenticated,
    /// An error that no role should get.
    Broken,
}

fn expected(audience: Audience, who: Who) -> Verdict {
    use Who::{Admin, Browser, Edge, EndedSupport, Member, Narrowed, Outsider, Owner, Reading, Runner, Support};
    match (audience, who) {
        (_, EndedSupport) => Verdict::Unauthenticated,
        // The owner of these tests runs the platform, too. To read is no grant.
        (Audience::Everybody, _)
        | (Audience::Tenants, Owner | Admin | Member | Support | Browser | Reading)
        | (Audience::Platform, Owner | Browser | Reading)
        | (Audience::Person, Owner | Admin | Member | Outsider | Browser) => Verdict::Seen,
        (Audience::Tenants, Outsider | Narrowed | Runner | Edge)
        | (Audience::Person, Support | Narrowed | Reading | Runner | Edge)
        | (Audience::Platform, Admin | Member | Support | Outsider | Narrowed | Runner | Edge) => Verdict::Unseen,
        (Audience::Issuer, _) => panic!("what a mutation answers is asked for by mutations"),
    }
}

/// Who has none of something, and why, or where it is seen.
const EMPTY: [(&str, &[Who], &str); 10] = [
    ("Account", ALL, "nobody of these signed in at GitHub: e2e/sign_in"),
    ("ApiToken", PROGRAMS, "a program made no token"),
    ("ApiTokenAffordances", PROGRAMS, "a program made no token"),
    ("ApiTokenEdge", PROGRAMS, "a program made no token"),
    ("EnabledRegion", ALL, "it takes a second region: e2e/regions.rs"),
    ("LateEvidence", ALL, "a worker must be held on its wire for it: e2e/race.rs"),
    ("PresentService", ALL, "it takes a verified binding: e2e/bindings.rs"),
    ("RegionStanding", ALL, "it takes a second region: e2e/regions.rs"),
    ("RegionStandingAffordances", ALL, "it takes a second region: e2e/regions.rs"),
    ("WorkspaceEdge", &[Who::Outsider, Who::Runner, Who::Edge], "they belong to nothing"),
];

const PROGRAMS: &[Who] = &[Who::Runner, Who::Edge];
const ALL: &[Who] = &[
    Who::Owner,
    Who::Admin,
    Who::Member,
    Who::Support,
    Who::Outsider,
    Who::Narrowed,
    Who::Browser,
    Who::Reading,
    Who::Runner,
    Who::Edge,
];

fn verdict(answer: &Value, object: &str, audience: Audience) -> Verdict {
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    let root = answer["data"].as_object().and_then(|data| data.values().next()).unwrap_or(&Value::Null);
    let inside = answer.to_string().contains(&format!("\"__typename\":\"{object}\""));
    match (code, audience) {
        (Some("UNAUTHENTICATED"), _) => Verdict::Unauthenticated,
        (Some("NOT_FOUND" | "FORBIDDEN"), _) => Verdict::Unseen,
        (Some(_), _) => Verdict::Broken,
        (None, Audience::Platform) if !inside => Verdict::Unseen,
        (None, _) if root.is_null() => Verdict::Unseen,
        (None, _) if !inside => Verdict::Empty,
        (None, _) => Verdict::Seen,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_is_seen_by_whom_it_is_for_and_by_nobody_else() {
    let platform = Platform::shared().await;
    let lived = Lived::new(platform).await;
    let owner = &lived.owner;
    let schema = Schema::checked_in();
    let (mut cells, mut wrong, walked) = (0, Vec::new(), walked(schema));
    for (who, client) in callers(platform, owner).await {
        for (object, audience, way, field) in &walked {
            let question = question(schema, way, field);
            let answer = client.ask(&filled(&question, |name| lived.id(name)), json!({})).await;
            let (expected, found) = (expected(*audience, who), verdict(&answer, object, *audience));
            let known = EMPTY.iter().find(|(one, by, _)| one == object && by.contains(&who));
            let expected = if known.is_some() && expected == Verdict::Seen { Verdict::Empty } else { expected };
            if expected != found {
                wrong.push(format!("{object}.{} by {who:?}: {found:?} in place of {expected:?}: {answer}", field.name));
            }
            if *audience == Audience::Tenants && expected == Verdict::Unseen {
                let unknown = client.ask(&filled(&question, |name| unknown_of(owner, name)), json!({})).await;
                if plain(&answer) != plain(&unknown) {
                    wrong.push(format!("{object}.{} by {who:?} tells that it exists: {answer} {unknown}", field.name));
                }
            }
            cells += 1;
        }
    }
    let all: usize = schema.objects.values().map(Vec::len).sum();
    let of_all = schema.objects.iter().flat_map(|(object, fields)| fields.iter().map(move |field| (object, field)));
    let without = of_all.filter(|(object, field)| authorization::audience(object, &field.name).is_none()).count();
    eprintln!(
        "S1: {}/{cells} cells of {} fields right; {all} fields, {without} without a row",
        cells - wrong.len(),
        walked.len()
    );
    assert_eq!(without, 0, "fields without a row in domain/src/authorization/seen.rs");
    assert!(cells > 11 * 200, "only {cells} cells");
    assert!(wrong.is_empty(), "{} of {cells}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Without what differs by request.
fn plain(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        for own in ["requestId", "traceId"] {
            error["extensions"].as_object_mut().map(|details| details.remove(own));
        }
    }
    answer
}

async fn callers(platform: &Platform, owner: &Owner) -> Vec<(Who, Client)> {
    let (_, helping) = support(platform, owner).await;
    let (access, ended) = support(platform, owner).await;
    let input = json!({ "workspaceId": owner.tenant.workspace, "accessId": access });
    owner.tenant.client.done("supportAccessEnd", "supportAccess { id }", input).await;
    let input = json!({ "slug": rhone_tests::graphql::unique("else"), "name": "Elsewhere" });
    let elsewhere = owner.tenant.client.done("workspaceCreate", "workspace { id }", input).await;
    let elsewhere = uuid(&text(&elsewhere["workspace"]["id"]));
    let (admin, member) = (added(platform, owner, "ADMIN").await, added(platform, owner, "MEMBER").await);
    let outsider = person(platform).await;
    // Each has a browser of their own, which they see, and had another one.
    for actor in [admin.actor, member.actor, outsider.actor] {
        open_session(platform, actor).await;
        end_session(platform, actor).await;
    }
    end_session(platform, owner.person.actor).await;
    let [runner, edge] = machines(platform, owner).await;
    let (_, cookie) = open_session(platform, owner.person.actor).await;
    vec![
        (Who::Owner, owner.tenant.client.clone()),
        (Who::Admin, admin.client),
        (Who::Member, member.client),
        (Who::Support, helping.client),
        (Who::Outsider, outsider.client),
        (Who::Narrowed, narrowed(platform, owner.person.actor, elsewhere).await),
        (Who::EndedSupport, ended.client),
        (Who::Browser, Client::of_session(owner.tenant.client.url(), &cookie)),
        (Who::Reading, reading(platform, owner).await),
        (Who::Runner, runner),
        (Who::Edge, edge),
    ]
}

/// A token that is for one workspace only.
pub(crate) async fn narrowed(platform: &Platform, actor: Uuid, workspace: Uuid) -> Client {
    let secret = format!("rhone_{}", rhone_tests::graphql::unique("narrowed"));
    sqlx::query("SELECT identity.issue(gen_random_uuid(), $1, 'token', $2, $3, NULL, NULL, 'narrowed', NULL)")
        .bind(Sha256::digest(&secret).to_vec())
        .bind(actor)
        .bind(workspace)
        .execute(&mut administrator(platform).await)
        .await
        .expect("a token is issued");
    platform.client(&secret)
}

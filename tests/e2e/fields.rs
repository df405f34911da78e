//! Every field of every object by everybody who could ask for it (S1). The table is the schema itself: an object without a way
//! to it, or an argument without a value, is red. The trap avoided: a field that is guarded where it is usually reached, and
//! reachable elsewhere.

use crate::roles::{added, support};
use rhone_tests::{
    database::{administrator, person, uuid},
    graphql::Client,
    inputs::{Owner, unknown_id},
    platform::Platform,
    schema::{Output, Schema},
    story::text,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Who may see an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those who belong to the workspace.
    Tenants,
    /// Everybody with a token.
    Everybodys,
    /// Those who run the platform.
    Platforms,
    /// The person alone: not support in their name, and no token that is less than they are.
    Persons,
}

/// How an object is reached: `$` is where its fields are asked for.
pub(crate) fn way(object: &str) -> Option<(Whose, &'static str)> {
    use Whose::{Everybodys, Persons, Platforms, Tenants};
    Some(match object {
        "Workspace" => (Tenants, "workspace(id: \"workspaceId\") $"),
        "Project" => (Tenants, "project(id: \"projectId\") $"),
        "App" => (Tenants, "app(id: \"appId\") $"),
        "AppSource" => (Tenants, "app(id: \"appId\") { source $ }"),
        "AppAffordances" => (Tenants, "app(id: \"appId\") { affordances $ }"),
        "SourceCredential" => (Tenants, "app(id: \"appId\") { sourceCredentials $ }"),
        "Environment" => (Tenants, "environment(id: \"environmentId\") $"),
        "Deployment" => (Tenants, "deployment(id: \"deploymentId\") $"),
        "DeploymentSource" => (Tenants, "deployment(id: \"deploymentId\") { source $ }"),
        "Artifact" => (Tenants, "deployment(id: \"deploymentId\") { artifact $ }"),
        "Operation" => (Tenants, "operation(id: \"operationId\") $"),
        "Requester" => (Tenants, "operation(id: \"operationId\") { requestedBy $ }"),
        "OperationFailure" => (Tenants, "operation(id: \"operationId\") { failure $ }"),
        "DeployProgress" => (Tenants, "operation(id: \"operationId\") { deploy $ }"),
        "FetchedSource" => (Tenants, "operation(id: \"operationId\") { deploy { fetched $ } }"),
        "BuiltArtifact" => (Tenants, "operation(id: \"operationId\") { deploy { built $ } }"),
        "EdgeAnswer" => (Tenants, "operation(id: \"operationId\") { edges $ }"),
        "Gate" => (Tenants, "operation(id: \"operationId\") { gates $ }"),
        "RouteOwner" => (Tenants, "environment(id: \"environmentId\") { routeOwner $ }"),
        "Pin" => (Tenants, "environment(id: \"environmentId\") { routeOwner { pin $ } }"),
        "Quarantine" => (Tenants, "environment(id: \"environmentId\") { routeOwner { quarantined $ } }"),
        "DrainingOwner" => (Tenants, "environment(id: \"environmentId\") { routeOwner { drain $ } }"),
        "Allocation" => (Tenants, "environment(id: \"environmentId\") { allocations(ended: true) $ }"),
        "LogLine" => (Tenants, "app(id: \"appId\") { logs(first: 1) { nodes $ } }"),
        "RecordedMigration" => (Tenants, "environment(id: \"environmentId\") { migrations $ }"),
        "EnabledRegion" => (Tenants, "environment(id: \"environmentId\") { regions $ }"),
        "RegionStanding" => (Tenants, "environment(id: \"environmentId\") { regionStandings $ }"),
        "ProviderBinding" => (Tenants, "environment(id: \"environmentId\") { providerBindings $ }"),
        "RuntimeServiceBinding" => (Tenants, "environment(id: \"environmentId\") { runtimeServiceBindings $ }"),
        "Binding" => (Tenants, "environment(id: \"environmentId\") { providerBindings { binding $ } }"),
        "Variable" => (Tenants, "environment(id: \"environmentId\") { variables $ }"),
        "VariableSet" => (Tenants, "environment(id: \"environmentId\") { variableSets $ }"),
        "VariableDifference" => {
            (Tenants, "environment(id: \"environmentId\") { variableDifference(deploymentId: \"deploymentId\") $ }")
        }
        "VariableChange" => (
            Tenants,
            "environment(id: \"environmentId\") { variableDifference(deploymentId: \"deploymentId\") { added $ } }",
        ),
        "RouteChangePlan" => {
            (Tenants, "environment(id: \"environmentId\") { promotion(deploymentId: \"deploymentId\") $ }")
        }
        "RouteChangeImpact" => {
            (Tenants, "environment(id: \"environmentId\") { promotion(deploymentId: \"deploymentId\") { impact $ } }")
        }
        "EnvironmentAffordances" => (Tenants, "environment(id: \"environmentId\") { affordances $ }"),
        "AllocationAffordances" => {
            (Tenants, "environment(id: \"environmentId\") { allocations(ended: true) { affordances $ } }")
        }
        "BindingAffordances" => (Tenants, "environment(id: \"environmentId\") { providerBindings { affordances $ } }"),
        "ProjectAffordances" => (Tenants, "project(id: \"projectId\") { affordances $ }"),
        "WorkspaceAffordances" => (Tenants, "workspace(id: \"workspaceId\") { affordances $ }"),
        "MemberAffordances" => {
            (Tenants, "workspace(id: \"workspaceId\") { members(first: 5) { nodes { affordances $ } } }")
        }
        "InvitationAffordances" => {
            (Tenants, "workspace(id: \"workspaceId\") { invitations(first: 1) { nodes { affordances $ } } }")
        }
        "SupportAccessAffordances" => (Tenants, "workspace(id: \"workspaceId\") { support { affordances $ } }"),
        "HostAffordances" => {
            (Platforms, "node(id: \"cellId\") { ... on Cell { hosts(first: 1) { nodes { affordances $ } } } }")
        }
        "Affordance" => (Tenants, "environment(id: \"environmentId\") { affordances { freeze $ } }"),
        "FailoverPlan" => (Tenants, "environment(id: \"environmentId\") { failover(regionId: \"regionId\") $ }"),
        "RegionReadiness" => (
            Tenants,
            "environment(id: \"environmentId\") { regionReadiness(regionId: \"regionId\", cellId: \"cellId\") $ }",
        ),
        "ScalePlan" => (Tenants, "environment(id: \"environmentId\") { scalePlan(replicas: 1) $ }"),
        "ScaleReadiness" => (Tenants, "environment(id: \"environmentId\") { scaleReadiness(replicas: 1) $ }"),
        "MissingService" => {
            (Tenants, "environment(id: \"environmentId\") { scaleReadiness(replicas: 1) { missing $ } }")
        }
        "PresentService" => {
            (Tenants, "environment(id: \"environmentId\") { scaleReadiness(replicas: 1) { present $ } }")
        }
        "TimelineEntry" => (Tenants, "app(id: \"appId\") { timeline(first: 1) { nodes $ } }"),
        "PageInfo" => (Tenants, "app(id: \"appId\") { timeline(first: 1) { pageInfo $ } }"),
        "OperationLine" => (Tenants, "app(id: \"appId\") { operationTimeline(first: 1) { nodes $ } }"),
        "RefusedAttempt" => (Tenants, "app(id: \"appId\") { timeline(first: 1) { nodes { refusal $ } } }"),
        "LateEvidence" => (Tenants, "app(id: \"appId\") { timeline(first: 1) { nodes { lateEvidence $ } } }"),
        "CausationTree" => (Tenants, "causationTree(operationId: \"operationId\") $"),
        "CausationNode" => (Tenants, "causationTree(operationId: \"operationId\") { nodes $ }"),
        "Replay" => (Tenants, "replay(stream: \"environmentId\") $"),
        "ReplayStep" => (Tenants, "replay(stream: \"environmentId\") { steps(first: 1) { nodes $ } }"),
        "AppReplay" => (Tenants, "app(id: \"appId\") { replay $ }"),
        "AppStep" => (Tenants, "app(id: \"appId\") { replay { steps(first: 1) { nodes $ } } }"),
        "StreamDifference" => (
            Tenants,
            "app(id: \"appId\") { replay { differences(from: { time: \"2001-01-01T00:00:00Z\" }, first: 1) { nodes $ } } }",
        ),
        "StateChange" => (Tenants, "replay(stream: \"environmentId\") { steps(first: 1) { nodes { changes $ } } }"),
        "SupportBundle" => (Tenants, "supportBundle(correlation: \"correlation\") $"),
        "Why" => (Tenants, "environment(id: \"environmentId\") { why(field: REPLICAS) $ }"),
        "EnvironmentChange" => (
            Tenants,
            "environment(id: \"environmentId\") { changes(from: \"2026-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\") $ }",
        ),
        "Account" => (Everybodys, "viewer { account $ }"),
        "ApiToken" => (Everybodys, "viewer { tokens(first: 1) { nodes $ } }"),
        "Session" => (Persons, "viewer { sessions $ }"),
        "RateLimit" => (Everybodys, "rateLimit $"),
        "Member" => (Tenants, "workspace(id: \"workspaceId\") { members(first: 5) { nodes $ } }"),
        "CustomGrants" => {
            (Tenants, "workspace(id: \"workspaceId\") { members(first: 5) { nodes { customGrants $ } } }")
        }
        "Invitation" => (Tenants, "workspace(id: \"workspaceId\") { invitations(first: 1) { nodes $ } }"),
        "SupportAccess" => (Tenants, "workspace(id: \"workspaceId\") { support $ }"),
        "Region" => (Everybodys, "regions(first: 1) { nodes $ }"),
        "Cell" => (Everybodys, "regions(first: 1) { nodes { cells(first: 1) { nodes $ } } }"),
        "Edge" => (Everybodys, "regions(first: 1) { nodes { liveEdges $ } }"),
        // By the cell that has one: another test may open a region at any time.
        "Host" => (Platforms, "node(id: \"cellId\") { ... on Cell { hosts(first: 1) { nodes $ } } }"),
        "StateClass" => (Everybodys, "stateTaxonomy $"),
        "NounDescription" => (Everybodys, "objectModel $"),
        "AuthorizationRow" => (Everybodys, "authorizationTable $"),
        "Viewer" => (Everybodys, "viewer $"),
        _ => return None,
    })
}

/// Objects that are asked for elsewhere: what mutations answer (`roles`), and what is followed (`live`); the roots are walked
/// by their fields' objects.
pub(crate) fn is_elsewhere(object: &str) -> bool {
    let roots = ["Query", "Mutation", "Subscription"];
    let followed = ["OperationProgress", "CaughtUp", "Resync", "PrintedLines", "RouteChange", "RouteSnapshot"];
    let answered = ["UserError", "PlannedEvent"];
    let pages = object.ends_with("Connection") || (object.ends_with("Edge") && object != "Edge");
    pages || object.ends_with("Payload") || [&roots[..], &followed, &answered].iter().any(|some| some.contains(&object))
}

/// Fields that are for fewer than their object is.
fn whose_field(object: &str, field: &str, whose: Whose) -> Whose {
    match (object, field) {
        ("Viewer", "sessions") => Whose::Persons,
        ("Viewer", "grants") => Whose::Tenants,
        _ => whose,
    }
}

/// Every field of every object with a way to it.
fn walked(schema: &Schema) -> Vec<(&String, Whose, &'static str, &Output)> {
    let mut walked = Vec::new();
    let mut without = Vec::new();
    for (object, fields) in schema.objects.iter().filter(|(object, _)| !is_elsewhere(object)) {
        match way(object) {
            Some((whose, way)) => {
                walked.extend(fields.iter().map(|field| (object, whose_field(object, &field.name, whose), way, field)));
            }
            None => without.push(object),
        }
    }
    assert_eq!(without, Vec::<&String>::new(), "nobody said how these are reached: add a line to {}", file!());
    walked
}

/// The question for one field, with ids by the names of their arguments.
pub(crate) fn question(schema: &Schema, way: &str, field: &Output) -> String {
    let needed = field.arguments.iter().filter(|argument| !argument.optional);
    let arguments: Vec<_> = needed
        .map(|argument| match (argument.kind.as_str(), argument.name.as_str()) {
            ("ID!", name) => format!("{name}: \"{name}\""),
            ("Int!", "replicas") => "replicas: 1".to_owned(),
            ("DateTime!", "from") => "from: \"2026-01-01T00:00:00Z\"".to_owned(),
            ("DateTime!", "to") => "to: \"2100-01-01T00:00:00Z\"".to_owned(),
            ("MomentInput!", name) => format!("{name}: {{ time: \"2100-01-01T00:00:00Z\" }}"),
            ("EnvironmentField!", name) => format!("{name}: REPLICAS"),
            ("String!", "path") => "path: \"/created\"".to_owned(),
            (kind, name) => panic!("the argument `{name}: {kind}` of `{}` has no value in {}", field.name, file!()),
        })
        .collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
    let composite = schema.objects.contains_key(&field.answer) || field.answer == "Node";
    let selection = if composite { " { __typename }" } else { "" };
    let asked = format!("{{ __typename {}{arguments}{selection} }}", field.name);
    format!("{{ {} }}", way.replacen('$', &asked, 1))
}

const IDS: [&str; 9] = [
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
    match owner.id(name) {
        Some(id) => id.to_owned(),
        None => text(&owner.good_value(name)),
    }
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Seen,
    Unseen,
    Unauthenticated,
    /// An error that no role should get.
    Broken,
}

fn expected(whose: Whose, who: Who) -> Verdict {
    match (whose, who) {
        (_, Who::EndedSupport) => Verdict::Unauthenticated,
        // The owner of these tests runs the platform, too.
        (Whose::Everybodys, _)
        | (Whose::Tenants, Who::Owner | Who::Admin | Who::Member | Who::Support)
        | (Whose::Platforms, Who::Owner)
        | (Whose::Persons, Who::Owner | Who::Admin | Who::Member | Who::Outsider) => Verdict::Seen,
        (Whose::Tenants, Who::Outsider | Who::Narrowed)
        | (Whose::Persons, Who::Support | Who::Narrowed)
        | (Whose::Platforms, Who::Admin | Who::Member | Who::Support | Who::Outsider | Who::Narrowed) => {
            Verdict::Unseen
        }
    }
}

fn verdict(answer: &Value, object: &str, whose: Whose) -> Verdict {
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    let root = answer["data"].as_object().and_then(|data| data.values().next()).unwrap_or(&Value::Null);
    let inside = answer.to_string().contains(&format!("\"__typename\":\"{object}\""));
    match (code, whose) {
        (Some("UNAUTHENTICATED"), _) => Verdict::Unauthenticated,
        (Some("NOT_FOUND" | "FORBIDDEN"), _) => Verdict::Unseen,
        (Some(_), _) => Verdict::Broken,
        (None, Whose::Platforms) if !inside => Verdict::Unseen,
        (None, _) if root.is_null() => Verdict::Unseen,
        (None, _) => Verdict::Seen,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_is_seen_by_whom_it_is_for_and_by_nobody_else() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let schema = Schema::checked_in();
    let (mut cells, mut wrong, walked) = (0, Vec::new(), walked(schema));
    for (who, client) in callers(platform, &owner).await {
        for (object, whose, way, field) in &walked {
            let question = question(schema, way, field);
            let answer = client.ask(&filled(&question, |name| id_of(&owner, name)), json!({})).await;
            let (expected, found) = (expected(*whose, who), verdict(&answer, object, *whose));
            if expected != found {
                wrong.push(format!("{object}.{} by {who:?}: {found:?} in place of {expected:?}: {answer}", field.name));
            }
            if *whose == Whose::Tenants && expected == Verdict::Unseen {
                let unknown = client.ask(&filled(&question, |name| unknown_of(&owner, name)), json!({})).await;
                if plain(&answer) != plain(&unknown) {
                    wrong.push(format!("{object}.{} by {who:?} tells that it exists: {answer} {unknown}", field.name));
                }
            }
            cells += 1;
        }
    }
    eprintln!("S1: {}/{cells} cells right, {} fields, 0 without a row", cells - wrong.len(), walked.len());
    assert!(cells > 7 * 200, "only {cells} cells");
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
    vec![
        (Who::Owner, owner.tenant.client.clone()),
        (Who::Admin, added(platform, owner, "ADMIN").await.client),
        (Who::Member, added(platform, owner, "MEMBER").await.client),
        (Who::Support, helping.client),
        (Who::Outsider, person(platform).await.client),
        (Who::Narrowed, narrowed(platform, owner.person.actor, elsewhere).await),
        (Who::EndedSupport, ended.client),
    ]
}

/// A token that is for one workspace only.
async fn narrowed(platform: &Platform, actor: Uuid, workspace: Uuid) -> Client {
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

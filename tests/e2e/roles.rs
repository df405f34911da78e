//! Every mutation of the schema by everybody who could try it, against the table that the API itself serves. The trap avoided:
//! a mutation that nobody remembered to guard; one without a line here is red, and so is a line without a row.

mod asks;

use asks::{Asks, asks};
use rhone_domain::authorization::{self, Audience};
use rhone_tests::{
    artifacts::{self, Version},
    database::{Person, open_session, person, uuid},
    graphql::Client,
    inputs::Owner,
    platform::Platform,
    schema::{Output, Schema},
    story::text,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Owner,
    Admin,
    Member,
    /// A member with every grant that can be given in the project.
    Custom,
    Outsider,
    /// For the owner.
    Support,
    /// The same when it is over.
    EndedSupport,
    /// The owner, with a token that only reads.
    Reading,
    /// The owner, with a token that leaves these.
    Narrowed,
    /// The owner's browser.
    Browser,
    /// A host's and a region's own programs.
    Runner,
    Edge,
}

impl Who {
    /// Whether the workspace shows itself to them at all.
    pub(crate) fn belongs(self) -> bool {
        !matches!(self, Self::Outsider | Self::EndedSupport | Self::Runner | Self::Edge)
    }
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Whatever else a rule may say.
    Permitted,
    /// A member without the grant.
    GrantMissing,
    /// A token that does not leave so much.
    TokenNarrowed,
    /// As if there were nothing.
    Unseen,
    /// Nobody at all.
    Unauthenticated,
    /// An answer that no role should get, and that says nothing of who may.
    Broken,
}

/// What the narrowed token leaves.
const LEFT: [&str; 3] = ["deploy", "promote_preview", "roll_back"];

/// What comes with roles alone, and what support never has.
const WHOLE: [&str; 5] = ["workspace_manage", "members_manage", "support_grant", "project_manage", "platform_manage"];
const NEVER_SUPPORT: [&str; 5] = ["workspace_manage", "members_manage", "support_grant", "approve", "platform_manage"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_is_for_whom_the_table_says_and_for_nobody_else() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let table = table(&owner.tenant.client).await;
    let callers = callers(platform, &owner, &table).await;
    have_uploaded(&callers).await;
    let schema = Schema::checked_in();
    let (mut cells, mut wrong, mut asked) = (0, Vec::new(), BTreeSet::new());
    for mutation in &schema.mutations {
        let fields = schema.fields(mutation);
        let answered = selection(schema, mutation.answer.trim_end_matches('!'), &mut asked);
        for (who, client) in &callers {
            let mut input = owner.good_input(&fields);
            if fields.iter().any(|field| field.name == "dryRun") {
                input["dryRun"] = json!(true);
            }
            let answer = client.try_mutate(&mutation.name, &answered, &input).await.expect("the API answers");
            let (expected, found) = (expected(&table, &mutation.name, *who), verdict(&answer, &mutation.name));
            if expected != found {
                wrong.push(format!("{} by {who:?}: {found:?} in place of {expected:?}: {answer}", mutation.name));
            }
            if found != Verdict::Permitted && tells(&answer["data"][&mutation.name]) {
                wrong.push(format!("{} by {who:?} tells something beside its refusal: {answer}", mutation.name));
            }
            cells += 1;
        }
    }
    eprintln!("S1: {}/{cells} cells of mutations right", cells - wrong.len());
    assert!(cells >= 12 * 28, "only {cells} cells");
    let issued = schema.objects.iter().filter(|(object, fields)| {
        fields.iter().any(|field| authorization::audience(object, &field.name) == Some(Audience::Issuer))
    });
    assert_eq!(
        issued.map(|(object, _)| object.as_str()).collect::<BTreeSet<_>>(),
        asked,
        "what mutations answer is asked for"
    );
    assert!(wrong.is_empty(), "{} of {cells}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_is_promoted_by_who_was_given_it_and_a_refusal_is_on_record() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let member = added(platform, &owner, "MEMBER").await;
    let production = owner.tenant.production.id.clone();
    let input = json!({ "deploymentId": owner.id("deploymentId"), "environmentId": production });
    let refused = member.client.refused("deploymentPromote", "deployment { id }", input.clone()).await;
    assert_eq!((&refused["code"], &refused["expected"]), (&json!("GRANT_MISSING"), &json!("promote_production")));
    let give = json!({ "environmentId": production, "memberId": member.actor, "grants": ["promote_production"] });
    owner.tenant.client.done("memberEnvironmentGrantsSet", "workspace { id }", give).await;
    let grants = json!({ "workspace": owner.tenant.workspace, "environment": production });
    let held = "query($workspace: ID!, $environment: ID!) { viewer { grants(workspaceId: $workspace, environmentId: $environment) } }";
    let held = member.client.data(held, grants).await["viewer"]["grants"].to_string();
    assert!(held.contains("promote_production"), "{held}");
    member.client.done("deploymentPromote", "deployment { id }", input).await;
    let query = "query($app: ID!) { app(id: $app) { timeline(first: 50) { nodes { type } } } }";
    rhone_tests::wait::until("the refusal is in the timeline", rhone_tests::wait::PATIENCE, || async {
        let seen = owner.tenant.client.data(query, json!({ "app": owner.tenant.app })).await;
        seen.to_string().contains("refusal.recorded").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn support_acts_for_a_member_under_both_names_until_it_is_ended() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let (access, support) = support(platform, &owner).await;
    let slug = rhone_tests::graphql::unique("by-support");
    let input = json!({ "workspaceId": owner.tenant.workspace, "slug": slug, "name": "Helped" });
    let made = support.client.done("projectCreate", "project { id }", input).await;
    let project = uuid(&text(&made["project"]["id"]));
    let mut database = rhone_tests::database::administrator(platform).await;
    let who: (uuid::Uuid, String, Option<uuid::Uuid>) =
        sqlx::query_as("SELECT actor, actor_kind, on_behalf_of FROM log.events WHERE stream = 'project:' || $1::text")
            .bind(project.to_string())
            .fetch_one(&mut database)
            .await
            .expect("the event is in the log");
    assert_eq!(who, (support.actor, "support".to_owned(), Some(owner.person.actor)));
    let input = json!({ "workspaceId": owner.tenant.workspace, "accessId": access });
    owner.tenant.client.done("supportAccessEnd", "supportAccess { ended }", input).await;
    let answer = support.client.ask("{ viewer { actor } }", json!({})).await;
    assert_eq!(verdict(&answer, "viewer"), Verdict::Unauthenticated, "{answer:#}");
}

/// Bytes that somebody else sent are as good as none, and are looked for before the table is asked.
async fn have_uploaded(callers: &[(Who, Client)]) {
    let (digest, bytes) = artifacts::pack(Version::Blue);
    for (_, client) in callers.iter().filter(|(who, _)| [Who::Admin, Who::Member, Who::Custom].contains(who)) {
        client.upload(&digest, bytes.clone()).await;
    }
}

/// Every field of what a mutation answers; of its refusals and its plan, too.
fn selection<'a>(schema: &'a Schema, payload: &'a str, asked: &mut BTreeSet<&'a str>) -> String {
    asked.insert(payload);
    let fields = &schema.objects[payload];
    let field = |field: &'a Output| match field.answer.as_str() {
        inner @ ("UserError" | "PlannedEvent") => format!("{} {{ {} }}", field.name, selection(schema, inner, asked)),
        inner if schema.is_composite(inner) => format!("{} {{ __typename }}", field.name),
        _ => field.name.clone(),
    };
    fields.iter().map(field).collect::<Vec<_>>().join(" ")
}

/// Whether anything is told beside a refusal, and where in the log that stands.
fn tells(payload: &Value) -> bool {
    let nothing = [Value::Null, json!(false), json!(0), json!([])];
    let mut told = payload.as_object().into_iter().flatten();
    told.any(|(name, value)| !["userErrors", "position"].contains(&name.as_str()) && !nothing.contains(value))
}

pub(crate) async fn table(client: &Client) -> Vec<Value> {
    let query = "{ authorizationTable { command grants own level roles } }";
    let table = client.data(query, json!({})).await["authorizationTable"].clone();
    table.as_array().expect("the table is a list").clone()
}

/// Somebody for each part.
pub(crate) async fn callers(platform: &Platform, owner: &Owner, table: &[Value]) -> Vec<(Who, Client)> {
    let (admin, member) = (added(platform, owner, "ADMIN").await, added(platform, owner, "MEMBER").await);
    let custom = added(platform, owner, "MEMBER").await;
    let mut grants: Vec<&str> = table.iter().flat_map(|row| words(&row["grants"])).collect();
    grants.retain(|grant| !WHOLE.contains(grant));
    let give = json!({ "projectId": owner.tenant.project, "memberId": custom.actor, "grants": grants });
    owner.tenant.client.done("memberProjectGrantsSet", "workspace { id }", give).await;
    let (_, helping) = support(platform, owner).await;
    let (access, ended) = support(platform, owner).await;
    let input = json!({ "workspaceId": owner.tenant.workspace, "accessId": access });
    owner.tenant.client.done("supportAccessEnd", "supportAccess { id }", input).await;
    let [runner, edge] = machines(platform, owner).await;
    let (_, cookie) = open_session(platform, owner.person.actor).await;
    vec![
        (Who::Owner, owner.tenant.client.clone()),
        (Who::Admin, admin.client),
        (Who::Member, member.client),
        (Who::Custom, custom.client),
        (Who::Outsider, person(platform).await.client),
        (Who::Support, helping.client),
        (Who::EndedSupport, ended.client),
        (Who::Reading, reading(platform, owner).await),
        (Who::Narrowed, narrowed(platform, owner, &LEFT).await),
        (Who::Browser, Client::of_session(owner.tenant.client.url(), &cookie)),
        (Who::Runner, runner),
        (Who::Edge, edge),
    ]
}

/// The owner, with a token that leaves these grants.
async fn narrowed(platform: &Platform, owner: &Owner, grants: &[&str]) -> Client {
    let query = "mutation($input: TokenCreateInput!) { tokenCreate(input: $input) { secret } }";
    let input = json!({ "input": { "name": "narrowed", "grants": grants } });
    platform.client(&text(&owner.tenant.client.data(query, input).await["tokenCreate"]["secret"]))
}

/// The owner, with a token that only reads.
pub(crate) async fn reading(platform: &Platform, owner: &Owner) -> Client {
    narrowed(platform, owner, &[]).await
}

/// The programs of a host and of a region.
pub(crate) async fn machines(platform: &Platform, owner: &Owner) -> [Client; 2] {
    let mut clients = Vec::new();
    for (mutation, of) in [("runnerTokenCreate", "hostId"), ("edgeTokenCreate", "regionId")] {
        let input = json!({ (of): owner.good_value(of), "name": "a program" });
        let made = owner.tenant.client.done(mutation, "secret", input).await;
        clients.push(platform.client(&text(&made["secret"])));
    }
    clients.try_into().expect("two")
}

pub(crate) async fn added(platform: &Platform, owner: &Owner, role: &str) -> Person {
    let new = person(platform).await;
    let input = json!({ "workspaceId": owner.tenant.workspace, "memberId": new.actor, "role": role });
    owner.tenant.client.done("memberAdd", "workspace { id }", input).await;
    new
}

/// Somebody who runs the platform acts for the owner.
pub(crate) async fn support(platform: &Platform, owner: &Owner) -> (String, Person) {
    let input = json!({ "workspaceId": owner.tenant.workspace, "reason": "the cart is empty", "seconds": 600 });
    let made = owner.tenant.client.done("supportAccessGrant", "supportAccess { id }", input).await;
    let access = text(&made["supportAccess"]["id"]);
    let operator = person(platform).await;
    rhone_tests::database::make_operator(platform, operator.actor).await;
    let query = "mutation($input: SupportTokenCreateInput!) { supportTokenCreate(input: $input) { secret } }";
    let input = json!({ "input": { "accessId": access, "name": "for a test" } });
    let secret = text(&operator.client.data(query, input).await["supportTokenCreate"]["secret"]);
    (access, Person { actor: operator.actor, client: platform.client(&secret) })
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn expected(table: &[Value], mutation: &str, who: Who) -> Verdict {
    use Verdict::{GrantMissing, Permitted, TokenNarrowed, Unauthenticated, Unseen};
    let command = match (asks(mutation), who) {
        (_, Who::EndedSupport) => return Unauthenticated,
        // Programs change nothing here.
        (_, Who::Runner | Who::Edge) => return Unseen,
        // The owner of these tests runs the platform, too.
        (Asks::Platform, Who::Owner | Who::Browser) => return Permitted,
        // Who only reads ends no session either.
        (Asks::Platform, _)
        // Support makes no tokens and gives none another secret; strangers get none for the workspace.
        | (
            Asks::For("workspace.create" | "workspace.accept_invitation" | "token.create" | "token.rotate"),
            Who::Support,
        )
        | (Asks::For("token.create"), Who::Outsider)
        | (Asks::Nothing, Who::Reading) => {
            return Unseen;
        }
        // Whoever may change anything may change what is their own.
        (Asks::For("token.create" | "token.rotate" | "token.revoke"), Who::Reading) => return TokenNarrowed,
        (Asks::For("workspace.create" | "workspace.accept_invitation"), Who::Reading | Who::Narrowed) => {
            return TokenNarrowed;
        }
        // Where somebody is signed in is not for who acts in their name.
        (Asks::Nothing, Who::Support | Who::Narrowed) if mutation.starts_with("session") => return Unseen,
        (Asks::Nothing, _) => return Permitted,
        (Asks::For(command), _) => command,
    };
    let row = table.iter().find(|row| row["command"] == command).unwrap_or_else(|| panic!("{command} has no row"));
    let (roles, grants, level) = (words(&row["roles"]), words(&row["grants"]), row["level"].as_str());
    assert_eq!(row["own"], false, "{mutation} asks for what no caller may do");
    let permitted = match who {
        Who::Outsider => return if grants.is_empty() { Permitted } else { Unseen },
        Who::Owner | Who::Browser => true,
        Who::Admin => roles.contains(&"admin"),
        // The environment of these inputs is a preview.
        Who::Member => {
            let promotes = ["operation.request_promotion", "operation.request_region_failover"].contains(&command);
            roles.contains(&"member") || promotes
        }
        Who::Custom => {
            let given = grants.iter().all(|grant| !WHOLE.contains(grant)) && level != Some("workspace");
            roles.contains(&"member") || given
        }
        Who::Support => !grants.iter().any(|grant| NEVER_SUPPORT.contains(grant)),
        Who::EndedSupport | Who::Runner | Who::Edge | Who::Reading => false,
        // The environment of these inputs is a preview; the word for production's promotion is the second one.
        Who::Narrowed => grants.iter().any(|grant| LEFT.contains(grant)),
    };
    if permitted || grants.is_empty() { Permitted } else { GrantMissing }
}

/// No error says that somebody may: what is broken, too fast, in another's way or of a wrong form was not asked of the table.
fn verdict(answer: &Value, mutation: &str) -> Verdict {
    let details = &answer["errors"][0]["extensions"];
    let (code, field) = (details["code"].as_str(), details["field"].as_str().unwrap_or_default());
    let payload = &answer["data"][mutation];
    match (code, payload["userErrors"][0]["code"].as_str()) {
        (Some("UNAUTHENTICATED"), _) => Verdict::Unauthenticated,
        (Some("FORBIDDEN"), _) => Verdict::Unseen,
        (Some("NOT_FOUND"), _) if field.ends_with("Id") => Verdict::Unseen,
        (None, Some("GRANT_MISSING")) => Verdict::GrantMissing,
        (None, Some("TOKEN_NARROWED")) => Verdict::TokenNarrowed,
        // A rule's refusal comes after the table's, as what is planned does.
        (None, _) if payload.is_object() => Verdict::Permitted,
        _ => Verdict::Broken,
    }
}

#[test]
fn an_error_is_no_permission() {
    for code in
        ["INTERNAL", "RATE_LIMITED", "OVERLOADED", "BAD_USER_INPUT", "CONFLICT", "QUERY_TOO_COMPLEX", "NOT_FOUND"]
    {
        let answer = json!({ "data": null, "errors": [{ "extensions": { "code": code, "field": "digest" } }] });
        assert_eq!(verdict(&answer, "artifactRegister"), Verdict::Broken, "{code}");
    }
    assert_eq!(verdict(&json!({ "data": null }), "artifactRegister"), Verdict::Broken, "no answer");
    let answer = json!({ "data": { "artifactRegister": { "userErrors": [{ "code": "GATES_BLOCKED" }] } } });
    assert_eq!(verdict(&answer, "artifactRegister"), Verdict::Permitted);
}

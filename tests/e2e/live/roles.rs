//! Every subscription by everybody who could open it (S1), with every field of what it tells. The trap avoided: a door that each
//! role finds as it should when it asks, and open when it follows. All are followed from before anything happened: whoever is told
//! how far one has looked, and nothing of what happened, is not told.

use crate::{
    fields,
    logs::{print, shows},
    roles::{Who, callers, table},
};
use rhone_domain::authorization::Audience;
use rhone_tests::{
    database::uuid,
    graphql::{Client, unique},
    inputs::Owner,
    live::{Heard, Subscription, before_all, now},
    platform::Platform,
    schema::{Output, Schema},
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::json;

/// What tells something that happened.
pub(crate) const TOLD: [&str; 4] = ["TimelineEntry", "RouteChange", "OperationProgress", "PrintedLines"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is told what happened.
    Told,
    /// As if there were nothing.
    Unseen,
    /// Nobody at all.
    Shut,
    /// Anything else.
    Broken,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscription_is_for_whom_the_table_says_and_for_nobody_else() {
    let platform = Platform::shared().await;
    let (owner, schema) = (Owner::new(platform).await, Schema::checked_in());
    let (mut cells, mut wrong) = (0, Vec::new());
    let followers = followers(platform, &owner).await;
    let asked = async || print(&owner.tenant, &owner.tenant.preview, "/print", "who is told").await;
    until("the app prints a line", PATIENCE, asked).await;
    shows(&owner.tenant, &owner.tenant.preview, "who is told").await;
    for field in &schema.objects["Subscription"] {
        assert_eq!(fields::audience("Subscription", field), Audience::Tenants, "{}: who else is told?", field.name);
        let query = question(schema, &owner, field, &beginning(&owner, &field.name).await);
        for (who, expected, client) in &followers {
            let found = verdict(client, &field.name, &query).await;
            if found.0 != *expected {
                wrong.push(format!("{} by {who}: {found:?} in place of {expected:?}", field.name));
            }
            cells += 1;
        }
    }
    eprintln!("S1: {}/{cells} cells of subscriptions right", cells - wrong.len());
    assert!(cells >= 4 * 12, "only {cells} cells");
    assert!(wrong.is_empty(), "{} of {cells}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Everybody who tries mutations, a token of another workspace, and machines.
async fn followers(platform: &Platform, owner: &Owner) -> Vec<(String, Verdict, Client)> {
    let client = &owner.tenant.client;
    let callers = callers(platform, owner, &table(client).await).await;
    let mut followers: Vec<_> = callers
        .into_iter()
        // A cookie opens no connection in these tests: e2e/sign_in/sessions.rs follows with one.
        .filter(|(who, _)| *who != Who::Browser)
        .map(|(who, client)| {
            let expected = match who {
                Who::Outsider | Who::Runner | Who::Edge => Verdict::Unseen,
                Who::EndedSupport => Verdict::Shut,
                // To read is no grant.
                Who::Owner
                | Who::Admin
                | Who::Member
                | Who::Custom
                | Who::Support
                | Who::Reading
                | Who::Narrowed
                | Who::Browser => Verdict::Told,
            };
            (format!("{who:?}"), expected, client)
        })
        .collect();
    let input = json!({ "slug": unique("else"), "name": "Elsewhere" });
    let elsewhere = client.done("workspaceCreate", "workspace { id }", input).await;
    let elsewhere = uuid(&text(&elsewhere["workspace"]["id"]));
    let narrowed = fields::narrowed(platform, owner.person.actor, elsewhere).await;
    followers.push(("a token of another workspace".to_owned(), Verdict::Unseen, narrowed));
    followers.push(("nobody".to_owned(), Verdict::Shut, platform.client("rhone_nobody")));
    followers
}

/// A position before everything, as this subscription takes it.
pub(crate) async fn beginning(owner: &Owner, field: &str) -> String {
    let (client, workspace) = (&owner.tenant.client, owner.tenant.workspace.as_str());
    match field {
        "operation" => "0".to_owned(),
        "logLines" => before_all(&now(client, "/v1/logs", workspace).await),
        _ => before_all(&now(client, "/v1/events", workspace).await),
    }
}

/// With every field of whatever may be told.
fn question(schema: &Schema, owner: &Owner, field: &Output, after: &str) -> String {
    let needed = field.arguments.iter().filter(|argument| !argument.optional);
    let needed = needed.map(|argument| {
        let id = owner.id(if argument.name == "id" { "operationId" } else { &argument.name });
        format!("{}: \"{}\"", argument.name, id.unwrap_or_else(|| panic!("whose is {}?", argument.name)))
    });
    let arguments: Vec<_> = needed.chain([format!("after: \"{after}\"")]).collect();
    let members = schema.unions[&field.answer].iter().map(|member| {
        let fields = schema.objects[member].iter().map(|one| {
            let inner = if schema.is_composite(&one.answer) { " { __typename }" } else { "" };
            format!("{member}_{0}: {0}{inner}", one.name)
        });
        format!("... on {member} {{ {} }}", fields.collect::<Vec<_>>().join(" "))
    });
    let members = members.collect::<Vec<_>>().join(" ");
    format!("subscription {{ {}({}) {{ __typename {members} }} }}", field.name, arguments.join(", "))
}

async fn verdict(client: &Client, field: &'static str, query: &str) -> (Verdict, String) {
    let open = Subscription::open(client, field, query, json!({})).await;
    let heard = open.expect("the API takes subscriptions").next().await;
    let verdict = match &heard {
        Heard::Item(item) if TOLD.contains(&item["__typename"].as_str().unwrap_or_default()) => Verdict::Told,
        Heard::Refused(error) if error["extensions"]["code"] == "NOT_FOUND" => Verdict::Unseen,
        Heard::Closed(4403) => Verdict::Shut,
        Heard::Item(_) | Heard::Refused(_) | Heard::Ended | Heard::Closed(_) => Verdict::Broken,
    };
    (verdict, format!("{heard:?}"))
}

//! Every id that a subscription takes. The trap avoided: a door that is watched where it is asked, and open where it is followed.

use super::things::{Things, Whose, is_id, plain, unknown};
use rhone_tests::{
    graphql::Client,
    live::{Heard, Subscription},
    platform::Platform,
    schema::Schema,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_answered_as_an_unknown_one_by_every_subscription() {
    let platform = Platform::shared().await;
    let (own, other) = (Things::new(platform).await, Things::new(platform).await);
    let schema = Schema::checked_in();
    let (mut compared, mut wrong) = (0, Vec::new());
    for field in &schema.objects["Subscription"] {
        for argument in &field.arguments {
            let inner =
                schema.input(argument).into_iter().flatten().filter(|field| is_id(field)).map(|one| one.name.as_str());
            let taken = if is_id(argument) { vec![None] } else { inner.map(Some).collect() };
            for inner in taken {
                let named = inner.unwrap_or(&argument.name);
                let (Some(Whose::Tenants(foreign)), Some(Whose::Tenants(mine))) =
                    (other.ids(&field.name, named), own.ids(&field.name, named))
                else {
                    panic!("nobody said whose the {named} of {} is: add a line to things.rs", field.name)
                };
                for (foreign, mine) in foreign.iter().zip(&mine) {
                    let asked = async |id: &str| {
                        let given =
                            inner.map_or_else(|| format!("\"{id}\""), |inner| format!("{{ {inner}: \"{id}\" }}"));
                        let mut given = vec![format!("{}: {given}", argument.name)];
                        given.extend(inner.map(|_| format!("workspaceId: \"{}\"", own.owner.tenant.workspace)));
                        first(&own.owner.tenant.client, &field.name, &given.join(", "), id).await
                    };
                    let (seen, nothing) = (asked(foreign).await, asked(&unknown(foreign)).await);
                    if seen != nothing {
                        wrong.push(format!("{}({named}: {foreign}): {seen} {nothing}", field.name));
                    }
                    if inner.is_none() && asked(mine).await == nothing {
                        wrong.push(format!("{}({named}: {mine}) is one's own and is not followed", field.name));
                    }
                    compared += 1;
                }
            }
        }
    }
    eprintln!("S2: {}/{compared} ids of subscriptions tell nothing of a foreign thing", compared - wrong.len());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(compared > 0, "there are subscriptions");
}

/// What is heard first, without what differs by the moment.
async fn first(client: &Client, field: &'static str, arguments: &str, id: &str) -> Value {
    let query = format!("subscription {{ {field}({arguments}) {{ __typename }} }}");
    let open = Subscription::open(client, field, &query, json!({})).await;
    match open.expect("the API takes subscriptions").next().await {
        Heard::Item(item) => item,
        Heard::Refused(error) => plain(&json!({ "errors": [error] }), id),
        Heard::Ended => json!("ended"),
        Heard::Closed(code) => json!(code),
    }
}

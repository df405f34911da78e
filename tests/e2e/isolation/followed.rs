//! Every id that a subscription takes. The traps avoided: a door that is watched where it is asked, and open where it is followed;
//! and a stream that had nothing to tell. All are followed from before anything happened, and one's own id must tell something.

use super::things::{Things, Whose, is_id, plain, unknown};
use crate::live::roles::{TOLD, beginning};
use rhone_tests::{
    graphql::Client,
    live::{Heard, Subscription},
    platform::Platform,
    schema::{Field, Output, Schema},
};
use serde_json::{Value, json};

/// Where one's own id tells nothing, and why.
const SILENT: [(&str, &str); 1] = [("logLines(operationId)", "nothing was built here")];

/// A place where an id is taken: an argument, or a field of one.
struct Place {
    field: &'static Output,
    argument: &'static Field,
    inner: Option<&'static Field>,
}

impl Place {
    fn named(&self) -> &str {
        self.inner.map_or(&self.argument.name, |inner| &inner.name)
    }

    /// The arguments, with this id in its place.
    fn given(&self, own: &Things, after: &str, id: &str) -> String {
        let given = self.inner.map_or_else(|| format!("\"{id}\""), |inner| format!("{{ {}: \"{id}\" }}", inner.name));
        let mut given = vec![format!("{}: {given}", self.argument.name), format!("after: \"{after}\"")];
        given.extend(self.inner.map(|_| format!("workspaceId: \"{}\"", own.owner.tenant.workspace)));
        given.join(", ")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_answered_as_an_unknown_one_by_every_subscription() {
    let platform = Platform::shared().await;
    let (own, other) = (Things::new(platform).await, Things::new(platform).await);
    let schema = Schema::checked_in();
    let (mut compared, mut wrong, mut silent) = (0, Vec::new(), Vec::new());
    for place in places(schema) {
        let (field, named) = (&place.field.name, place.named());
        let (Some(Whose::Tenants(foreign)), Some(Whose::Tenants(mine))) =
            (other.ids(field, named), own.ids(field, named))
        else {
            panic!("nobody said whose the {named} of {field} is: add a line to things.rs")
        };
        let (client, after) = (&own.owner.tenant.client, beginning(&own.owner, field).await);
        let heard = async |id: &str| first(client, place.field, &place.given(&own, &after, id), id).await;
        let mut telling = 0;
        for (foreign, mine) in foreign.iter().zip(&mine) {
            let (seen, nothing) = (heard(foreign).await, heard(&unknown(foreign)).await);
            if seen != nothing {
                wrong.push(format!("{field}({named}: {foreign}): {seen} {nothing}"));
            }
            let told = heard(mine).await;
            telling += usize::from(told["__typename"].as_str().is_some_and(|kind| TOLD.contains(&kind)));
            compared += 1;
        }
        // Of the things of a workspace some have no stream of their own.
        let enough = if named == "objectId" { 1 } else { mine.len() };
        silent.extend((telling < enough).then(|| format!("{field}({named})")));
    }
    eprintln!("S2: {}/{compared} ids of subscriptions tell nothing of a foreign thing", compared - wrong.len());
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(silent, SILENT.map(|(place, _)| place), "where one's own id tells nothing");
}

fn places(schema: &'static Schema) -> Vec<Place> {
    let mut places = Vec::new();
    for field in &schema.objects["Subscription"] {
        for argument in &field.arguments {
            let inner = schema.input(argument).into_iter().flatten().filter(|field| is_id(field));
            let taken = is_id(argument).then_some(None).into_iter().chain(inner.map(Some));
            places.extend(taken.map(|inner| Place { field, argument, inner }));
        }
    }
    places
}

/// What is heard first, without what differs by the moment.
async fn first(client: &Client, field: &'static Output, arguments: &str, id: &str) -> Value {
    let query = format!("subscription {{ {}({arguments}) {{ __typename }} }}", field.name);
    let open = Subscription::open(client, &field.name, &query, json!({})).await;
    match open.expect("the API takes subscriptions").next().await {
        Heard::Item(item) => item,
        Heard::Refused(error) => plain(&json!({ "errors": [error] }), id),
        Heard::Ended => json!("ended"),
        Heard::Closed(code) => json!(code),
    }
}

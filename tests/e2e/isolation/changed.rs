//! Every id that a mutation takes. The trap avoided: a refusal in other words for what another tenant has than for what nobody has.

use super::things::{Things, Whose, is_id, plain, unknown};
use rhone_tests::{
    database::person,
    graphql::Client,
    platform::Platform,
    schema::{Field, Mutation, Schema},
    story::Tenant,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_id_is_answered_as_an_unknown_one_by_every_mutation() {
    let platform = Platform::shared().await;
    let (own, other) = (Things::new(platform).await, Things::new(platform).await);
    let neighbour = Tenant::open(platform, person(platform).await.client).await.client;
    let schema = Schema::checked_in();
    let (mut compared, mut nobodys, mut wrong) = (0, BTreeMap::new(), Vec::new());
    for (mutation, field) in taken(schema) {
        let ids = other.ids(&mutation.name, &field.name);
        let (client, ids, platforms) = match ids {
            Some(Whose::Tenants(ids)) => (&own.owner.tenant.client, ids, false),
            Some(Whose::Platforms(id)) => (&neighbour, vec![id], true),
            Some(Whose::Nobodys(why)) => {
                nobodys.insert(field.name, why);
                continue;
            }
            None => panic!("nobody said whose {}.{} is: add a line to things.rs", mutation.name, field.name),
        };
        for id in ids {
            let answers = answers(client, &own, (mutation, &field), &id).await;
            if answers[0] != answers[1]
                || !(is_refused(&mutation.name, &field.name, &answers[0]) || platforms && is_forbidden(&answers[0]))
            {
                wrong.push(format!("{}.{}: {} {}", mutation.name, field.name, answers[0], answers[1]));
            }
            compared += 1;
        }
    }
    let right = compared - wrong.len();
    eprintln!("S2: {right}/{compared} ids of mutations tell nothing of a foreign thing; nobody's are {nobodys:?}");
    assert_eq!(wrong, Vec::<String>::new());
}

/// Every field of every mutation that takes an id.
fn taken(schema: &Schema) -> Vec<(&Mutation, Field)> {
    let inputs = schema.mutations.iter().map(|mutation| (mutation, schema.fields(mutation)));
    inputs
        .flat_map(|(mutation, fields)| {
            for nested in fields.iter().filter_map(|field| schema.input(field)) {
                let hidden = nested.iter().find(|field| is_id(field));
                assert!(hidden.is_none(), "{} takes an id further in: {hidden:?}", mutation.name);
            }
            fields.into_iter().filter(is_id).map(move |field| (mutation, field))
        })
        .collect()
}

/// What is answered to a foreign id and to an unknown one, all else being one's own.
async fn answers(client: &Client, own: &Things, (mutation, field): (&Mutation, &Field), id: &str) -> [Value; 2] {
    let fields = Schema::checked_in().fields(mutation);
    let good = own.owner.good_input(&fields);
    let mut answers = [Value::Null, Value::Null];
    for (answer, id) in answers.iter_mut().zip([id.to_owned(), unknown(id)]) {
        let mut input = good.clone();
        input[&field.name] = json!(id);
        // So that nobody is made a member on the way.
        if field.name == "memberId" && fields.iter().any(|field| field.name == "dryRun") {
            input["dryRun"] = json!(true);
        }
        let said = client.try_mutate(&mutation.name, "__typename", &input).await.expect("the API answers");
        *answer = plain(&said, &id);
    }
    answers
}

/// Whether nothing was done, and for this id's sake: a refusal of something else would tell nothing either way.
fn is_refused(mutation: &str, field: &str, answer: &Value) -> bool {
    let payload = &answer["data"][mutation];
    let named = [&answer["errors"][0]["extensions"]["field"], &payload["userErrors"][0]["field"]];
    let nothing = ["revoked", "rotated"].iter().any(|done| payload[done] == false);
    // Anybody may be made a member, known or not.
    named.contains(&&json!(field)) || nothing || mutation == "memberAdd" && field == "memberId"
}

/// What everybody is told who does not run the platform.
fn is_forbidden(answer: &Value) -> bool {
    answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
}

//! Who reads the values of plain variables back, by everybody who could ask. The trap avoided: a token that only reads, and reads
//! what its holder gave it no grant for.

use super::{LISTED, set};
use crate::roles::{Who, callers, table};
use rhone_tests::{inputs::Owner, platform::Platform};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_values_are_for_who_holds_the_grant_and_keys_for_whoever_belongs_there() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let id = owner.tenant.preview.id.as_str();
    set(&owner.tenant, id, json!([{ "key": "GREETING", "value": "hello", "kind": "PLAIN" }])).await;
    let mut callers = callers(platform, &owner, &table(&owner.tenant.client).await).await;
    callers.retain(|(who, _)| who.belongs());
    for (who, client) in &callers {
        let listed = client.data(LISTED, json!({ "id": id })).await["environment"].clone();
        let (one, sets) = (&listed["variables"][0], &listed["variableSets"][0]);
        assert_eq!((&one["key"], &sets["keys"]), (&json!("GREETING"), &json!(["GREETING"])), "{who:?}: {listed}");
        // These tokens leave their holder, who owns the workspace, no such grant.
        let left = ![Who::Reading, Who::Narrowed].contains(who);
        assert_eq!(one["value"], if left { json!("hello") } else { Value::Null }, "{who:?}: {listed}");
    }
    assert_eq!(callers.len(), 8, "everybody who belongs was asked");
}

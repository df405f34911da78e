//! Ten mutations as a console and a pipeline send them, each with an input that was never sent before. The trap avoided: one that
//! is accepted because it is so already, which appends nothing and is quick.

use crate::subjects::Subject;
use rhone_domain::ids::derived;
use rhone_tests::graphql::{mutation, unique};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Their names, and what each selects of its object.
pub(crate) const MUTATIONS: [(&str, &str); 10] = [
    ("projectCreate", "project { id }"),
    ("appCreate", "app { id }"),
    ("environmentCreate", "environment { id }"),
    ("environmentHostAttach", "routeOwner { epoch }"),
    ("environmentVariablesSet", "environment { id }"),
    ("tokenCreate", "token { tokenId }"),
    ("environmentPolicySet", "environment { id }"),
    ("environmentSleepPolicySet", "environment { id }"),
    ("memberAdd", "workspace { id }"),
    ("deploymentPromote", "deployment { id }"),
];

/// The documents, in the same order.
pub(crate) static DOCUMENTS: LazyLock<Vec<String>> =
    LazyLock::new(|| MUTATIONS.iter().map(|(name, object)| mutation(name, object)).collect());

/// The input of the nth sending of a mutation.
pub(crate) fn input(kind: usize, subject: &Subject, nth: usize) -> Value {
    let app = &subject.apps[nth % subject.apps.len()];
    let slug = || unique("bench");
    let reason = "measured";
    let input = match MUTATIONS[kind].0 {
        "projectCreate" => json!({ "workspaceId": subject.workspace, "slug": slug(), "name": "Measured" }),
        "appCreate" => json!({ "projectId": subject.project, "slug": slug(), "name": "Measured" }),
        "environmentCreate" => json!({
            "appId": app.id, "slug": slug(), "kind": "PREVIEW", "regionId": subject.region, "cellId": subject.cell
        }),
        "environmentHostAttach" => {
            json!({ "environmentId": app.preview, "host": format!("{}.example.com", slug()) })
        }
        "tokenCreate" => json!({ "name": "measured" }),
        "environmentVariablesSet" => json!({
            "environmentId": app.production, "variables": [{ "key": "MEASURED", "value": slug(), "kind": "PLAIN" }]
        }),
        "environmentPolicySet" => {
            json!({ "environmentId": app.production, "approvalsRequired": nth % 3, "reason": reason })
        }
        "environmentSleepPolicySet" => {
            json!({ "environmentId": app.preview, "sleepAfterSeconds": 600 + nth % 600 })
        }
        "memberAdd" => json!({
            "workspaceId": subject.workspace, "memberId": derived(&["bench", &unique("member")]).to_string(), "role": "MEMBER"
        }),
        _ => json!({ "environmentId": app.preview, "deploymentId": app.deployments[0] }),
    };
    json!({ "input": input })
}

//! Every type of event has a sentence of its own.

use super::*;
use serde_json::json;

#[test]
fn no_type_of_event_falls_through_to_the_general_sentence() {
    for (_, event_type, _) in rhone_domain::catalogue::events() {
        let sentence = of(event_type, &json!({ "stage": "policy_check" }));
        assert!(!sentence.contains(event_type), "{event_type}: {sentence}");
    }
}

#[test]
fn a_refusal_says_what_was_expected_and_what_is_so() {
    let payload = json!({ "refused": {
        "command": "deploymentPromote", "code": "STALE_EPOCH", "message": "the route has changed",
        "expected": "42", "actual": "43",
    }});
    let sentence = of("refusal.recorded", &payload);
    assert_eq!(sentence, "deploymentPromote was refused (STALE_EPOCH): the route has changed; expected 42, actual 43.");
    assert_eq!(reason(&payload).as_deref(), Some("the route has changed"));
}

#[test]
fn a_deploy_says_of_what_it_is_and_what_came_of_it() {
    let git = json!({ "kind": "deploy", "origin": { "git": { "repository": "https://example.com/shop", "reference": "main" } } });
    assert_eq!(of("operation.requested", &git), "A deploy of main of https://example.com/shop was requested.");
    let digest = format!("sha256:{}", "0123456789ab".repeat(6));
    let image = json!({ "kind": "deploy", "origin": { "image": { "name": "r.example.com/shop", "digest": digest } } });
    assert_eq!(of("operation.requested", &image), "A deploy of r.example.com/shop@sha256:0123456789ab was requested.");
    let entered = |stage: &str, evidence: serde_json::Value| {
        of("operation.stage_entered", &json!({ "stage": stage, "evidence": evidence }))
    };
    assert_eq!(
        entered("building", json!({ "fetched": { "commit": "ab12" } })),
        "Stage building: commit ab12 was fetched."
    );
    assert_eq!(
        entered("validating", json!({ "built": { "plan": "python" }, "digest": digest })),
        "Stage validating: sha256:0123456789ab was made (python) and is judged."
    );
    let gates = json!([{ "kind": "artifact", "verdict": "pass", "reason": "exactly these" },
        { "kind": "generated", "verdict": "fail", "reason": "routes_gen.go is stale" }]);
    assert_eq!(entered("blocked", json!({ "gates": gates })), "Blocked by a gate: routes_gen.go is stale.");
    assert_eq!(entered("building", json!({})), "Stage building was entered.");
}

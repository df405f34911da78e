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

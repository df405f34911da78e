//! Each way to fail has its exit code.
use super::*;
use rhone_domain::{gate::Code, refusal::code::OF_RULES};

fn refused(code: &str) -> u8 {
    Failure::Refused(Box::new(Refusal { code: code.into(), ..Refusal::default() })).exit_code()
}

fn fault(code: &str) -> u8 {
    Failure::Fault { code: code.into(), message: String::new() }.exit_code()
}

#[test]
fn a_gate_a_conflict_and_a_fault_end_differently() {
    assert_eq!([refused("PINNED"), refused("STALE_EPOCH"), refused("NAME_TAKEN")], [4, 5, 4]);
    assert_eq!(
        [fault("BAD_USER_INPUT"), fault("CONFLICT"), fault("INTERNAL"), fault("UNAUTHENTICATED"), fault("FORBIDDEN")],
        [2, 5, 1, 3, 4]
    );
    assert_eq!(Failure::read_models_differ(&[]).exit_code(), 1);
    assert_eq!(Failure::TimedOut { operation: String::new() }.exit_code(), 6);
    assert_eq!(Failure::NoToken.exit_code(), 3);
}

fn ended(stage: &str, code: &str) -> u8 {
    let refusal = Box::new(Refusal { code: code.into(), ..Refusal::default() });
    Failure::Ended { operation: "op_1".into(), stage: stage.into(), printed: None, refusal }.exit_code()
}

#[test]
fn an_operation_that_a_gate_ended_was_refused_whichever_gate_it_was() {
    for code in Code::ALL.iter().map(|code| code.as_str()) {
        let expected = if code == "STALE_EPOCH" { 5 } else { 4 };
        assert_eq!([ended("FAILED", code), refused(code)], [expected; 2], "{code}");
    }
    assert_eq!(ended("BLOCKED", "BLOCKED"), 4, "a deploy whose gate is closed keeps the gate, and no failure");
    let broken = ["ALLOCATION_FAILED", "NO_LIVE_EDGE", "EDGES_NOT_CONVERGED", "DEADLINE_PASSED", "BUILD_FAILED"];
    assert_eq!(broken.map(|code| ended("FAILED", code)), [1; 5], "what broke was not refused");
    assert_eq!(ended("CANCELLED", "CANCELLED"), 1);
    // Four codes by hand, as it once was, forget most of the gates.
    let by_hand = ["FROZEN", "PINNED", "QUARANTINED", "NOT_VALIDATED"];
    assert!(Code::ALL.len() > by_hand.len() + 30);
}

#[test]
fn an_operation_that_a_nouns_rule_ended_was_refused_whichever_rule_it_was() {
    for code in OF_RULES {
        assert_eq!([ended("FAILED", code), refused(code)], [4; 2], "{code}");
    }
    // Known to no gate, as it once was, they looked broken.
    let known = ["SHARED_DATABASE", "BROADCAST_IS_TRUTH", "IDENTITY_CHANGED", "HELD_BY_HAND", "NOT_ASLEEP"];
    assert!(known.iter().all(|code| OF_RULES.contains(code) && Code::named(code).is_none()));
}

#[test]
fn every_failure_says_what_to_do_next() {
    let source = || Box::new(std::io::Error::other("no")) as Box<dyn std::error::Error + Send + Sync>;
    let refusal = |code: &str| Box::new(Refusal { code: code.into(), ..Refusal::default() });
    let said = [
        Failure::Unauthenticated(String::new()).next(),
        Failure::Local { doing: String::new(), source: source() }.next(),
        Failure::Unexpected(String::new()).next(),
        Failure::Here(anyhow::anyhow!("no")).next(),
        Failure::usage("no").next(),
        Failure::absent("no").next(),
        Failure::read_models_differ(&["catalogue in 1 rows of table entries".to_owned()]).next(),
        Failure::Refused(refusal("PINNED")).next(),
        Failure::Ended {
            operation: "op_1".into(),
            stage: String::new(),
            printed: None,
            refusal: refusal("NO_LIVE_EDGE"),
        }
        .next(),
        Failure::TimedOut { operation: "op_1".into() }.next(),
    ];
    assert!(said.iter().all(Option::is_some), "{said:?}");
    assert!(said[7].as_ref().is_some_and(|next| next.contains("pin-release")));
    assert!(Failure::NoToken.to_string().contains("rhone login"), "it says so itself");
}

/// The sin: what is there and lacks something ends as what is not there, and an id is looked at that is right.
#[test]
fn what_lacks_a_hostname_or_a_page_is_told_how_to_go_on() {
    let next = |failure: &Failure| failure.next().expect("a next step");
    let lacks = [Failure::no_hostname(), Failure::no_sign_in()];
    assert!(next(&lacks[0]).contains("host-attach") && next(&lacks[1]).contains("--token-file"), "{lacks:?}");
    assert!(lacks.iter().all(|failure| failure.exit_code() == 1), "{lacks:?}");
    let sin = next(&Failure::absent("no hostname leads there"));
    assert!(!sin.contains("host-attach") && sin.contains("look at the id"), "{sin}");
}

/// The sin: a code of the API that was forgotten here, after which nobody was told anything, or that of a stranger.
#[test]
fn every_code_of_the_api_has_a_next_step_of_its_own() {
    let next = |code: &str| Failure::Fault { code: code.into(), message: String::new() }.next();
    let stranger = next("HTTP");
    assert!(stranger.as_ref().is_some_and(|said| said.contains("RHONE_URL")), "{stranger:?}");
    // The command line asks by whole documents: only another version's API says it.
    let of_another_version = rhone_api::Code::PersistedQueryNotFound;
    for code in rhone_api::Code::ALL.into_iter().filter(|code| *code != of_another_version) {
        assert_ne!(next(code.as_str()), stranger, "{}", code.as_str());
    }
    assert_eq!(next(of_another_version.as_str()), stranger);
}

#[test]
fn what_a_script_reads_of_a_failure_names_code_exit_and_operation() {
    let late = Failure::TimedOut { operation: "op_1".into() }.json();
    let late = &late["error"];
    assert_eq!((&late["code"], &late["exit"], &late["operation"]), (&json!("TIMED_OUT"), &json!(6), &json!("op_1")));
    assert!(late["next"].as_str().is_some_and(|next| next.contains("op_1")), "{late}");
    let fault = Failure::Fault { code: "NOT_FOUND".into(), message: "no such app".into() }.json();
    assert_eq!((&fault["error"]["code"], &fault["error"]["exit"]), (&json!("NOT_FOUND"), &json!(1)));
}

/// The sin: an error without a name, which ends as every other failure does.
#[test]
fn a_command_of_this_machine_ends_as_what_it_said() {
    let ended = |error: anyhow::Error| Failure::from(error).exit_code();
    assert_eq!(ended(Failure::usage("no projection").into()), 2);
    assert_eq!(ended(anyhow::Error::from(Failure::usage("no app's id")).context("replaying")), 2);
    let by_hand = Failure::from(anyhow::anyhow!("no file").context("reading"));
    assert_eq!((by_hand.exit_code(), by_hand.to_string().as_str()), (1, "reading: no file"));
    let local = Failure::local("reading", std::io::Error::other("no file")).json();
    assert_eq!(local["error"]["message"], "reading: no file", "a script reads the cause too");
}

#[test]
fn a_refusal_shows_expected_and_actual() {
    let refusal = Refusal::read(&serde_json::json!({
        "code": "STALE_EPOCH", "message": "the route has moved on", "expected": "1", "actual": "2"
    }));
    assert_eq!(refusal.to_string(), "STALE_EPOCH: the route has moved on (expected 1, actual 2)");
}

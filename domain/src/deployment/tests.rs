//! A deployment is promotable only by evidence about its exact bytes.

mod model;

use super::*;
use crate::{
    aggregate::given,
    artifact_facts::SourceFacts,
    story::{BLUE, BLUE_BYTES, GREEN, GREEN_BYTES, created, facts},
};

fn is_created() -> Event {
    Event::Created(created(BLUE))
}

fn failed() -> Event {
    Event::Failed { reason: "the artifact names no process to start".into() }
}

fn validate(digest: Digest, facts: ArtifactFacts) -> Command {
    Command::Validate { digest, facts: Box::new(facts) }
}

fn evidence() -> Validated {
    Validated {
        replay: facts().wake,
        digest: BLUE_BYTES,
        command: vec!["bin/shop".into(), "--serve".into()],
        health_path: "/health".into(),
        checks: vec![
            format!("the store holds exactly {BLUE_BYTES}"),
            "the process is `bin/shop --serve`".into(),
            "health is answered at /health".into(),
            "the Vango state schema is sh:v1:1".into(),
        ],
    }
}

#[test]
fn a_deployment_is_created_once_and_the_same_again_is_no_event() {
    given::<Deployment>([]).when(Command::Create(created(BLUE))).then([is_created()]);
    given::<Deployment>([is_created()]).when(Command::Create(created(BLUE))).then([]);
}

#[test]
fn another_one_under_the_same_id_is_rejected() {
    given::<Deployment>([is_created()]).when(Command::Create(created(GREEN))).then_rejected(&Rejection::Exists);
}

#[test]
fn a_created_deployment_is_not_yet_promotable() {
    let state = aggregate::fold::<Deployment>(&[is_created()]);
    assert_eq!((state.validated, state.failed), (None, None));
}

#[test]
fn validation_keeps_the_evidence_about_the_exact_bytes() {
    given::<Deployment>([is_created()]).when(validate(BLUE_BYTES, facts())).then([Event::Validated(evidence())]);
}

#[test]
fn validation_again_is_no_event_whatever_the_store_says_by_then() {
    let state = || given::<Deployment>([is_created(), Event::Validated(evidence())]);
    state().when(validate(BLUE_BYTES, facts())).then([]);
    state().when(validate(GREEN_BYTES, facts())).then([]);
}

#[test]
fn other_bytes_than_wanted_fail_the_deployment() {
    let reason = format!("the store holds {GREEN_BYTES} where {BLUE_BYTES} was wanted");
    given::<Deployment>([is_created()]).when(validate(GREEN_BYTES, facts())).then([Event::Failed { reason }]);
}

#[test]
fn an_artifact_without_a_process_or_a_health_path_fails_the_deployment() {
    let unfit = [
        (ArtifactFacts { command: vec![], ..facts() }, "the artifact names no process to start"),
        (
            ArtifactFacts { health_path: "health".into(), ..facts() },
            "the artifact names no health path that starts with /",
        ),
        (
            ArtifactFacts { health_path: String::new(), ..facts() },
            "the artifact names no health path that starts with /",
        ),
    ];
    for (facts, reason) in unfit {
        given::<Deployment>([is_created()])
            .when(validate(BLUE_BYTES, facts))
            .then([Event::Failed { reason: reason.into() }]);
    }
}

#[test]
fn a_failed_deployment_is_never_validated() {
    given::<Deployment>([is_created(), failed()])
        .when(validate(BLUE_BYTES, facts()))
        .then_rejected(&Rejection::Failed("the artifact names no process to start".into()));
}

#[test]
fn nothing_is_validated_before_it_exists() {
    given::<Deployment>([]).when(validate(BLUE_BYTES, facts())).then_rejected(&Rejection::NotFound);
}

#[test]
fn where_bytes_came_from_is_what_their_files_say_or_nothing() {
    let said = |repository: &str, commit: &str| {
        let (repository, commit) = (repository.into(), commit.into());
        Source::of(&ArtifactFacts { source: Some(SourceFacts { repository, commit }), ..facts() })
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let source = said("https://github.com/acme/shop", commit).expect("both are well formed");
    assert_eq!((source.repository.as_str(), source.commit.as_str()), ("https://github.com/acme/shop", commit));
    assert_eq!(said("https://github.com/acme/shop", "main"), None);
    assert_eq!(said("", commit), None);
    assert_eq!(Source::of(&ArtifactFacts { source: None, ..facts() }), None);
}

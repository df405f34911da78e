//! The gate in all its cases, and the sins that the table must notice.

use super::*;
use crate::{
    artifact_facts::ArtifactFacts,
    environment::{Environment, SleepPolicy},
    migrations::Migrations,
    numbers::Epoch,
    operation::{Kind, Verdict},
    provider_binding::ProviderBindings,
    route_owner::RouteOwner,
    runtime_service_binding::RuntimeServices,
    story::{GREEN, facts, promotable, replay, requested},
    wake::ReplayContract,
};

/// How soon it sleeps, what its author says, and what the gate says.
const CASES: [(u64, Said, Verdict); 8] = [
    (0, Said::Nothing, Verdict::Warn),
    (0, Said::HoldNothing, Verdict::Warn),
    (0, Said::HoldWebhooks, Verdict::Pass),
    (0, Said::NotOnRecord, Verdict::Warn),
    (60, Said::Nothing, Verdict::Warn),
    (60, Said::HoldNothing, Verdict::Warn),
    (60, Said::HoldWebhooks, Verdict::Pass),
    (60, Said::NotOnRecord, Verdict::Warn),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    HoldNothing,
    HoldWebhooks,
    NotOnRecord,
}

impl Said {
    fn facts(self) -> Option<ArtifactFacts> {
        let none = ReplayContract::read(vec![], None).expect("an empty contract is one");
        match self {
            Self::Nothing => Some(ArtifactFacts { wake: None, ..facts() }),
            Self::HoldNothing => Some(ArtifactFacts { wake: Some(none), ..facts() }),
            Self::HoldWebhooks => Some(ArtifactFacts { wake: Some(replay()), ..facts() }),
            Self::NotOnRecord => None,
        }
    }
}

fn look<T>(kind: Kind, seconds: u64, said: Said, rule: impl Fn(&Facts<'_>) -> T) -> T {
    let environment = Environment { sleep: SleepPolicy { sleep_after_seconds: seconds }, ..Environment::default() };
    let (requested, next) = (requested(kind, Epoch(1)), said.facts());
    rule(&Facts {
        requested: &requested,
        change: requested.work.route_change().expect("a change of owner"),
        owner: &RouteOwner::default(),
        deployment: &promotable(GREEN),
        environment: &environment,
        migrations: &Migrations::default(),
        next: next.as_ref(),
        present: None,
        providers: &ProviderBindings::default(),
        services: &RuntimeServices::default(),
        variables: &crate::variables::Variables::default(),
        allocations: &[],
    })
}

/// The cases that a rule gets wrong.
fn wrong(rule: impl Fn(&Facts<'_>) -> Verdict + Copy) -> Vec<(u64, Said)> {
    let cases =
        CASES.into_iter().filter(|(seconds, said, right)| look(Kind::Promotion, *seconds, *said, rule) != *right);
    cases.map(|(seconds, said, _)| (seconds, said)).collect()
}

#[test]
fn a_missing_contract_is_a_warning_wherever_an_environment_can_sleep() {
    assert_eq!(wrong(|facts| judge(facts).gate.verdict), []);
}

#[test]
fn it_never_closes_and_always_says_on_what_it_was_judged() {
    for (seconds, said, _) in CASES {
        for kind in [Kind::Promotion, Kind::Rollback] {
            let judged = look(kind, seconds, said, judge);
            assert_eq!(judged.refusal, None, "{said:?}");
            assert!(!judged.gate.evidence.is_empty(), "{said:?}");
        }
    }
}

#[test]
fn the_warning_names_what_will_be_answered_503() {
    let reason = look(Kind::Promotion, 60, Said::Nothing, judge).gate.reason;
    for words in ["POST, PUT, PATCH and DELETE", "503", "Retry-After", facts().routes[0].as_str()] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    let held = look(Kind::Promotion, 60, Said::HoldWebhooks, judge).gate.evidence;
    assert!(replay().hold.iter().all(|pattern| held.contains(pattern)), "{held}");
}

#[test]
fn a_risk_that_nobody_is_told_of_is_caught() {
    let deaf = |_: &Facts<'_>| Verdict::Pass;
    let loud = |facts: &Facts<'_>| {
        let promised = facts.next.is_some_and(|next| next.wake.is_some());
        if promised { Verdict::Pass } else { Verdict::Warn }
    };
    let of_policies = |facts: &Facts<'_>| match facts.environment.sleep.sleep_after_seconds {
        0 => Verdict::Pass,
        _ => judge(facts).gate.verdict,
    };
    let trusting = |facts: &Facts<'_>| match facts.next {
        Some(next) if next.wake.is_none() => judge(facts).gate.verdict,
        Some(_) | None => Verdict::Pass,
    };
    assert_ne!(wrong(deaf), [], "nobody is warned");
    assert_ne!(wrong(loud), [], "an empty promise is none");
    assert_eq!(wrong(of_policies).len(), 3, "a person may put to sleep what no policy does");
    assert_ne!(wrong(trusting), [], "bytes that are not on record promise nothing");
}

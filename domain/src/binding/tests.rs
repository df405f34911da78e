//! Whole operations on bindings of either noun, in memory: what each change comes to, what ends it at each step and what it
//! leaves then, and the sin of a process manager that asks nobody.

pub(crate) mod memory;
mod model;

use super::*;
use crate::{
    aggregate::fold,
    backend,
    gate::{Code, Refusal},
    operation::Operation,
    provider_binding::ProviderBindings,
    runs::{Fault, Play, Run, Times, at_each_step, meddled_at_each_step, run, succeeds},
    runtime_service_binding::RuntimeServices,
    story::{
        at, because,
        bindings::{binding_id, used},
        slug,
    },
};
use memory::{Answer, Memory, Noun, changing};

const CHANGES: [Change; 4] = [Change::Bind, Change::Verify, Change::Rotate, Change::Unbind];

fn ends_well(change: Change) -> (State, Option<u64>) {
    let state = if change == Change::Unbind { State::Disabled } else { State::Verified };
    (state, Some(if change == Change::Rotate { 2 } else { 1 }))
}

fn ends<N: Noun>(memory: Memory<N>) -> Run<Memory<N>> {
    run(memory, Times::Twice, Fault::Nothing)
}

fn failed<N: Noun>(run: &Run<Memory<N>>) -> &str {
    run.end.failure.as_ref().map_or("", |failure| &failure.code)
}

fn message<N: Noun>(run: &Run<Memory<N>>) -> &str {
    run.end.failure.as_ref().map_or("", |failure| &failure.message)
}

fn every_change_of<N: Noun>() {
    for change in CHANGES {
        let world = succeeds(&changing::<N>(change, Answer::AtOnce), Stage::Verified).world;
        assert_eq!((world.binding(), world.taken()), (ends_well(change), change != Change::Unbind), "{change}");
        let gates = fold::<Operation>(&world.operation).evidence.gates;
        let kept = gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>();
        let judged = ["binding", "credential", "need"];
        let judged = if change == Change::Unbind { &judged[..] } else { &judged[..2] };
        assert_eq!(kept, judged, "{change}: what it was judged on");
    }
}

#[test]
fn every_change_succeeds_for_either_noun_with_every_step_twice_and_lost() {
    every_change_of::<ProviderBindings>();
    every_change_of::<RuntimeServices>();
}

#[test]
fn a_binding_that_somebody_disables_before_any_step_ends_it_there_and_nothing_is_taken() {
    for change in [Change::Bind, Change::Verify, Change::Rotate] {
        let before = changing::<ProviderBindings>(change, Answer::AtOnce);
        for (stage, run) in meddled_at_each_step(&before, Memory::disable) {
            assert_eq!((run.end.after, failed(&run)), (stage, "BINDING_DISABLED"), "{change}");
            assert_eq!((run.world.taken(), run.world.binding()), (before.taken(), (State::Disabled, Some(1))));
        }
    }
}

#[test]
fn a_resource_that_says_no_ends_it_while_binding_and_the_old_credential_stays() {
    for change in [Change::Bind, Change::Verify, Change::Rotate] {
        let before = changing::<ProviderBindings>(change, Answer::Refuses);
        let run = ends(before.clone());
        assert_eq!((run.end.after, failed(&run)), (Stage::Binding, "REFUSED"), "{change}");
        let state = if change == Change::Rotate { State::Verified } else { State::Failed };
        assert_eq!((run.world.taken(), run.world.binding()), (before.taken(), (state, Some(1))), "{change}");
    }
}

#[test]
fn a_deadline_that_passes_at_any_step_before_the_resource_is_tried_is_named() {
    for change in CHANGES {
        let mut found = at_each_step(&changing::<ProviderBindings>(change, Answer::AtOnce), Fault::Outage);
        let (_, tried) = found.pop().expect("steps");
        assert_eq!(tried.end.stage, Stage::Verified, "{change}: what was proven stays proven");
        for (step, run) in found {
            assert_eq!((run.end.stage, failed(&run)), (Stage::Failed, "DEADLINE_PASSED"), "{change}: {step:?}");
        }
    }
}

#[test]
fn a_resource_that_answers_late_is_waited_for_and_one_that_never_does_ends_at_the_deadline() {
    let late = ends(changing::<ProviderBindings>(Change::Bind, Answer::After(3)));
    assert_eq!((late.end.stage, late.world.waited), (Stage::Verified, 3));
    let never = ends(changing::<ProviderBindings>(Change::Bind, Answer::After(usize::MAX)));
    assert_eq!((never.end.stage, never.world.binding().0), (Stage::Failed, State::Failed));
    assert_eq!(failed(&never), "UNREACHABLE");
    assert_eq!(never.world.now(), at(60), "at the deadline, and not a turn later");
}

#[test]
fn a_database_of_an_environment_of_another_kind_is_refused_by_name() {
    let other = backend::Use {
        binding: binding_id(2),
        slug: slug("preview-7"),
        kind: environment::Kind::Preview,
        ..used(backend::Purpose::Truth)
    };
    let mut memory = changing::<ProviderBindings>(Change::Bind, Answer::AtOnce);
    memory.backend.push(backend::Event::Taken(other));
    let refused = ends(memory.clone());
    assert_eq!(failed(&refused), "SHARED_DATABASE");
    assert!(message(&refused).contains("preview environment preview-7"), "{}", message(&refused));
    assert_eq!(refused.world.backend().uses.len(), 1);

    memory.share(because("a rehearsal on real data"));
    let meant = ends(memory);
    assert_eq!((meant.end.stage, meant.world.backend().uses.len()), (Stage::Verified, 2));
}

#[test]
fn another_database_behind_the_same_address_is_noticed() {
    for change in [Change::Verify, Change::Rotate] {
        let mut memory = changing::<ProviderBindings>(change, Answer::AtOnce);
        memory.found = "postgres:1/2/another".into();
        assert_eq!(failed(&ends(memory)), "IDENTITY_CHANGED", "{change}");
    }
}

/// The sin: a process manager that believes what was declared, and never asks for a probe.
#[test]
fn a_sin_that_proves_without_a_probe_is_caught() {
    let honest = changing::<ProviderBindings>(Change::Bind, Answer::Refuses);
    let mut sinner = honest.clone();
    sinner.believes_declarations = true;
    let verified = |memory| ends(memory).world.binding().0 == State::Verified;
    assert!(!verified(honest), "what refuses every probe is never proven");
    assert!(verified(sinner), "whoever asks nobody is told from the one who does");
}

#[test]
fn a_new_credential_is_of_the_next_generation_and_the_first_one_of_the_first() {
    let bindings = fold::<ProviderBindings>(&changing::<ProviderBindings>(Change::Rotate, Answer::AtOnce).bindings);
    let bound = &bindings.bindings[&binding_id(1)];
    assert_eq!(bound.next_generation(), EnvSet(2), "after the one that is used");
    let without = Bound { credential: None, ..bound.clone() };
    assert_eq!(without.next_generation(), EnvSet(1));
    assert_eq!(vault_name(binding_id(1)), format!("binding:{}", binding_id(1)), "where the vault keeps it");
}

#[test]
fn what_serves_cannot_do_without_is_not_detached_and_everything_else_may_be_done_to_it() {
    for change in CHANGES {
        let mut memory = changing::<RuntimeServices>(change, Answer::AtOnce);
        memory.needed = Some(Refusal::new(Code::RuntimeServiceNeeded, None, "2 allocations share it"));
        let run = ends(memory);
        let unbound = change == Change::Unbind;
        assert_eq!(run.end.stage, if unbound { Stage::Failed } else { Stage::Verified }, "{change}");
        assert_eq!(failed(&run), if unbound { "RUNTIME_SERVICE_NEEDED" } else { "" }, "{change}");
        assert_eq!(
            (run.world.binding().0, run.world.taken()),
            (State::Verified, true),
            "{change}: as attached as before"
        );
    }
}

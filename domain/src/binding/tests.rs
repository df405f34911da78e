//! The process manager of bindings: each change succeeds; succeeds with every step done twice; ends definitely with a failure
//! injected at every step, and says where it failed and what was left behind.

mod memory;

use super::*;
use crate::story::{
    at, because,
    bindings::{binding_id, used},
    slug,
};
use memory::{Memory, Trouble};

const CHANGES: [Change; 4] = [Change::Bind, Change::Verify, Change::Rotate, Change::Unbind];

fn ends_well(change: Change) -> State {
    if change == Change::Unbind { State::Disabled } else { State::Verified }
}

#[test]
fn every_change_succeeds() {
    for change in CHANGES {
        let mut memory = Memory::new(change);
        memory.run(Trouble::None);
        assert_eq!((memory.stage(), memory.bound().state), (Stage::Verified, ends_well(change)), "{change}");
        assert_eq!(memory.visited, [Stage::Requested, Stage::PolicyCheck, Stage::Binding, Stage::Verified], "{change}");
        assert_eq!(memory.backend.uses.contains_key(&binding_id(1)), change != Change::Unbind, "{change}");
        let kept = memory.operation.evidence.gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>();
        let judged = ["binding", "credential", "need"];
        let judged = if change == Change::Unbind { &judged[..] } else { &judged[..2] };
        assert_eq!(kept, judged, "{change}: what it was judged on");
        let generation = if change == Change::Rotate { 2 } else { 1 };
        assert_eq!(memory.bound().credential.map(|one| one.generation.0), Some(generation), "{change}");
    }
}

#[test]
fn every_change_succeeds_with_every_step_done_twice() {
    for change in CHANGES {
        let (mut once, mut twice) = (Memory::new(change), Memory::new(change));
        once.run(Trouble::None);
        twice.run(Trouble::Twice);
        assert_eq!(once.outcome(), twice.outcome(), "{change}");
        assert!(twice.repeated >= 3, "{change}: the steps were repeated");
    }
}

#[test]
fn a_worker_lost_at_any_step_is_followed_by_one_who_ends_it() {
    for change in CHANGES {
        for lost in 0..4 {
            let mut memory = Memory::new(change);
            memory.run(Trouble::LostAfter(lost));
            memory.run(Trouble::None);
            assert_eq!((memory.stage(), memory.bound().state), (Stage::Verified, ends_well(change)), "{change} {lost}");
        }
    }
}

#[test]
fn a_failure_injected_at_every_step_ends_it_there_and_nothing_is_taken() {
    for change in [Change::Bind, Change::Verify, Change::Rotate] {
        for at_stage in [Stage::Requested, Stage::PolicyCheck, Stage::Binding] {
            let mut memory = Memory::new(change);
            memory.run(Trouble::FailsAt(at_stage));
            assert_eq!(memory.stage(), Stage::Failed, "{change} at {at_stage}");
            assert_eq!(memory.visited.last(), Some(&Stage::Failed));
            assert_eq!(memory.visited[memory.visited.len() - 2], at_stage, "{change}: it failed there");
            assert!(memory.fired, "{change}: the fault at {at_stage} was injected");
            let taken = memory.backend.uses.contains_key(&binding_id(1));
            assert_eq!(taken, change != Change::Bind, "{change} at {at_stage}: the backend is as before");
            assert_eq!(
                memory.bound().credential.map(|one| one.generation.0),
                Some(1),
                "{change}: the old credential stays"
            );
        }
    }
}

#[test]
fn a_deadline_that_passes_at_any_step_ends_it_there_and_changes_no_backend() {
    for change in CHANGES {
        for at_stage in [Stage::Requested, Stage::PolicyCheck] {
            let (mut memory, mut untouched) = (Memory::new(change), Memory::new(change));
            memory.run(Trouble::LateAt(at_stage));
            assert!(memory.fired, "{change} at {at_stage}");
            assert_eq!(
                (memory.stage(), memory.failure()),
                (Stage::Failed, "DEADLINE_PASSED"),
                "{change} at {at_stage}"
            );
            assert_eq!(memory.visited[memory.visited.len() - 2], at_stage, "{change}: it failed there");
            let unproven = matches!(change, Change::Bind | Change::Verify);
            let left = if unproven { State::Failed } else { untouched.bound().state };
            assert_eq!(memory.bound().state, left, "{change} at {at_stage}: what was to be proven is not");
            let of_backend = |memory: &Memory| memory.backend.uses.contains_key(&binding_id(1));
            assert_eq!(of_backend(&memory), of_backend(&untouched), "{change}: the backend is as before");
            untouched.run(Trouble::LateAt(Stage::Verified));
            assert_eq!(untouched.stage(), Stage::Verified, "{change}: without the deadline it ends well");
        }
    }
}

#[test]
fn a_resource_that_answers_late_is_waited_for_and_one_that_never_does_ends_at_the_deadline() {
    let mut late = Memory::new(Change::Bind);
    late.run(Trouble::AnswersAfter(3));
    assert_eq!((late.stage(), late.waited), (Stage::Verified, 3));
    let mut never = Memory::new(Change::Bind);
    never.run(Trouble::AnswersAfter(usize::MAX));
    assert_eq!((never.stage(), never.bound().state), (Stage::Failed, State::Failed));
    assert_eq!(never.failure(), "UNREACHABLE");
    assert_eq!(never.now, at(60), "at the deadline, and not a turn later");
}

#[test]
fn it_is_cancelled_before_the_resource_is_tried_and_not_after() {
    for (stage, cancelled) in [(Stage::Requested, true), (Stage::PolicyCheck, true), (Stage::Binding, false)] {
        let mut memory = Memory::new(Change::Bind);
        memory.run(Trouble::CancelledAt(stage));
        let end = if cancelled { Stage::Cancelled } else { Stage::Verified };
        assert_eq!(memory.stage(), end, "asked at {stage}");
        let state = if cancelled { State::Failed } else { State::Verified };
        assert_eq!(memory.bound().state, state, "what was only asked for is not left open");
    }
}

#[test]
fn a_database_of_an_environment_of_another_kind_is_refused_by_name() {
    let mut memory = Memory::new(Change::Bind);
    let other = crate::backend::Use {
        binding: binding_id(2),
        slug: slug("preview-7"),
        kind: environment::Kind::Preview,
        ..used(crate::backend::Purpose::Truth)
    };
    memory.backend.uses.insert(other.binding, other.clone());
    memory.run(Trouble::None);
    assert_eq!(memory.failure(), "SHARED_DATABASE");
    assert!(memory.message().contains("preview environment preview-7"), "{}", memory.message());
    assert_eq!(memory.backend.uses.len(), 1);

    let mut meant = Memory::new(Change::Bind);
    meant.share(because("a rehearsal on real data"));
    meant.backend.uses.insert(other.binding, other);
    meant.run(Trouble::None);
    assert_eq!((meant.stage(), meant.backend.uses.len()), (Stage::Verified, 2));
}

#[test]
fn another_database_behind_the_same_address_is_noticed() {
    for change in [Change::Verify, Change::Rotate] {
        let mut memory = Memory::new(change);
        memory.found = "postgres:1/2/another".into();
        memory.run(Trouble::None);
        assert_eq!(memory.failure(), "IDENTITY_CHANGED", "{change}");
    }
}

/// The sin: a process manager that believes what was declared, and never asks for a probe.
#[test]
fn a_sin_that_proves_without_a_probe_is_caught() {
    let mut memory = Memory::new(Change::Bind);
    memory.believes_declarations = true;
    memory.run(Trouble::None);
    assert_eq!((memory.stage(), memory.probes), (Stage::Verified, 0), "the sin was committed");
    let mut honest = Memory::new(Change::Bind);
    honest.run(Trouble::None);
    assert!(honest.probes > 0, "and whoever asks for the probe is told from the one who does not");
}

#[test]
fn a_new_credential_is_of_the_next_generation_and_the_first_one_of_the_first() {
    let memory = Memory::new(Change::Rotate);
    assert_eq!(memory.bound().next_generation(), EnvSet(2), "after the one that is used");
    let without = Bound { credential: None, ..memory.bound().clone() };
    assert_eq!(without.next_generation(), EnvSet(1));
    assert_eq!(vault_name(binding_id(1)), format!("binding:{}", binding_id(1)), "where the vault keeps it");
}

#[test]
fn what_serves_cannot_do_without_is_not_detached_and_everything_else_may_be_done_to_it() {
    for change in CHANGES {
        let mut memory = Memory::new(change);
        memory.needed = Some(crate::gate::Refusal::new("RUNTIME_SERVICE_NEEDED", None, "2 allocations share it"));
        memory.run(Trouble::None);
        let (unbound, end) = (change == Change::Unbind, memory.stage());
        assert_eq!(end, if unbound { Stage::Failed } else { Stage::Verified }, "{change}");
        assert_eq!(memory.failure(), if unbound { "RUNTIME_SERVICE_NEEDED" } else { "" }, "{change}");
        assert_eq!(memory.bound().state, State::Verified, "{change}: it is as attached as before");
        assert!(memory.backend.uses.contains_key(&binding_id(1)), "{change}");
    }
}

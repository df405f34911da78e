//! What the database says of a promotion and of a rollback, case by case, and the rules that are easily written instead.

use super::*;
use crate::{
    aggregate::Aggregate as _,
    migrations::Event,
    story::{BLUE_BYTES, declared, ran, restored},
};
use Answer::{Acknowledge, Blocked, Open};
use Impact::{Additive, BackwardCompatible, Destructive, Unknown};

fn history(events: &[Event]) -> Migrations {
    crate::aggregate::fold(events)
}

/// `0001` ran before epoch 1, as both sides declare; `0002` ran at this epoch, with this impact.
fn second(impact: Impact, epoch: u64) -> Migrations {
    history(&[Event::Recorded(ran("0001", Additive, Epoch(0))), Event::Recorded(ran("0002", impact, Epoch(epoch)))])
}

/// What a way back is answered, by what ran that it does not know.
const OF_A_WAY_BACK: [(Impact, Answer); 5] = [
    (Impact::None, Open),
    (Additive, Open),
    (BackwardCompatible, Open),
    (Destructive, Blocked(Code::DatabaseBlocksRollback)),
    (Unknown, Blocked(Code::DatabaseBlocksRollback)),
];

#[test]
fn a_promotion_waits_for_its_migrations_and_has_grave_ones_acknowledged() {
    let old = [declared("0001", Additive)];
    for (impact, answer) in [
        (Impact::None, Open),
        (Additive, Open),
        (BackwardCompatible, Open),
        (Destructive, Acknowledge),
        (Unknown, Acknowledge),
    ] {
        let next = [declared("0001", Additive), declared("0002", impact)];
        let found = promotion(&next, &old, &second(impact, 1));
        assert_eq!((found.impact, found.answer), (impact, answer), "{found:?}");
        assert_eq!(found.migrations, ["0002"]);
        assert!(found.reason.starts_with("0002 "), "what ran is named, whatever it does: {found:?}");
        let pending = promotion(&next, &old, &history(&[Event::Recorded(ran("0001", Additive, Epoch(0)))]));
        assert_eq!((pending.impact, pending.answer), (impact, Blocked(Code::MigrationPending)), "{pending:?}");
        let known = promotion(&next, &next, &second(impact, 1));
        assert_eq!((known.impact, known.answer), (Impact::None, Open), "nothing is new: {known:?}");
        assert_eq!(known.reason, "it counts on no migration that is new to the owner");
    }
    assert_eq!(promotion(&[], &[], &Migrations::default()).answer, Open);
}

/// Scenario 3 by another door. The sin: a promotion that looks at what is new to the owner, and at nothing that it counts on.
#[test]
fn a_promotion_of_what_does_not_know_what_the_owner_counts_on_is_a_way_back() {
    let new_only = |next: &[MigrationFacts], present: &[MigrationFacts], ran: &Migrations| {
        let new = ran.ran.iter().filter(|one| declares(next, one) && !declares(present, one)).collect::<Vec<_>>();
        if gravest(&new).closes_the_way_back() { Acknowledge } else { Open }
    };
    let old = [declared("0001", Additive)];
    for (impact, answer) in OF_A_WAY_BACK {
        let owner = [declared("0001", Additive), declared("0002", impact)];
        let found = promotion(&old, &owner, &second(impact, 1));
        assert_eq!(found.answer, answer, "{found:?}");
        assert_eq!(new_only(&old, &owner, &second(impact, 1)), Open, "the sin is caught");
        assert_eq!(promotion(&old, &old, &second(impact, 1)).answer, Open, "the owner knows as little of it");
        let mut undone = second(impact, 1);
        undone.apply(&restored(&["0002"]));
        let wanted = if impact.closes_the_way_back() { Acknowledge } else { Open };
        let (by_promotion, back) = (promotion(&old, &owner, &undone), rollback(&old, Epoch(1), &undone));
        assert_eq!(
            (by_promotion.answer, back.answer),
            (wanted, wanted),
            "the data were restored: {by_promotion:?} {back:?}"
        );
        assert_eq!(promotion(&old, &old, &undone).answer, Open, "the owner knows as little of it");
    }
    let owner = [declared("0001", Additive), declared("0002", Destructive)];
    let found = promotion(&old, &owner, &second(Destructive, 1));
    for words in ["0002 (destructive) ran, which the present owner counts on", "Forward-fix:", "Data restore:"] {
        assert!(found.reason.contains(words), "{words}: {}", found.reason);
    }
    assert_eq!(found.migrations, ["0002"], "what ran since");
    let all = rollback(&[], Epoch(0), &second(Destructive, 1));
    assert_eq!(all.migrations, ["0001", "0002"], "whatever of it closes the way back");
}

#[test]
fn other_bytes_under_a_declared_name_block() {
    let next = [declared("0001", Additive)];
    let other = Recorded { digest: BLUE_BYTES, ..ran("0001", Additive, Epoch(0)) };
    let found = promotion(&next, &[], &history(&[Event::Recorded(other)]));
    assert_eq!((found.impact, found.answer), (Unknown, Blocked(Code::MigrationMismatch)));
}

#[test]
fn a_rollback_looks_at_what_ran_since_and_is_not_its_own() {
    let target = [declared("0001", Additive)];
    for (impact, answer) in OF_A_WAY_BACK {
        let found = rollback(&target, Epoch(1), &second(impact, 1));
        assert_eq!((found.impact, found.answer), (impact, answer), "{found:?}");
        let before = rollback(&target, Epoch(2), &second(impact, 1));
        assert_eq!(
            (before.impact, before.answer),
            (Impact::None, Open),
            "it took the traffic after it ran: {before:?}"
        );
        let own = rollback(&[declared("0001", Additive), declared("0002", impact)], Epoch(1), &second(impact, 1));
        assert_eq!((own.impact, own.answer), (Impact::None, Open), "it is its own: {own:?}");
    }
    let undone = history(&[restored(&["0001"])]);
    assert_eq!(rollback(&target, Epoch(1), &undone).answer, Blocked(Code::MigrationPending), "its own was undone");
}

#[test]
fn a_blocked_rollback_explains_forward_fix_and_data_restore() {
    let found = rollback(&[], Epoch(1), &second(Destructive, 1));
    for words in
        ["0002 (destructive)", "Forward-fix:", "Data restore:", "before 0002", "what was written since is lost"]
    {
        assert!(found.reason.contains(words), "{words}: {}", found.reason);
    }
}

#[test]
fn a_restore_opens_the_way_back_to_whoever_acknowledges_it() {
    let mut ran = second(Destructive, 1);
    ran.apply(&restored(&["0002"]));
    let found = rollback(&[declared("0001", Additive)], Epoch(1), &ran);
    assert_eq!((found.impact, found.answer), (Destructive, Acknowledge), "{found:?}");
    assert!(found.reason.contains("is lost"), "{}", found.reason);
    let later = rollback(&[declared("0001", Additive)], Epoch(2), &ran);
    assert_eq!(later.answer, Open, "it took the traffic after the restore");
}

#[test]
fn a_forward_fix_leaves_the_way_back_closed() {
    let mut ran = second(Destructive, 1);
    ran.apply(&Event::Recorded(crate::story::ran("0003", Additive, Epoch(2))));
    let found = rollback(&[declared("0001", Additive)], Epoch(1), &ran);
    assert_eq!(found.answer, Blocked(Code::DatabaseBlocksRollback), "0002 still ran: {found:?}");
    let fixed = [declared("0001", Additive), declared("0002", Destructive), declared("0003", Additive)];
    let present = [declared("0001", Additive), declared("0002", Destructive)];
    assert_eq!(promotion(&fixed, &present, &ran).answer, Open, "and forward is open");
}

#[test]
fn rules_that_look_elsewhere_are_caught() {
    type Sin = fn(&[MigrationFacts], Epoch, &Migrations) -> Answer;
    let declared_only: Sin = |target, _, _| {
        if target.iter().any(|one| one.impact.closes_the_way_back()) {
            Blocked(Code::DatabaseBlocksRollback)
        } else {
            Open
        }
    };
    let newest_only: Sin = |_, _, ran| match ran.ran.last() {
        Some(last) if last.impact.closes_the_way_back() => Blocked(Code::DatabaseBlocksRollback),
        _ => Open,
    };
    let unknown_is_fine: Sin = |_, taken, ran| {
        let grave = ran.ran.iter().any(|one| one.epoch >= taken && one.impact == Destructive);
        if grave { Blocked(Code::DatabaseBlocksRollback) } else { Open }
    };
    let after = {
        let mut after = second(Destructive, 1);
        after.apply(&Event::Recorded(ran("0003", Additive, Epoch(2))));
        after
    };
    let worlds = [second(Destructive, 1), second(Unknown, 1), after];
    for (name, sin) in [("declared", declared_only), ("newest", newest_only), ("unknown", unknown_is_fine)] {
        let caught = worlds.iter().any(|world| {
            let target = [declared("0001", Additive)];
            sin(&target, Epoch(1), world) != rollback(&target, Epoch(1), world).answer
        });
        assert!(caught, "a rule that goes by {name} is not noticed");
    }
}

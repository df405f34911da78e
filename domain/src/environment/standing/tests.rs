//! Every pair of standings, judged by whoever moves a region from one to another: the operation that enables it by its machine,
//! and the environment by its own rules. The table says what they do, and they do what the table says.

use super::*;
use crate::{
    aggregate::{Aggregate as _, fold},
    environment::Command,
    operation::{self, Evidence, Kind, Requested as Asked, machine},
    story::{ACME, BERGEN, FJORD, LYON, PRODUCTION, SECOND, SHOP, THIRD, at, because, enabled, production},
};

/// The environment with BERGEN where the record has it; what is under way is not there yet.
fn environment(standing: Option<Standing>) -> Environment {
    let created = Event::Created(production());
    let disabled = Event::RegionDisabled { region: BERGEN, reason: because("its lease ends"), at: Some(at(9)) };
    match standing {
        Some(Eligible) => fold(&[created, Event::RegionEnabled(enabled())]),
        Some(Disabled) => fold(&[created, Event::RegionEnabled(enabled()), disabled]),
        _ => fold(&[created]),
    }
}

fn enabling(id: OperationId) -> Asked {
    let topology = Some(DataTopology::Nothing);
    let wanted = Enablement { app: SHOP, environment: PRODUCTION, region: BERGEN, cell: FJORD, topology };
    Asked {
        id,
        workspace: ACME,
        region: BERGEN,
        cell: Some(FJORD),
        reason: None,
        deadline: at(60),
        work: Work::RegionEnablement(wanted),
    }
}

fn stage(standing: Standing) -> Stage {
    Stage::ALL.iter().copied().find(|stage| Standing::of_stage(*stage) == Some(standing)).expect("a stage")
}

/// The operation that enables BERGEN, at the stage of this standing.
fn operation(standing: Standing) -> Operation {
    let entered = operation::Event::StageEntered { stage: stage(standing), evidence: Evidence::default() };
    fold(&[operation::Event::Requested(enabling(THIRD)), entered])
}

fn enter(standing: Standing) -> operation::Command {
    operation::Command::Enter { stage: stage(standing), evidence: Evidence::default() }
}

fn disable() -> Command {
    Command::DisableRegion { region: BERGEN, serving: Some(LYON), reason: because("its lease ends"), at: at(9) }
}

/// Whether anybody takes BERGEN there from here: by the environment's own record, or by the operation's machine.
fn taken(from: Option<Standing>, to: Standing) -> bool {
    let on_record = matches!(from, None | Some(Eligible | Disabled));
    if to == Requested && on_record {
        return environment(from).may_enable(BERGEN).is_ok();
    }
    if to == Disabled {
        return environment(from).decide(disable()).is_ok();
    }
    match from {
        None | Some(Disabled) => Operation::default().decide(enter(to)).is_ok(),
        Some(from) => operation(from).decide(enter(to)).is_ok_and(|events| !events.is_empty()),
    }
}

/// The pairs about which somebody says otherwise than the table.
fn wrong(taken: fn(Option<Standing>, Standing) -> bool) -> Vec<(Option<Standing>, Standing)> {
    let from = std::iter::once(None).chain(Standing::ALL.iter().copied().map(Some));
    let pairs = from.flat_map(|from| Standing::ALL.iter().map(move |to| (from, *to)));
    pairs.filter(|(from, to)| taken(*from, *to) != Standing::may_follow(*from, *to)).collect()
}

#[test]
fn every_pair_of_standings_is_taken_exactly_where_the_table_has_it() {
    assert_eq!(wrong(taken), []);
    // The sins: what is disabled may be disabled once more; what is fit is asked for once more; a stage is skipped.
    let disables_twice: fn(Option<Standing>, Standing) -> bool =
        |from, to| if (from, to) == (Some(Disabled), Disabled) { taken(Some(Eligible), to) } else { taken(from, to) };
    let forgets: fn(Option<Standing>, Standing) -> bool =
        |from, to| if to == Requested { taken(None, to) } else { taken(from, to) };
    let skips: fn(Option<Standing>, Standing) -> bool =
        |from, to| if from == Some(Requested) { taken(Some(Provisioning), to) } else { taken(from, to) };
    for (n, sin) in [disables_twice, forgets, skips].into_iter().enumerate() {
        assert!(!wrong(sin).is_empty(), "the sin {n} is not noticed");
    }
}

#[test]
fn the_table_is_the_operations_machine_and_what_follows_it() {
    let machine = machine(Kind::RegionEnablement);
    let standing = |stage: Stage| Standing::of_stage(stage).expect("every stage of it is a standing");
    let mut table = vec![(None, standing(machine.begins))];
    table.extend(machine.steps.iter().map(|(from, to)| (Some(standing(*from)), standing(*to))));
    table.extend([(Some(Eligible), Disabled), (Some(Disabled), Requested)]);
    assert_eq!(TRANSITIONS, table);
    let reached = |standing: &&Standing| TRANSITIONS.iter().any(|(_, to)| to == *standing);
    assert_eq!(Standing::ALL.iter().filter(reached).count(), 6);
    assert_eq!([Stage::Failed, Stage::Cancelled].map(Standing::of_stage), [None, None]);
}

#[test]
fn a_region_that_is_disabled_is_shown_with_its_reason_until_it_is_asked_for_again() {
    let shown = |standing, running: &[Operation]| {
        let seen = environment(standing).standings(running).remove(&BERGEN);
        seen.map(|seen| (seen.standing, seen.by, seen.withdrawn.map(|withdrawn| (withdrawn.reason, withdrawn.since))))
    };
    let reason = Some((because("its lease ends"), Some(at(9))));
    assert_eq!(shown(None, &[]), None);
    assert_eq!(shown(Some(Eligible), &[]), Some((Eligible, THIRD, None)));
    assert_eq!(shown(Some(Disabled), &[]), Some((Disabled, THIRD, reason.clone())));
    for standing in [Requested, Provisioning, BindingServices, ReplicatingArtifacts] {
        assert_eq!(shown(None, &[operation(standing)]), Some((standing, THIRD, None)));
        assert_eq!(shown(Some(Disabled), &[operation(standing)]), Some((standing, THIRD, None)), "asked for again");
    }
    let failed = fold(&[
        operation::Event::Requested(enabling(SECOND)),
        operation::Event::Cancelled { reason: because("not now") },
    ]);
    assert_eq!(shown(Some(Disabled), std::slice::from_ref(&failed)), Some((Disabled, THIRD, reason)), "as before");
    let beside = Operation { requested: Some(enabling(SECOND)), ..operation(Requested) };
    assert_eq!(shown(Some(Eligible), std::slice::from_ref(&beside)), Some((Eligible, THIRD, None)), "it is fit anyway");
}

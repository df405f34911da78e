//! The table is whole, and it is the one that the authorisation table enforces and that gates keep to.

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation::{self, Allocation},
    artifact::Artifact,
    authorization::{self, Authority, Level, Need, Scope, TABLE, Unauthorized},
    catalogue,
    gate::{self, Facts, Judged},
    numbers::Epoch,
    operation::{Kind, Operation},
    provider_binding::ProviderBindings,
    route_owner::{Event, RouteOwner},
    runtime_service_binding::RuntimeServices,
    story::{GREEN, allocated, allocation, crashed, gate_facts, opened, planned, promotable, ready, requested},
};

fn row(class: Class) -> &'static Row {
    TAXONOMY.iter().find(|row| row.class == class).expect("every class has its row")
}

/// Whether a decision of the control plane may rest on it.
fn is_truth(class: Class) -> bool {
    row(class).standing == Standing::Truth
}

#[test]
fn every_class_has_one_row_without_an_empty_cell() {
    for class in Class::ALL {
        assert_eq!(TAXONOMY.iter().filter(|row| row.class == *class).count(), 1, "{class}");
    }
    for row in TAXONOMY {
        let cells = serde_json::to_value(row).expect("a row is plain data");
        for (name, cell) in cells.as_object().expect("a row has cells") {
            assert!(cell.as_str() != Some(""), "{}: {name} is empty", row.name);
        }
    }
}

fn strangers(class: Class, taxonomy: &[Row]) -> Vec<String> {
    let writers = writers_of(taxonomy, class);
    let commands = TABLE.iter().filter(|row| changed_by(row.command) == Some(class));
    commands
        .flat_map(|row| row.writers.iter().filter(|writer| !writers.contains(writer)).map(move |w| (row.command, w)))
        .map(|(command, writer)| format!("{command} by {writer}"))
        .collect()
}

#[test]
fn nobody_writes_a_class_of_state_but_the_writers_of_its_row() {
    for class in Class::ALL {
        assert_eq!(strangers(*class, TAXONOMY), Vec::<String>::new(), "{class}");
    }
    let sin = Row { writers: &[Writer::Runner], ..*row(Class::RouteOwnership) };
    assert!(!strangers(Class::RouteOwnership, &[sin]).is_empty(), "health that owns a route goes unseen");
}

/// A table of commands by which a runner's report may give the traffic away.
const HEALTH_OWNS: &[authorization::Row] = &[authorization::Row {
    command: "route_owner.promote",
    writers: &[Writer::Runner, Writer::Promotion],
    need: Need::Nobody,
    level: Level::Environment,
}];

#[test]
fn a_table_of_commands_that_lets_health_own_a_route_gives_it_to_nobody_else() {
    let permit = |writer| Authority::itself().by(HEALTH_OWNS).permit("route_owner.promote", writer, Scope::default());
    assert_eq!(permit(Writer::Promotion), Ok(()));
    assert!(matches!(permit(Writer::Runner), Err(Unauthorized::WrongWriter { .. })), "the sin is not caught");
}

#[test]
fn every_class_that_is_written_is_changed_by_some_command_and_no_other_is() {
    for row in TAXONOMY {
        let changed = TABLE.iter().any(|command| changed_by(command.command) == Some(row.class));
        assert_eq!(changed, !row.writers.is_empty(), "{}", row.class);
    }
}

#[test]
fn logs_hints_and_health_are_no_truth() {
    let truths = Class::ALL.iter().copied().filter(|class| is_truth(*class)).collect::<Vec<_>>();
    assert_eq!(truths, [Class::RouteOwnership, Class::OperationState, Class::ProviderCredentials]);
}

/// What is said to be truth, or to choose within it, without anybody who writes it into the log; and the other way about.
fn baseless(taxonomy: &[Row]) -> Vec<Class> {
    let believed = |row: &&Row| matches!(row.standing, Standing::Truth | Standing::Selection);
    taxonomy.iter().filter(|row| believed(row) == row.writers.is_empty()).map(|row| row.class).collect()
}

#[test]
fn what_is_in_no_event_is_believed_by_nobody() {
    assert_eq!(baseless(TAXONOMY), []);
    let sin = Row { standing: Standing::Truth, ..*row(Class::BuildLogs) };
    assert_eq!(baseless(&[sin]), [Class::BuildLogs], "logs that are truth are caught");
}

/// What the streams of a category hold; none for what people arrange, or what is on record of the past.
fn held_in(category: &str) -> Option<Class> {
    match category {
        RouteOwner::CATEGORY => Some(Class::RouteOwnership),
        Allocation::CATEGORY => Some(Class::AllocationHealth),
        Operation::CATEGORY => Some(Class::OperationState),
        ProviderBindings::CATEGORY | RuntimeServices::CATEGORY => Some(Class::ProviderCredentials),
        _ => None,
    }
}

#[test]
fn every_class_that_somebody_writes_into_the_log_has_streams_there_and_no_other_has() {
    let held = catalogue::nouns().into_iter().filter_map(|noun| held_in(noun.category)).collect::<Vec<_>>();
    for row in TAXONOMY {
        assert_eq!(held.contains(&row.class), !row.writers.is_empty(), "{}", row.class);
    }
}

/// The streams that a change of owner is judged by. Whoever adds one to the facts is asked here what it is.
fn looked_at(facts: &Facts<'_>) -> Vec<&'static str> {
    fn category<A: Aggregate>(_: &A) -> &'static str {
        A::CATEGORY
    }
    let Facts {
        requested: _,
        change: _,
        owner,
        deployment,
        environment,
        migrations,
        next: _,
        present: _,
        providers,
        services,
        variables,
        // Health, which is no truth: it postpones a change and never decides one, as the test below holds.
        allocations: _,
    } = *facts;
    vec![
        Operation::CATEGORY,
        Artifact::CATEGORY,
        category(owner),
        category(deployment),
        category(environment),
        category(migrations),
        category(providers),
        category(services),
        category(variables),
    ]
}

/// The classes among these streams that no decision may rest on.
fn no_truth(categories: &[&str]) -> Vec<Class> {
    categories.iter().filter_map(|category| held_in(category)).filter(|class| !is_truth(*class)).collect()
}

#[test]
fn a_change_of_owner_is_judged_by_nothing_but_truth() {
    let (requested, owner) = (requested(Kind::Promotion, Epoch(0)), fold(&[Event::Opened(opened())]));
    let (change, deployment) = (requested.work.route_change().expect("a promotion"), promotable(GREEN));
    let looked_at = looked_at(&gate_facts(&requested, change, &owner, &deployment));
    assert_eq!(no_truth(&looked_at), []);
    // The sin: an owner that is chosen by how allocations fare.
    let sin = [looked_at, vec![Allocation::CATEGORY]].concat();
    assert_eq!(no_truth(&sin), [Class::AllocationHealth]);
}

/// How often the gates that stand before a change of owner are closed by how its allocations fare: none, all dead, all well.
fn closed_by_health(gates: fn(&Facts<'_>) -> Vec<Judged>) -> usize {
    let (requested, owner) = (requested(Kind::Promotion, Epoch(0)), fold(&[Event::Opened(opened())]));
    let (change, deployment) = (requested.work.route_change().expect("a promotion"), promotable(GREEN));
    let one = |then: &[allocation::Event]| allocated(planned(allocation(1), GREEN, Epoch(0)), then);
    let worlds = [vec![], vec![one(&[crashed()])], vec![one(&[ready(GREEN)])]];
    let closed = |allocations: &&Vec<Allocation>| {
        let facts = gate_facts(&requested, change, &owner, &deployment);
        gate::closed(&gates(&Facts { allocations, ..facts })).is_some()
    };
    worlds.iter().filter(closed).count()
}

#[test]
fn health_postpones_a_change_of_owner_and_closes_nothing_before_it() {
    assert_eq!(closed_by_health(gate::judge), 0);
    let sin: fn(&Facts<'_>) -> Vec<Judged> = |facts| vec![gate::allocations::settle(facts)];
    assert_eq!(closed_by_health(sin), 2, "a gate that asks for what is healthy already is caught");
}

/// The rows in which how much may be lost is told as how soon it is back, or the other way about.
fn confused(taxonomy: &[Row]) -> Vec<Class> {
    let takes_time =
        |cell: &str| ["seconds", "second", "at once", "connection", "poll"].iter().any(|word| cell.contains(word));
    let confused = |row: &&Row| row.rpo == row.rto || (row.standing == Standing::Truth && takes_time(row.rpo));
    taxonomy.iter().filter(confused).map(|row| row.class).collect()
}

/// Data loss is not downtime.
#[test]
fn rpo_is_not_rto() {
    let of_truth = TAXONOMY.iter().filter(|row| row.standing == Standing::Truth).copied().collect::<Vec<_>>();
    assert_eq!(confused(&of_truth), []);
    // The sins: a row whose loss is its downtime, and one whose downtime is told as its loss.
    let truth = row(Class::OperationState);
    for sin in [Row { rpo: truth.rto, ..*truth }, Row { rto: truth.rpo, ..*truth }] {
        assert_eq!(confused(&[sin]), [Class::OperationState]);
    }
}

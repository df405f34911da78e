//! The table is whole, and it is the one that the authorisation table enforces.

use super::*;
use crate::authorization::TABLE;

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

/// Which commands change a class of state that lives in the log.
fn changes(class: Class, command: &str) -> bool {
    match class {
        Class::RouteOwnership => matches!(command, "route_owner.promote" | "route_owner.roll_back"),
        Class::AllocationHealth => command.starts_with("allocation.report_"),
        Class::OperationState => command.starts_with("operation."),
        Class::ProviderCredentials => command.ends_with("_source_credential"),
        Class::VangoSession | Class::PersistedSession | Class::ProductData | Class::BuildLogs | Class::RouteEvents => {
            false
        }
    }
}

fn strangers(class: Class, taxonomy: &[Row]) -> Vec<String> {
    let writers = taxonomy.iter().find(|row| row.class == class).map_or(&[][..], |row| row.writers);
    let commands = TABLE.iter().filter(|row| changes(class, row.command));
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

#[test]
fn logs_hints_and_health_are_no_truth() {
    let truths = Class::ALL.iter().copied().filter(|class| class.is_truth()).collect::<Vec<_>>();
    assert_eq!(truths, [Class::RouteOwnership, Class::OperationState, Class::ProviderCredentials]);
}

#[test]
fn rpo_is_not_rto() {
    for row in TAXONOMY.iter().filter(|row| row.standing == Standing::Truth) {
        assert_ne!(row.rpo, row.rto, "{}: data loss is not downtime", row.name);
    }
}

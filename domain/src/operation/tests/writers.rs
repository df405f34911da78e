//! Who carries which kind on: every kind by every writer, cell by cell, against a table of its own.

use super::*;
use crate::{
    actor::Writer,
    authorization::{Authority, Scope, Unauthorized},
};

/// Who may enter a stage of an operation of this kind, fail it and cancel it; nobody else.
const OWN: [(Kind, Writer); 13] = [
    (Kind::Promotion, Writer::Promotion),
    (Kind::Rollback, Writer::Rollback),
    (Kind::Deploy, Writer::Pipeline),
    (Kind::Scale, Writer::Scheduler),
    (Kind::Drain, Writer::Scheduler),
    (Kind::HostDrain, Writer::Platform),
    (Kind::RegionEnablement, Writer::Platform),
    (Kind::RegionFailover, Writer::Promotion),
    (Kind::Migration, Writer::Pipeline),
    (Kind::ProviderBinding, Writer::Provider),
    (Kind::RuntimeServiceBinding, Writer::Provider),
    (Kind::Wake, Writer::Scheduler),
    (Kind::Sleep, Writer::Scheduler),
];

type Permit = fn(&Operation, &Command, Writer) -> Result<(), Unauthorized>;

/// The cells in which it is otherwise than the table says, and those that are refused otherwise than by the writer.
fn wrong(permit: Permit) -> Vec<(Kind, Writer, &'static str)> {
    use crate::aggregate::Command as _;
    let mut wrong = vec![];
    for work in super::works::works() {
        let kind = work.kind();
        let own = OWN.iter().find(|(one, _)| *one == kind).map(|(_, own)| *own);
        let asked = Event::Requested(Requested { work, ..requested(Kind::Promotion, AT) });
        let operation = fold::<Operation>(&[asked]);
        for writer in Writer::ALL {
            for command in [enter(Stage::PolicyCheck), Command::Fail(failure()), Command::Cancel] {
                let as_said = match permit(&operation, &command, *writer) {
                    Ok(()) => own == Some(*writer),
                    Err(Unauthorized::WrongWriter { .. }) => own != Some(*writer),
                    Err(_) => false,
                };
                if !as_said {
                    wrong.push((kind, *writer, command.name()));
                }
            }
        }
    }
    wrong
}

#[test]
fn each_kind_is_carried_on_by_its_own_writer_and_by_nobody_else() {
    let kinds = OWN.map(|(kind, _)| kind);
    assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind)), "every kind has its row");
    assert_eq!(
        wrong(|operation, command, writer| {
            Authority::itself().permit_to(operation, command, writer, Scope::default())
        }),
        []
    );
}

#[test]
fn whoever_asks_the_table_alone_lets_a_scheduler_end_a_promotion() {
    use crate::aggregate::Command as _;
    let sin = wrong(|_, command, writer| Authority::itself().permit(command.name(), writer, Scope::default()));
    assert_eq!(sin.len(), 13 * 5 * 3, "five writers too many for each command of each kind");
    assert!(sin.contains(&(Kind::Promotion, Writer::Scheduler, "operation.fail")), "it is caught above");
}

#[test]
fn a_foreign_writer_is_told_whose_it_is() {
    use crate::aggregate::Rejection as _;
    let promotion = fold::<Operation>(&[asked(Kind::Promotion)]);
    let told =
        Authority::itself().permit_to(&promotion, &enter(Stage::PolicyCheck), Writer::Scheduler, Scope::default());
    let refused = told.expect_err("it is no scheduler's");
    let both = ("promotion".to_owned(), "scheduler".to_owned());
    assert_eq!((refused.code(), refused.expected_and_actual()), ("WRONG_WRITER", Some(both)));
}

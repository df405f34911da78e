//! The table against an independent one, cell by cell: every command, every writer, every role. And the traps by name.

use super::*;
use crate::{catalogue, route_owner::Command as RouteOwnerCommand, story::ACME};
use std::collections::BTreeSet;
use uuid::Uuid;

mod matrix;
mod narrowing;

use matrix::{COLUMNS, MATRIX};

#[test]
fn every_command_has_one_row_and_every_row_a_command() {
    let mut commands = catalogue::commands();
    let mut rows = TABLE.iter().map(|row| row.command).collect::<Vec<_>>();
    commands.sort_unstable();
    rows.sort_unstable();
    assert_eq!(commands, rows, "commands of the nouns on the left, rows of authorization/table.rs on the right");
    rows.dedup();
    assert_eq!(rows.len(), TABLE.len(), "a command stands twice");
}

#[test]
fn every_command_is_named_by_its_noun() {
    for noun in catalogue::nouns() {
        for command in noun.commands {
            assert_eq!(command.split_once('.').map(|(category, _)| category), Some(noun.category), "{command}");
        }
    }
}

#[test]
fn the_table_is_the_matrix_cell_by_cell() {
    assert_eq!(wrong_cells(TABLE), Vec::<String>::new());
}

#[test]
fn an_app_runtime_identity_mutates_nothing_least_of_all_tenancy() {
    for command in catalogue::commands() {
        for authority in [Authority::itself(), caller("owner")] {
            let refused = authority.permit(command, Writer::AppRuntime, everywhere(environment::Kind::Preview));
            assert!(matches!(refused, Err(Unauthorized::WrongWriter { .. })), "{command}: {refused:?}");
        }
    }
    assert_caught("workspace.add_member", Writer::AppRuntime);
}

#[test]
fn allocation_health_never_touches_a_route() {
    for writer in [Writer::Runner, Writer::Scheduler] {
        // Sleep and wake are postures within an epoch: the owner stays, and only their operations change them.
        let posture = ["route_owner.sleep", "route_owner.wake", "route_owner.fail_wake"];
        let others = |name: &&&str| writer == Writer::Runner || !posture.contains(*name);
        for command in RouteOwnerCommand::NAMES.iter().filter(others) {
            assert!(Authority::itself().permit(command, writer, Scope::default()).is_err(), "{writer} {command}");
        }
    }
    assert_caught("route_owner.freeze", Writer::Runner);
    assert_caught("route_owner.raise_epoch", Writer::Scheduler);
    assert_harmless("route_owner.promote", Writer::Runner);
    assert_harmless("route_owner.promote", Writer::Scheduler);
}

#[test]
fn nothing_but_a_promotion_or_a_rollback_gives_a_route_to_an_owner() {
    for (command, may) in [("route_owner.promote", Writer::Promotion), ("route_owner.roll_back", Writer::Rollback)] {
        for writer in Writer::ALL {
            let permitted = Authority::itself().permit(command, *writer, Scope::default()).is_ok();
            assert_eq!(permitted, *writer == may, "{command} by {writer}");
            for role in COLUMNS {
                let refused = caller(role).permit(command, *writer, everywhere(environment::Kind::Preview));
                assert!(refused.is_err(), "{command} by {writer}, {role}");
            }
        }
    }
    assert_caught("route_owner.promote", Writer::Rollback);
    assert_caught("route_owner.roll_back", Writer::Promotion);
    assert_harmless("route_owner.promote", Writer::Api);
}

#[test]
fn a_custom_grant_reaches_as_far_as_it_was_given_and_no_further() {
    for line in lines() {
        let Some((grant, reach)) = line.custom else { continue };
        let writer = line.writers[0];
        let mut project = Membership::of(Role::Member);
        project.projects.insert(PROJECT, BTreeSet::from([grant]));
        let mut one = Membership::of(Role::Member);
        one.environments.insert(ENVIRONMENT, BTreeSet::from([grant]));
        let role_has = grants_of(Role::Member).contains(&grant);
        for (membership, suffices) in
            [(project, ["project", "environment"].contains(&reach)), (one, reach == "environment")]
        {
            let here = everywhere(environment::Kind::Production);
            let authority = Authority::caller(PLATFORM, Some(membership));
            assert_eq!(authority.permit(line.command, writer, here).is_ok(), suffices || role_has, "{}", line.command);
            for elsewhere in [Scope::default(), Scope { project: Some(OTHER_PROJECT), environment: Some(other()) }] {
                let there = authority.permit(line.command, writer, elsewhere);
                assert_eq!(there.is_ok(), role_has, "{} elsewhere", line.command);
            }
        }
    }
}

#[test]
fn support_may_what_its_user_may_less_what_is_nobodys_to_pass_on() {
    for role in Role::ALL {
        let user = Authority::caller(PLATFORM, Some(Membership::of(*role)));
        let support = Authority::support(PLATFORM, Some(Membership::of(*role)));
        for grant in Grant::ALL {
            let held = support.holds(*grant, Level::Workspace, Scope::default());
            let allowed = user.holds(*grant, Level::Workspace, Scope::default()) && !NEVER_SUPPORT.contains(grant);
            assert_eq!(held, allowed, "{role} {grant}");
            assert!(
                !Authority::support(PLATFORM, None).holds(*grant, Level::Workspace, Scope::default()),
                "ended: {grant}"
            );
        }
    }
}

#[test]
fn the_values_of_plain_variables_are_for_who_holds_the_grant_there() {
    type Rule = fn(&Authority) -> bool;
    const HERE: fn() -> Scope = || everywhere(environment::Kind::Production);
    let owner_with = |grants: &[Grant]| of_acme("owner").narrowed(Narrowing::Only(grants.iter().copied().collect()));
    let cases = [
        (of_acme("owner"), true),
        (of_acme("admin"), true),
        (of_acme("member"), true),
        (of_acme("nobody"), false),
        (Authority::support(ACME, Some(Membership::of(Role::Member))), true),
        (Authority::support(ACME, None), false),
        (owner_with(&[Grant::VariablesRead]), true),
        (owner_with(&[Grant::VariablesManage, Grant::Deploy]), false),
        (owner_with(&[]), false),
    ];
    let wrong = |rule: Rule| cases.iter().filter(|(who, may)| rule(who) != *may).count();
    assert_eq!(wrong(|who| who.holds(Grant::VariablesRead, Level::Environment, HERE())), 0);
    let sins: [(&str, Rule); 2] = [
        ("whoever sets them reads them", |who| who.holds(Grant::VariablesManage, Level::Environment, HERE())),
        ("the token is not asked", |who| {
            let whole = Authority { narrowing: Narrowing::Whole, ..who.clone() };
            whole.holds(Grant::VariablesRead, Level::Environment, HERE())
        }),
    ];
    for (sin, rule) in sins {
        assert_ne!(wrong(rule), 0, "{sin}");
    }
}

#[test]
fn who_owns_a_workspace_does_not_own_the_platform() {
    let acme = of_acme("owner");
    assert!(acme.holds(Grant::RollBack, Level::Workspace, Scope::default()), "it is theirs");
    assert!(!acme.holds(Grant::RollBack, Level::Platform, Scope::default()), "nothing reaches beyond the workspace");
    assert!(!acme.holds(Grant::PlatformManage, Level::Workspace, Scope::default()), "and that grant is nobody's there");
    for row in TABLE.iter().filter(|row| row.level == Level::Platform && row.need != Need::Nobody) {
        assert!(caller("owner").permit(row.command, row.writers[0], Scope::default()).is_ok(), "{}", row.command);
        assert!(acme.permit(row.command, row.writers[0], Scope::default()).is_err(), "{}", row.command);
    }
}

#[test]
fn a_refusal_says_what_was_needed_and_what_is_so() {
    let refused =
        caller("member").permit("app.create", Writer::Api, Scope::default()).expect_err("members create none");
    assert_eq!(refused.code(), "GRANT_MISSING");
    assert_eq!(refused.expected_and_actual(), Some(("app_manage".to_owned(), "member".to_owned())));
    let refused = Authority::itself().permit("app.create", Writer::Runner, Scope::default()).expect_err("not a runner");
    assert_eq!(refused.code(), "WRONG_WRITER");
    assert_eq!(refused.expected_and_actual(), Some(("api".to_owned(), "runner".to_owned())));
}

const PROJECT: ProjectId = ProjectId(Uuid::from_u128(1));
const OTHER_PROJECT: ProjectId = ProjectId(Uuid::from_u128(2));
const ENVIRONMENT: EnvironmentId = EnvironmentId(Uuid::from_u128(3));

fn everywhere(kind: environment::Kind) -> Scope {
    Scope { project: Some(PROJECT), environment: Some((ENVIRONMENT, kind)) }
}

fn other() -> (EnvironmentId, environment::Kind) {
    (EnvironmentId(Uuid::from_u128(4)), environment::Kind::Production)
}

/// Somebody of the workspace that runs the platform.
fn caller(column: &str) -> Authority {
    Authority::caller(PLATFORM, column.parse().ok().map(Membership::of))
}

/// Somebody of a customer's workspace.
fn of_acme(column: &str) -> Authority {
    Authority::caller(ACME, column.parse().ok().map(Membership::of))
}

/// A line of the matrix.
struct Line {
    command: &'static str,
    writers: Vec<Writer>,
    verdicts: Vec<&'static str>,
    custom: Option<(Grant, &'static str)>,
}

fn lines() -> Vec<Line> {
    let line = |line: &'static str| {
        let [command, writers, verdicts, custom] =
            line.split('|').map(str::trim).collect::<Vec<_>>()[..].try_into().expect("four columns");
        Line {
            command,
            writers: writers.split_whitespace().map(|word| word.parse().expect("a writer")).collect(),
            verdicts: verdicts.split_whitespace().collect(),
            custom: custom.split_once(' ').map(|(grant, reach)| (grant.parse().expect("a grant"), reach)),
        }
    };
    MATRIX.lines().filter(|text| !text.is_empty()).map(line).collect()
}

/// Every cell in which a table says something else than the matrix.
fn wrong_cells(table: &'static [Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut lines = lines();
    for command in table.iter().map(|row| row.command) {
        let Some(at) = lines.iter().position(|line| line.command == command) else {
            wrong.push(format!("{command} stands in no line of the matrix"));
            continue;
        };
        let line = lines.swap_remove(at);
        for writer in Writer::ALL {
            let named = line.writers.contains(writer);
            let mut cell = |who: &str, authority: Authority, kind, expected: bool| {
                let found = authority.by(table).permit(command, *writer, everywhere(kind)).is_ok();
                if found != expected {
                    wrong.push(format!("{command} by {writer}, {who}, {kind}: {found}"));
                }
            };
            for kind in environment::Kind::ALL {
                cell("itself", Authority::itself(), *kind, named);
                for (column, verdict) in COLUMNS.iter().zip(&line.verdicts) {
                    let good = *verdict == "yes" || *verdict == "preview" && *kind != environment::Kind::Production;
                    let of_callers = ["api", "pipeline", "platform"].contains(&writer.as_str());
                    cell(column, caller(column), *kind, named && of_callers && good);
                    let theirs = line.custom.is_none_or(|(grant, _)| grant != Grant::PlatformManage);
                    cell(&format!("Acme's {column}"), of_acme(column), *kind, named && of_callers && good && theirs);
                }
            }
        }
    }
    wrong.extend(lines.iter().map(|line| format!("{} stands in no row of the table", line.command)));
    wrong
}

/// A table that lets this writer issue this command, too.
fn with_writer(command: &'static str, writer: Writer) -> &'static [Row] {
    let sin = TABLE.iter().map(|row| {
        let mut row = *row;
        if row.command == command {
            row.writers = Box::leak([row.writers, &[writer]].concat().into_boxed_slice());
        }
        row
    });
    Box::leak(sin.collect::<Vec<_>>().into_boxed_slice())
}

/// Such a table is caught by the matrix, in exactly these cells.
#[track_caller]
fn assert_caught(command: &'static str, writer: Writer) {
    let wrong = wrong_cells(with_writer(command, writer));
    assert!(!wrong.is_empty(), "the sin was not found");
    assert!(wrong.iter().all(|cell| cell.starts_with(&format!("{command} by {writer}"))), "{wrong:?}");
}

/// Such a table changes nothing: whoever does not write that class of state is refused by the state taxonomy.
#[track_caller]
fn assert_harmless(command: &'static str, writer: Writer) {
    assert_eq!(wrong_cells(with_writer(command, writer)), Vec::<String>::new());
}

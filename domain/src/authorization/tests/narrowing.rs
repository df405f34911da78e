//! A token's narrowing against every row: what is permitted is what the holder may *and* the token leaves, never more, and
//! nothing else is taken away.

use super::*;

/// The grant that a row asks of a caller in this kind of environment, told independently of `permit`.
fn asked(row: &Row, kind: environment::Kind) -> Option<Grant> {
    match row.need {
        Need::One(grant) => Some(grant),
        Need::Promote if kind == environment::Kind::Production => Some(Grant::PromoteProduction),
        Need::Promote => Some(Grant::PromotePreview),
        Need::Nobody | Need::Nothing | Need::Own | Need::Beside => None,
    }
}

/// Every cell in which a narrowed token gets something else than both its holder and the token allow.
fn wrong_cells(table: &'static [Row], narrowings: &[Narrowing]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in TABLE {
        for (writer, kind, role) in cells(row) {
            let holder = || Authority::caller(PLATFORM, Some(Membership::of(role))).by(table);
            for narrowing in narrowings {
                let Narrowing::Only(left) = narrowing else { panic!("whole tokens take nothing away") };
                let leaves = match asked(row, kind) {
                    Some(grant) => left.contains(&grant) && !NEVER_NARROWED.contains(&grant),
                    // What only reads changes nothing of one's own, either.
                    None => row.need == Need::Beside || (row.need == Need::Own && !left.is_empty()),
                };
                let whole = holder().permit(row.command, writer, everywhere(kind)).is_ok();
                let narrowed = holder().narrowed(narrowing.clone()).permit(row.command, writer, everywhere(kind));
                if narrowed.is_ok() != (whole && leaves) {
                    wrong.push(format!("{} by {writer}, {role}, {kind}: {narrowed:?}", row.command));
                }
            }
        }
    }
    wrong
}

fn cells(row: &Row) -> impl Iterator<Item = (Writer, environment::Kind, Role)> {
    let kinds = || environment::Kind::ALL.iter().copied();
    let roles = || Role::ALL.iter().copied();
    row.writers
        .iter()
        .flat_map(move |writer| kinds().flat_map(move |kind| roles().map(move |role| (*writer, kind, role))))
}

/// One grant each, all of them, none.
fn narrowings() -> Vec<Narrowing> {
    let mut each: Vec<_> = Grant::ALL.iter().map(|grant| Narrowing::Only(BTreeSet::from([*grant]))).collect();
    each.push(Narrowing::Only(Grant::ALL.iter().copied().collect()));
    each.push(Narrowing::Only(BTreeSet::new()));
    each
}

#[test]
fn a_narrowed_token_may_what_both_its_holder_and_its_grants_allow() {
    assert_eq!(wrong_cells(TABLE, &narrowings()), Vec::<String>::new());
}

#[test]
fn a_table_that_lets_narrowed_tokens_open_workspaces_is_caught() {
    let sin = TABLE.iter().map(|row| match row.need {
        Need::Nothing => Row { need: Need::Beside, ..*row },
        Need::Nobody | Need::Own | Need::Beside | Need::One(_) | Need::Promote => *row,
    });
    let wrong = wrong_cells(Box::leak(sin.collect::<Vec<_>>().into_boxed_slice()), &narrowings());
    assert!(wrong.iter().any(|cell| cell.starts_with("workspace.create")), "{wrong:?}");
}

#[test]
fn a_token_that_only_reads_issues_no_command_of_its_own() {
    for row in TABLE {
        for (writer, kind, role) in cells(row) {
            let reads =
                Authority::caller(PLATFORM, Some(Membership::of(role))).narrowed(Narrowing::Only(BTreeSet::new()));
            let permitted = reads.permit(row.command, writer, everywhere(kind)).is_ok();
            // These stand beside a command that is judged by itself, or say that one was refused.
            let beside = ["claim.claim", "claim.release", "refusal.record", "token.find"].contains(&row.command);
            assert!(!permitted || beside, "{} by {writer}, {role}", row.command);
        }
    }
}

#[test]
fn no_narrowed_token_passes_rights_on_whatever_it_was_given() {
    for grant in NEVER_NARROWED {
        assert_eq!(Narrowing::only(BTreeSet::from([*grant, Grant::Deploy])), Err(*grant));
        assert!(!Narrowing::Only(BTreeSet::from([*grant])).leaves(*grant), "not even if it is in the table");
    }
}

#[test]
fn a_refusal_says_that_it_is_the_token() {
    let owner = || Authority::caller(PLATFORM, Some(Membership::of(Role::Owner)));
    let deploys = owner().narrowed(Narrowing::Only(BTreeSet::from([Grant::Deploy])));
    let refused = deploys.permit("app.create", Writer::Api, Scope::default()).expect_err("it only deploys");
    assert_eq!(
        refused.expected_and_actual(),
        Some(("app_manage".to_owned(), "owner, with a narrowed token".to_owned()))
    );
    let refused = deploys.permit("workspace.create", Writer::Api, Scope::default()).expect_err("it only deploys");
    assert_eq!(refused.code(), "TOKEN_NARROWED");
}

#[test]
fn one_narrowing_covers_another_when_nothing_of_that_goes_beyond_it() {
    let only = |grants: &[Grant]| Narrowing::Only(grants.iter().copied().collect());
    let (none, one, two) = (only(&[]), only(&[Grant::Deploy]), only(&[Grant::Deploy, Grant::Scale]));
    for (wide, narrow) in [(&Narrowing::Whole, &two), (&two, &one), (&one, &none)] {
        assert!(wide.covers(narrow) && wide.covers(wide) && !narrow.covers(wide), "{wide:?} {narrow:?}");
    }
}

#[test]
fn a_token_without_grants_is_called_one_that_only_reads() {
    let said = |grants: &[Grant]| Narrowing::Only(grants.iter().copied().collect()).to_string();
    assert_eq!(said(&[]), "a token that only reads");
    assert_eq!(said(&[Grant::Deploy]), "a narrowed token");
    assert!(!Narrowing::Whole.reads_only(), "a whole one changes whatever its holder may");
}

//! Deploy impact: what a change of owner means for whoever uses the app, in one word with its reasons, from four things that
//! are judged apart: kept state, the database, open sessions and generated files. It is shown; the gates decide.
//! Trap: one number for everything; a warm state says nothing about the database, and no open session makes a cold one warm.

use crate::{
    actor::{UnknownWord, words},
    database_impact::Impact,
    generated::Freshness,
    vango_state::Compatibility,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// The impact in one word.
    Word {
        /// Sessions go on.
        Warm = "warm",
        /// Sessions begin anew; somebody has to acknowledge it.
        Cold = "cold",
        /// It may not happen as it is.
        Blocked = "blocked",
    }
}

words! {
    /// Whether anybody is connected.
    Sessions {
        /// Nobody, as far as the edges tell.
        None = "none",
        /// Somebody.
        Active = "active",
    }
}

/// The impact, with reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployImpact {
    /// In one word.
    pub word: Word,
    /// Why; never empty.
    pub reasons: Vec<String>,
}

/// The impact of these four. Blocked outweighs cold, cold outweighs warm; every reason is told, whatever outweighs it.
pub fn impact(state: Compatibility, database: Impact, sessions: Sessions, files: Freshness) -> DeployImpact {
    let found = [of_files(files), of_database(database, sessions), of_state(state, sessions)];
    let word = found.iter().map(|(word, _)| *word).max().unwrap_or(Word::Blocked);
    DeployImpact { word, reasons: found.into_iter().map(|(_, reason)| reason.to_owned()).collect() }
}

fn of_files(files: Freshness) -> (Word, &'static str) {
    match files {
        Freshness::Stale => (Word::Blocked, "a generated file is not what was generated"),
        Freshness::Fresh => (Word::Warm, "every generated file is what was generated"),
        Freshness::Undeclared => (Word::Warm, "the artifact declares no generated files"),
    }
}

fn of_database(database: Impact, sessions: Sessions) -> (Word, &'static str) {
    match (database, sessions) {
        (Impact::None, _) => (Word::Warm, "the database does not change"),
        (Impact::Additive, _) => (Word::Warm, "the database only grows"),
        (Impact::BackwardCompatible, _) => (Word::Warm, "the database changes so that the present code still works"),
        (Impact::Destructive, Sessions::None) => (Word::Blocked, "the database changes for good; there is no way back"),
        (Impact::Destructive, Sessions::Active) => {
            (Word::Blocked, "the database changes for good, under sessions that are still open; there is no way back")
        }
        (Impact::Unknown, _) => (Word::Blocked, "nobody says how the database changes"),
    }
}

fn of_state(state: Compatibility, sessions: Sessions) -> (Word, &'static str) {
    match (state, sessions) {
        (Compatibility::Same, _) => (Word::Warm, "sessions keep their state"),
        (Compatibility::Additive, _) => (Word::Warm, "sessions keep their state and gain some"),
        (Compatibility::Incompatible, Sessions::Active) => (Word::Cold, "open sessions lose kept state"),
        (Compatibility::Incompatible, Sessions::None) => {
            (Word::Cold, "nobody is connected, but sessions that come back lose kept state")
        }
        (Compatibility::Unknown, _) => (Word::Cold, "nobody can say which state sessions lose"),
    }
}

#[cfg(test)]
mod tests {
    //! All 120 cases, what they have in common, and rules that look at less.
    use super::*;

    type Rule = fn(Compatibility, Impact, Sessions, Freshness) -> DeployImpact;

    fn every(rule: Rule, mut look: impl FnMut(Compatibility, Impact, Sessions, Freshness, &DeployImpact)) {
        for state in Compatibility::ALL {
            for database in Impact::ALL {
                for sessions in Sessions::ALL {
                    for files in Freshness::ALL {
                        let found = rule(*state, *database, *sessions, *files);
                        look(*state, *database, *sessions, *files, &found);
                    }
                }
            }
        }
    }

    /// Rows: state. Columns: none, additive, backward-compatible, destructive, unknown. Files are not stale.
    const TABLE: [(Compatibility, &str); 4] = [
        (Compatibility::Same, "wwwbb"),
        (Compatibility::Additive, "wwwbb"),
        (Compatibility::Incompatible, "cccbb"),
        (Compatibility::Unknown, "cccbb"),
    ];

    /// How many cases there are, and in which a rule says another word than the table, or not every reason.
    fn wrong(rule: Rule) -> (usize, Vec<String>) {
        let (mut cases, mut wrong) = (0, vec![]);
        every(rule, |state, database, sessions, files, found| {
            let row = TABLE.iter().find(|(of, _)| *of == state).expect("a row").1;
            let column = Impact::ALL.iter().position(|of| *of == database).expect("a column");
            let word = if files == Freshness::Stale { "b" } else { &row[column..=column] };
            if !found.word.as_str().starts_with(word) || found.reasons.len() != 3 {
                wrong.push(format!("{state} {database} {sessions} {files}"));
            }
            cases += 1;
        });
        (cases, wrong)
    }

    #[test]
    fn every_case_is_as_the_table_says() {
        assert_eq!(wrong(impact), (4 * 5 * 2 * 3, vec![]));
    }

    #[test]
    fn a_rule_that_takes_one_answer_for_all_is_caught() {
        let sins: [(&str, Rule); 4] = [
            ("warm, so the way back is safe", |state, _, sessions, files| impact(state, Impact::None, sessions, files)),
            ("what nobody says does not happen", |state, database, sessions, files| {
                let known = if database == Impact::Unknown { Impact::Additive } else { database };
                impact(state, known, sessions, files)
            }),
            ("an empty room is warm", |state, database, sessions, files| {
                let kept = if sessions == Sessions::None { Compatibility::Same } else { state };
                impact(kept, database, sessions, files)
            }),
            ("generated files are nobody's business", |state, database, sessions, _| {
                impact(state, database, sessions, Freshness::Fresh)
            }),
        ];
        for (sin, rule) in sins {
            assert_ne!(wrong(rule).1, Vec::<String>::new(), "{sin}");
        }
    }

    #[test]
    fn an_empty_room_makes_no_cold_deploy_warm() {
        every(impact, |state, database, sessions, files, found| {
            let other = impact(state, database, Sessions::Active, files);
            assert_eq!(found.word, other.word, "{sessions}");
        });
    }
}

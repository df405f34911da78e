//! The wake request classifier: what an edge does with a request, by where the environment is in its life, what kind of
//! request it is and what the app promised. Pure; its case table stands below it. Trap: "unsafe wake replay", a payment that
//! is taken twice because somebody in between held it and sent it again.

use crate::{
    actor::{UnknownWord, words},
    ids::{EnvironmentId, OperationId, derived},
    numbers::{Epoch, SleepGeneration},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// Where an environment is between sleeping and serving, in one region.
    Lifecycle {
        /// It has an owner, and nothing of it has run here yet.
        Cold = "cold",
        /// Somebody has asked for it.
        WakeRequested = "wake_requested",
        /// An allocation is ordered.
        Starting = "starting",
        /// The allocation is on its way to being ready.
        ReadinessWait = "readiness_wait",
        /// It serves.
        Hot = "hot",
        /// The last wake failed; the next may be asked for later.
        Failed = "failed",
        /// It runs nowhere, by policy.
        Sleeping = "sleeping",
    }
}

words! {
    /// What kind of request.
    Class {
        /// GET or HEAD without a body: asking twice changes nothing.
        Read = "read",
        /// A WebSocket handshake: nothing has been said yet.
        Handshake = "handshake",
        /// Everything else: a POST, a webhook, an action.
        Unsafe = "unsafe",
    }
}

words! {
    /// What the app promised about such a request.
    Replay {
        /// Nothing.
        Undeclared = "undeclared",
        /// It recognises such a request by a key, and this one has none.
        Keyless = "keyless",
        /// It recognises this request by its key.
        Declared = "declared",
    }
}

words! {
    /// What the edge does.
    Answer {
        /// Sends it on.
        Pass = "pass",
        /// Keeps it, unread and within a budget, until the app serves; then sends it on once.
        Hold = "hold",
        /// 503 with Retry-After; the app sees nothing, and nothing is sent again by anybody but the client.
        Later = "later",
    }
}

/// What an edge asks the control plane: that this sleep end. The wake's id is made of nothing else, so asking twice is asking
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Whose traffic waits.
    pub environment: EnvironmentId,
    /// The epoch of the route.
    pub epoch: Epoch,
    /// Which sleep is to end.
    pub sleep_generation: SleepGeneration,
}

impl Ask {
    /// The id of the operation that it leads to, whoever asks.
    pub fn operation(&self) -> OperationId {
        let (epoch, generation) = (self.epoch.to_string(), self.sleep_generation.to_string());
        OperationId(derived(&["wake", &self.environment.to_string(), &epoch, &generation]))
    }
}

/// The rule.
#[expect(clippy::match_same_arms, reason = "the order is the order of the questions")]
pub fn classify(lifecycle: Lifecycle, class: Class, replay: Replay) -> Answer {
    match (lifecycle, class, replay) {
        (Lifecycle::Hot, _, _) => Answer::Pass,
        (Lifecycle::Failed, _, _) => Answer::Later,
        (
            Lifecycle::Cold
            | Lifecycle::Sleeping
            | Lifecycle::WakeRequested
            | Lifecycle::Starting
            | Lifecycle::ReadinessWait,
            Class::Read | Class::Handshake,
            _,
        )
        | (_, Class::Unsafe, Replay::Declared) => Answer::Hold,
        (_, Class::Unsafe, Replay::Undeclared | Replay::Keyless) => Answer::Later,
    }
}

#[cfg(test)]
mod tests {
    //! Every case, and the sins a case table must notice.
    use super::*;

    type Rule = fn(Lifecycle, Class, Replay) -> Answer;

    /// Columns: read, handshake, unsafe, each undeclared, keyless, declared.
    const TABLE: [(Lifecycle, [&str; 3]); 7] = [
        (Lifecycle::Cold, ["H H H", "H H H", "L L H"]),
        (Lifecycle::WakeRequested, ["H H H", "H H H", "L L H"]),
        (Lifecycle::Starting, ["H H H", "H H H", "L L H"]),
        (Lifecycle::ReadinessWait, ["H H H", "H H H", "L L H"]),
        (Lifecycle::Hot, ["P P P", "P P P", "P P P"]),
        (Lifecycle::Failed, ["L L L", "L L L", "L L L"]),
        (Lifecycle::Sleeping, ["H H H", "H H H", "L L H"]),
    ];

    /// Every case that a rule gets wrong.
    fn wrong(rule: Rule) -> Vec<(Lifecycle, Class, Replay)> {
        let mut wrong = Vec::new();
        for (lifecycle, rows) in TABLE {
            for (class, row) in Class::ALL.iter().zip(rows) {
                for (replay, letter) in Replay::ALL.iter().zip(row.split(' ')) {
                    let expected = match letter {
                        "P" => Answer::Pass,
                        "H" => Answer::Hold,
                        _ => Answer::Later,
                    };
                    if rule(lifecycle, *class, *replay) != expected {
                        wrong.push((lifecycle, *class, *replay));
                    }
                }
            }
        }
        wrong
    }

    #[test]
    fn the_wake_request_classifier_in_all_63_cases() {
        assert_eq!(TABLE.len(), Lifecycle::ALL.len());
        assert_eq!(wrong(classify), []);
    }

    #[test]
    #[expect(clippy::wildcard_enum_match_arm, reason = "a sin changes one case")]
    fn unsafe_wake_replay_is_caught() {
        let sins: [(&str, Rule); 5] = [
            ("a webhook is held without a contract", |l, c, r| match classify(l, c, r) {
                Answer::Later if l != Lifecycle::Failed && r == Replay::Undeclared => Answer::Hold,
                other => other,
            }),
            ("a contract is taken for a key", |l, c, r| match r {
                Replay::Keyless => classify(l, c, Replay::Declared),
                Replay::Undeclared | Replay::Declared => classify(l, c, r),
            }),
            ("a cold allocation is counted as hot", |l, c, r| match l {
                Lifecycle::ReadinessWait => Answer::Pass,
                _ => classify(l, c, r),
            }),
            ("a handshake is taken for an action", |l, c, r| match c {
                Class::Handshake => classify(l, Class::Unsafe, r),
                Class::Read | Class::Unsafe => classify(l, c, r),
            }),
            ("a failed wake holds on", |l, c, r| match l {
                Lifecycle::Failed => classify(Lifecycle::Sleeping, c, r),
                _ => classify(l, c, r),
            }),
        ];
        for (sin, rule) in sins {
            assert_ne!(wrong(rule), [], "{sin}");
        }
    }
}

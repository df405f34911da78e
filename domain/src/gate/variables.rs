//! Whether the set of variables that the deployment would run with holds every key that its artifact says it needs. Trap:
//! a secret that is there today taken for one of the deployment's own set, which is for ever the one it first ran with.

use super::{Code, Facts, Judged, Refusal};
use crate::{numbers::EnvSet, provider::Needs, variables::Variables};

const KIND: &str = "variables";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let nothing = Needs::default();
    let needs = facts.next.map_or(&nothing, |artifact| &artifact.needs);
    of(needs, facts.change.env_set, facts.variables).or_warned_on_the_way_back(facts)
}

/// The gate for these needs and this set.
pub(crate) fn of(needs: &Needs, set: EnvSet, variables: &Variables) -> Judged {
    if needs.variables.is_empty() {
        return Judged::open(KIND, "it requires no variable", format!("set {set}"));
    }
    let listed = |keys: Vec<String>| keys.join(", ");
    let missing = variables.missing(set, &needs.variables);
    if missing.is_empty() {
        let keys = listed(needs.variables.iter().map(ToString::to_string).collect());
        return Judged::open(KIND, "every variable it requires is in its set", format!("set {set}: {keys}"));
    }
    let missing = listed(missing.iter().map(ToString::to_string).collect());
    let message = format!("set {set} of the environment's variables lacks {missing}, which the artifact requires");
    Judged::closed(KIND, Refusal::new(Code::VariablesMissing, Some("environmentId"), message), missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aggregate::fold,
        digest::Digest,
        ids::ValueId,
        operation::Verdict,
        story::{ACME, PRODUCTION, SHOP, at},
        variables::{Entry, Event, Key, Kind, Lane},
    };
    use std::collections::BTreeSet;

    fn key(text: &str) -> Key {
        Key::parse("key", text).expect("a key")
    }

    fn needs(keys: &[&str]) -> Needs {
        Needs { variables: keys.iter().map(|text| key(text)).collect(), ..Needs::default() }
    }

    /// TOKEN from set 1 on, MAIL from set 2 on, TOKEN gone in set 3.
    fn variables() -> Variables {
        let lane = Lane { workspace: ACME, app: SHOP, environment: PRODUCTION };
        let changed = |to: u64, set: &[&str], unset: &[&str]| Event::Changed {
            lane,
            to: EnvSet(to),
            set: set.iter().map(|text| (key(text), entry(to))).collect(),
            unset: unset.iter().map(|text| key(text)).collect::<BTreeSet<_>>(),
            at: at(0),
        };
        fold(&[changed(1, &["TOKEN"], &[]), changed(2, &["MAIL"], &[]), changed(3, &[], &["TOKEN"])])
    }

    fn entry(set: u64) -> Entry {
        let value = ValueId(uuid::Uuid::from_u128(set.into()));
        Entry { kind: Kind::Secret, digest: Digest([1; 32]), value, sealed_in: EnvSet(set), counted: 256 }
    }

    /// How often the gate says something else than these cases; every closed one names exactly what is missing.
    fn wrong(gate: fn(&Needs, EnvSet, &Variables) -> Judged) -> usize {
        let cases: [(&[&str], u64, &str); 8] = [
            (&[], 0, ""),
            (&["TOKEN"], 0, "TOKEN"),
            (&["TOKEN"], 1, ""),
            (&["TOKEN", "MAIL"], 1, "MAIL"),
            (&["TOKEN", "MAIL"], 2, ""),
            (&["TOKEN", "MAIL"], 3, "TOKEN"),
            (&["TOKEN", "MAIL"], 4, "MAIL, TOKEN"),
            (&["OTHER"], 2, "OTHER"),
        ];
        let differs = |(keys, set, missing): &(&[&str], u64, &str)| {
            let judged = gate(&needs(keys), EnvSet(*set), &variables());
            match judged.refusal {
                None => !missing.is_empty() || judged.gate.verdict != Verdict::Pass,
                Some(refusal) => refusal.code != "VARIABLES_MISSING" || judged.gate.evidence != *missing,
            }
        };
        cases.iter().filter(|case| differs(case)).count()
    }

    #[test]
    fn what_is_required_must_be_in_the_set_that_the_deployment_runs_with() {
        assert_eq!(wrong(of), 0);
        let looks_at_today: fn(&Needs, EnvSet, &Variables) -> Judged = |needs, _, sets| of(needs, sets.current, sets);
        let any_set_will_do: fn(&Needs, EnvSet, &Variables) -> Judged = |needs, set, sets| {
            let ever = (0..=sets.current.0).any(|one| of(needs, EnvSet(one), sets).refusal.is_none());
            if ever { Judged::open(KIND, "it was there once", "") } else { of(needs, set, sets) }
        };
        for sin in [looks_at_today, any_set_will_do] {
            assert!(wrong(sin) > 0, "the cases do not notice the sin");
        }
    }
}

//! Vango state impact: what becomes of persisted session state when one artifact follows another. Pure, from what both
//! manifests and schemas say. Hashes and ids are opaque: they are compared and never recomputed.
//! Trap: reading warm as safe to go back; the database is another gate, and nothing here knows of it.

use crate::{
    actor::{UnknownWord, words},
    artifact_facts::{PersistedFacts, VangoFacts},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

words! {
    /// How the state of one artifact relates to that of the one before.
    Compatibility {
        /// Nothing that is kept has changed.
        Same = "same",
        /// Something is kept that was not, or is kept under another name.
        Additive = "additive",
        /// Something that was kept is not, or is written otherwise.
        Incompatible = "incompatible",
        /// One side does not say, or says it in a form that cannot be compared.
        Unknown = "unknown",
    }
}

words! {
    /// Whether sessions go on.
    Temperature {
        /// They take up what they kept.
        Warm = "warm",
        /// They begin anew, in part or altogether.
        Cold = "cold",
    }
}

impl Compatibility {
    /// Only what is known to be kept lets sessions go on.
    pub fn temperature(self) -> Temperature {
        match self {
            Self::Same | Self::Additive => Temperature::Warm,
            Self::Incompatible | Self::Unknown => Temperature::Cold,
        }
    }
}

/// What was found, with reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateImpact {
    /// How the two relate.
    pub compatibility: Compatibility,
    /// Why: each thing that differs, or why nothing could be compared.
    pub reasons: Vec<String>,
}

impl StateImpact {
    /// Whether sessions go on.
    pub fn temperature(&self) -> Temperature {
        self.compatibility.temperature()
    }

    /// Nobody is there whose state could be lost.
    pub fn first() -> Self {
        Self::of(Compatibility::Same, "no artifact owned this traffic before, so nothing is kept yet")
    }

    /// The same bytes keep the same state.
    pub fn same_bytes() -> Self {
        Self::of(Compatibility::Same, "the same bytes own the traffic already")
    }

    /// One side is not on record.
    pub fn unknown(reason: &str) -> Self {
        Self::of(Compatibility::Unknown, reason)
    }

    fn of(compatibility: Compatibility, reason: &str) -> Self {
        Self { compatibility, reasons: vec![reason.to_owned()] }
    }

    /// The reasons as one sentence.
    pub fn said(&self) -> String {
        self.reasons.join("; ")
    }
}

/// Compares what the artifact before and the next one say of their state; none is an artifact that is no Vango app.
pub fn between(present: Option<&VangoFacts>, next: Option<&VangoFacts>) -> StateImpact {
    let (present, next) = match (present, next) {
        (None, None) => return StateImpact::of(Compatibility::Same, "neither artifact describes any Vango state"),
        (Some(_), None) => return StateImpact::unknown("the next artifact does not describe its Vango state"),
        (None, Some(_)) => return StateImpact::unknown("the present artifact does not describe its Vango state"),
        (Some(present), Some(next)) => (present, next),
    };
    if let Some(reason) = incomparable(present, next) {
        return StateImpact::unknown(&reason);
    }
    let mut found = Found::default();
    found.primitives(present, next);
    found.session_keys(&present.session_keys, &next.session_keys);
    found.schema(present, next);
    found.impact()
}

/// Forms that differ cannot be compared; of two artifacts either both have a schema or none.
fn incomparable(present: &VangoFacts, next: &VangoFacts) -> Option<String> {
    if major(&present.manifest_version) != major(&next.manifest_version) {
        return Some(format!(
            "the manifest's form changed from {} to {}, and the two cannot be compared",
            present.manifest_version, next.manifest_version
        ));
    }
    match (&present.schema_hash, &next.schema_hash) {
        (Some(_), None) => Some("the next artifact has no state schema".into()),
        (None, Some(_)) => Some("the present artifact has no state schema".into()),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

#[derive(Default)]
struct Found {
    breaks: Vec<String>,
    grows: Vec<String>,
}

impl Found {
    fn primitives(&mut self, present: &VangoFacts, next: &VangoFacts) {
        let mut taken_over = Vec::new();
        for (id, print) in &present.persisted {
            let before = present.details.get(id);
            let (new_id, after) = match next.persisted.get(id) {
                Some(print) => (id, print),
                None => match alias_of(next, id, before) {
                    Some(found) => found,
                    None => {
                        self.breaks.push(format!("persisted {} was removed", named(id, before)));
                        continue;
                    }
                },
            };
            taken_over.push(new_id);
            self.kept((id, print, before), (new_id, after, next.details.get(new_id)));
        }
        for id in next.persisted.keys().filter(|id| !taken_over.contains(id)) {
            self.grows.push(format!("persisted {} was added", named(id, next.details.get(id))));
        }
    }

    fn kept(&mut self, (id, print, before): Entry<'_>, (new_id, new_print, after): Entry<'_>) {
        let name = named(id, before);
        if print != new_print {
            self.breaks.push(format!("the codecFingerprint of persisted {name} changed"));
        }
        let (before, after) = (before.cloned().unwrap_or_default(), after.cloned().unwrap_or_default());
        if differ(before.schema_id.as_ref(), after.schema_id.as_ref()) {
            self.breaks.push(format!("the schema id of persisted {name} changed"));
        }
        if differ(before.kind.as_ref(), after.kind.as_ref()) {
            self.breaks.push(format!("the kind of persisted {name} changed"));
        }
        if id != new_id || differ(before.anchor.as_ref(), after.anchor.as_ref()) {
            let to = after.anchor.as_deref().unwrap_or(new_id);
            self.grows.push(format!("persisted {name} moved under an alias to {to}"));
        }
    }

    fn session_keys(&mut self, present: &BTreeMap<String, String>, next: &BTreeMap<String, String>) {
        for (key, print) in present {
            match next.get(key) {
                None => self.breaks.push(format!("session key {key} was removed")),
                Some(same) if same == print => {}
                Some(_) => self.breaks.push(format!("session key {key} is written otherwise")),
            }
        }
        for key in next.keys().filter(|key| !present.contains_key(*key)) {
            self.grows.push(format!("session key {key} was added"));
        }
    }

    /// The id of the whole schema follows from what it lists. Where it changed and nothing listed did, it is believed.
    fn schema(&mut self, present: &VangoFacts, next: &VangoFacts) {
        if differ(present.schema_version.as_ref(), next.schema_version.as_ref()) {
            self.breaks.push("the form of the state schema changed".into());
        }
        let explained = !self.breaks.is_empty() || !self.grows.is_empty();
        if !explained && (present.build_schema != next.build_schema || present.schema_hash != next.schema_hash) {
            self.breaks.push("the schema id changed, and nothing that is listed explains it".into());
        }
    }

    fn impact(self) -> StateImpact {
        let (compatibility, reasons) = match (self.breaks.is_empty(), self.grows.is_empty()) {
            (true, true) => (Compatibility::Same, vec!["what sessions keep is the same".to_owned()]),
            (true, false) => (Compatibility::Additive, self.grows),
            (false, _) => (Compatibility::Incompatible, self.breaks.into_iter().chain(self.grows).collect()),
        };
        StateImpact { compatibility, reasons }
    }
}

/// An id, its fingerprint, and what else is said of it.
type Entry<'a> = (&'a String, &'a String, Option<&'a PersistedFacts>);

/// The entry of the next artifact that says it is the former one.
fn alias_of<'a>(next: &'a VangoFacts, id: &str, before: Option<&PersistedFacts>) -> Option<(&'a String, &'a String)> {
    let anchor = before.and_then(|before| before.anchor.as_deref());
    let is_it = |alias: &String| alias == id || Some(alias.as_str()) == anchor;
    let (new_id, _) = next.details.iter().find(|(_, after)| after.aliases.iter().any(is_it))?;
    next.persisted.get_key_value(new_id)
}

/// Whether both sides say it, and say different things.
fn differ(before: Option<&String>, after: Option<&String>) -> bool {
    before.zip(after).is_some_and(|(before, after)| before != after)
}

fn named(id: &str, details: Option<&PersistedFacts>) -> String {
    match details.and_then(|details| details.anchor.as_ref()) {
        Some(anchor) => format!("{id} ({anchor})"),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests;

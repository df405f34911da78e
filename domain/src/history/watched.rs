//! What is told of an environment between two moments: which place in which state is which field. Every place of those
//! states is either watched or named as one that is not. Trap: a new field of a state that no audit ever mentions.

use super::difference::escaped;
use crate::actor::{UnknownWord, words};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fmt, str::FromStr};

words! {
    /// What of an environment may change.
    WatchedField {
        /// That there is one.
        Existence = "existence",
        /// How many allocations of its owner are wanted.
        Replicas = "replicas",
        /// What promotions to it need.
        Policy = "policy",
        /// Who approved what.
        Approvals = "approvals",
        /// When it goes to sleep by itself.
        SleepPolicy = "sleep_policy",
        /// How sessions of its former owners end.
        DrainPolicy = "drain_policy",
        /// Where anything of it may ever be.
        Residency = "residency",
        /// The regions it may be moved to.
        Regions = "regions",
        /// Who owns its traffic.
        RouteOwner = "route_owner",
        /// How often the owner changed.
        RouteEpoch = "route_epoch",
        /// Where it is served.
        RoutePlace = "route_place",
        /// The hostnames that lead to it.
        Hosts = "hosts",
        /// Whether promotions are held back.
        Freeze = "freeze",
        /// What a rollback fastened.
        Pin = "pin",
        /// The digests that may not come back.
        Quarantine = "quarantine",
        /// Whether it sleeps.
        Sleep = "sleep",
        /// Its variables and secrets, by key; no values.
        Variables = "variables",
        /// Its outside resources.
        ProviderBindings = "provider_bindings",
        /// Its runtime services.
        RuntimeServices = "runtime_services",
        /// What ran against its database.
        Migrations = "migrations",
    }
}

/// The nouns whose streams have their environment's id.
pub const OF_AN_ENVIRONMENT: &[&str] =
    &["environment", "route_owner", "variables", "provider_binding", "runtime_service_binding", "migrations"];

/// How a place is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As one value.
    Whole,
    /// Each key of a map by itself.
    Keys,
    /// Each key of a map of lives by itself: the last of each.
    Lives,
    /// Each member of a list by itself, wherever it stands.
    Members,
}

/// A place that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Of which noun; every stream of an environment has its id.
    pub category: &'static str,
    /// The first key of the state.
    pub key: &'static str,
    /// As what it is told.
    pub field: WatchedField,
    /// How it is compared.
    pub shape: Shape,
}

const fn watch(category: &'static str, key: &'static str, field: WatchedField, shape: Shape) -> Watched {
    Watched { category, key, field, shape }
}

/// What is watched.
pub const WATCHED: &[Watched] = &[
    watch("environment", "created", WatchedField::Existence, Shape::Whole),
    watch("environment", "replicas", WatchedField::Replicas, Shape::Whole),
    watch("environment", "policy", WatchedField::Policy, Shape::Whole),
    watch("environment", "approvals", WatchedField::Approvals, Shape::Members),
    watch("environment", "sleep", WatchedField::SleepPolicy, Shape::Whole),
    watch("environment", "drain", WatchedField::DrainPolicy, Shape::Whole),
    watch("environment", "residency", WatchedField::Residency, Shape::Whole),
    watch("environment", "regions", WatchedField::Regions, Shape::Keys),
    watch("route_owner", "owner", WatchedField::RouteOwner, Shape::Whole),
    watch("route_owner", "epoch", WatchedField::RouteEpoch, Shape::Whole),
    watch("route_owner", "moved_to", WatchedField::RoutePlace, Shape::Whole),
    watch("route_owner", "hosts", WatchedField::Hosts, Shape::Members),
    watch("route_owner", "frozen", WatchedField::Freeze, Shape::Whole),
    watch("route_owner", "pin", WatchedField::Pin, Shape::Whole),
    watch("route_owner", "quarantined", WatchedField::Quarantine, Shape::Keys),
    watch("route_owner", "asleep", WatchedField::Sleep, Shape::Whole),
    watch("variables", "history", WatchedField::Variables, Shape::Lives),
    watch("provider_binding", "bindings", WatchedField::ProviderBindings, Shape::Keys),
    watch("runtime_service_binding", "bindings", WatchedField::RuntimeServices, Shape::Keys),
    watch("migrations", "ran", WatchedField::Migrations, Shape::Members),
];

/// What is not, because it follows from what is: by whom and since when, counters, and what was.
pub const UNWATCHED: &[(&str, &str)] = &[
    ("environment", "scaled_by"),
    ("environment", "withdrawn"),
    ("route_owner", "opened"),
    ("route_owner", "left"),
    ("route_owner", "revision"),
    ("route_owner", "by"),
    ("route_owner", "since"),
    ("route_owner", "former"),
    ("route_owner", "taken"),
    ("route_owner", "drain"),
    ("route_owner", "awake"),
    ("route_owner", "sleep_generation"),
    ("variables", "lane"),
    ("variables", "current"),
    ("variables", "made"),
    ("migrations", "undone"),
];

impl Watched {
    /// The place itself.
    pub fn pointer(&self) -> String {
        format!("/{}", self.key)
    }
}

/// A watched field that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Which.
    pub field: WatchedField,
    /// Which one of several: a key of a map; none for what is one value.
    pub key: Option<String>,
    /// Where in the state, as a JSON pointer.
    pub path: String,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

/// What an event changed of what is watched, in the order of [`WATCHED`].
pub fn watched_changes(category: &str, before: &Value, after: &Value) -> Vec<FieldChange> {
    let of = |watched: &'static Watched| watched.changes(before.get(watched.key), after.get(watched.key));
    WATCHED.iter().filter(|watched| watched.category == category).flat_map(of).collect()
}

impl Watched {
    fn changes(&self, before: Option<&Value>, after: Option<&Value>) -> Vec<FieldChange> {
        match self.shape {
            Shape::Whole => self.change(None, said(before), said(after)).into_iter().collect(),
            Shape::Keys => self.keys(before, after, Clone::clone),
            Shape::Lives => self.keys(before, after, latest),
            Shape::Members => self.members(before, after),
        }
    }

    fn change(&self, key: Option<&str>, before: Option<Value>, after: Option<Value>) -> Option<FieldChange> {
        let path = key.map_or_else(|| self.pointer(), |key| format!("{}/{}", self.pointer(), escaped(key)));
        let key = key.map(str::to_owned);
        (before != after).then_some(FieldChange { field: self.field, key, path, before, after })
    }

    fn keys(&self, before: Option<&Value>, after: Option<&Value>, of: fn(&Value) -> Value) -> Vec<FieldChange> {
        let empty = Map::new();
        let map = |value: Option<&'_ Value>| value.and_then(Value::as_object).unwrap_or(&empty).clone();
        let (before, after) = (map(before), map(after));
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let at = |map: &Map<String, Value>, key: &str| said(map.get(key).map(of).as_ref());
        keys.into_iter().filter_map(|key| self.change(Some(key), at(&before, key), at(&after, key))).collect()
    }

    fn members(&self, before: Option<&Value>, after: Option<&Value>) -> Vec<FieldChange> {
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let (before, after) = (list(before), list(after));
        let gone = before.iter().filter(|one| !after.contains(one)).map(|one| (one, true));
        let come = after.iter().filter(|one| !before.contains(one)).map(|one| (one, false));
        let one = |(one, gone): (&Value, bool)| FieldChange {
            field: self.field,
            key: one.as_str().or_else(|| one.get("id").and_then(Value::as_str)).map(str::to_owned),
            path: self.pointer(),
            before: gone.then(|| one.clone()),
            after: (!gone).then(|| one.clone()),
        };
        gone.chain(come).map(one).collect()
    }
}

/// Null says nothing.
fn said(value: Option<&Value>) -> Option<Value> {
    value.filter(|value| !value.is_null()).cloned()
}

/// The last entry of a life: sets are numbered, and as text 10 stands before 9.
fn latest(life: &Value) -> Value {
    let numbered = |(set, entry): (&String, &Value)| Some((set.parse::<u64>().ok()?, entry.clone()));
    let last = life.as_object().into_iter().flatten().filter_map(numbered).max_by_key(|(set, _)| *set);
    last.map_or(Value::Null, |(_, entry)| entry)
}

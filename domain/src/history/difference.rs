//! The difference of two states: every leaf that is not the same, by its JSON pointer (RFC 6901), which names it without
//! doubt whatever its keys hold. Trap: dots between keys; a digest or a hostname is a key too.

use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One place that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where, as a JSON pointer.
    pub path: String,
    /// What was there; none where nothing was.
    pub before: Option<Value>,
    /// What is there; none where nothing is.
    pub after: Option<Value>,
}

/// Every leaf that is not the same in both, in the order of their paths. A null that comes or goes is no change.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    leaves(String::new(), before, &mut old);
    leaves(String::new(), after, &mut new);
    let paths: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    paths
        .into_iter()
        .map(|path| Change { before: old.remove(&path), after: new.remove(&path), path })
        .filter(|change| change.before != change.after)
        .collect()
}

/// A key as it stands in a pointer.
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn leaves(path: String, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| leaves(format!("{path}/{}", escaped(name)), value, found));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(index, item)| leaves(format!("{path}/{index}"), item, found));
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            found.insert(path, value.clone());
        }
    }
}

//! Which changes break a client that was written against the earlier schema. A client may send anything the earlier schema
//! allowed, and may read whatever it promised; new values and members it must bear (docs/deprecation.md).

use super::model::{Field, Model, Of};
use async_graphql::parser::types::{BaseType, Type};

/// Every break, as a sentence that begins with what broke.
pub(crate) fn breaks(before: &Model, after: &Model) -> Vec<String> {
    let mut found = Vec::new();
    for (name, old) in &before.types {
        match after.types.get(name) {
            None => found.push(format!("{name}: the type is gone")),
            Some(new) if new.kind != old.kind => found.push(format!("{name}: was {}, is {}", old.kind, new.kind)),
            Some(new) => of_type(name, old, new, &mut found),
        }
    }
    found
}

fn of_type(name: &str, old: &Of, new: &Of, found: &mut Vec<String>) {
    let gone = old.names.iter().filter(|(one, _)| !new.names.iter().any(|(other, _)| one == other));
    found.extend(gone.map(|(one, _)| format!("{name}: {one} is gone")));
    if old.kind == "input" {
        sent(name, &old.fields, &new.fields, found);
        return;
    }
    for field in &old.fields {
        let place = format!("{name}.{}", field.name);
        match new.fields.iter().find(|other| other.name == field.name) {
            None => found.push(format!("{place}: the field is gone")),
            Some(other) => {
                if !promises(&other.kind, &field.kind) {
                    found.push(format!("{place}: was {}, is {}", field.kind, other.kind));
                }
                sent(&place, &field.arguments, &other.arguments, found);
            }
        }
    }
}

/// What clients send: arguments, or fields of an input.
fn sent(place: &str, old: &[Field], new: &[Field], found: &mut Vec<String>) {
    for one in old {
        let place = format!("{place}({})", one.name);
        match new.iter().find(|other| other.name == one.name) {
            None => found.push(format!("{place}: is no longer taken")),
            Some(other) if !takes(&other.kind, &one.kind) => {
                found.push(format!("{place}: was {}, is {}", one.kind, other.kind));
            }
            Some(other) if one.is_optional() && !other.is_optional() => {
                found.push(format!("{place}: must be given now"));
            }
            Some(_) => {}
        }
    }
    for other in new.iter().filter(|other| !old.iter().any(|one| one.name == other.name)) {
        if !other.is_optional() {
            found.push(format!("{place}({}): must be given now", other.name));
        }
    }
}

/// Whether whoever reads `old` can read `new`: as sure to be there, and of the same name.
fn promises(new: &Type, old: &Type) -> bool {
    (old.nullable || !new.nullable)
        && match (&new.base, &old.base) {
            (BaseType::Named(new), BaseType::Named(old)) => new == old,
            (BaseType::List(new), BaseType::List(old)) => promises(new, old),
            (BaseType::Named(_), BaseType::List(_)) | (BaseType::List(_), BaseType::Named(_)) => false,
        }
}

/// Whether `new` takes all that `old` took.
fn takes(new: &Type, old: &Type) -> bool {
    (new.nullable || !old.nullable)
        && match (&new.base, &old.base) {
            (BaseType::Named(new), BaseType::Named(old)) => new == old,
            (BaseType::List(new), BaseType::List(old)) => takes(new, old),
            (BaseType::Named(_), BaseType::List(_)) | (BaseType::List(_), BaseType::Named(_)) => false,
        }
}

/// One change each to this schema.
const BEFORE: &str = "
    type Query { app(id: ID!, deep: Boolean = false): App! apps(first: Int): [App!]! thing: Thing face: Face }
    type Mutation { make(input: MakeInput!): App }
    interface Face { id: ID! }
    type App implements Face { id: ID! name: String! note: String tags: [String!] kind: Kind! }
    type Other { id: ID! }
    union Thing = App | Other
    enum Kind { BIG SMALL }
    input MakeInput { name: String! note: String size: Int! = 1 }
    scalar Date";

fn after(old: &str, new: &str) -> Vec<String> {
    assert!(BEFORE.contains(old), "{old}");
    breaks(&Model::read(BEFORE), &Model::read(&BEFORE.replacen(old, new, 1)))
}

#[test]
fn each_change_that_breaks_a_client_is_found_and_named() {
    for (old, new, said) in [
        ("scalar Date", "", "Date: the type is gone"),
        ("enum Kind { BIG SMALL }", "scalar Kind", "Kind: was enum, is scalar"),
        ("name: String! note: String tags", "note: String tags", "App.name: the field is gone"),
        ("name: String! note: String tags", "name: String note: String tags", "App.name: was String!, is String"),
        ("note: String tags", "note: Int tags", "App.note: was String, is Int"),
        ("tags: [String!]", "tags: [String]", "App.tags: was [String!], is [String]"),
        ("tags: [String!]", "tags: String", "App.tags: was [String!], is String"),
        ("apps(first: Int)", "apps", "Query.apps(first): is no longer taken"),
        ("apps(first: Int)", "apps(first: Int!)", "Query.apps(first): was Int, is Int!"),
        ("apps(first: Int)", "apps(first: String)", "Query.apps(first): was Int, is String"),
        ("apps(first: Int)", "apps(first: Int, of: ID!)", "Query.apps(of): must be given now"),
        ("deep: Boolean = false", "deep: Boolean! = false", "Query.app(deep): was Boolean, is Boolean!"),
        ("BIG SMALL", "BIG", "Kind: SMALL is gone"),
        ("= App | Other", "= App", "Thing: Other is gone"),
        ("App implements Face", "App", "App: Face is gone"),
        ("size: Int! = 1", "", "MakeInput(size): is no longer taken"),
        ("size: Int! = 1", "size: Int!", "MakeInput(size): must be given now"),
        ("note: String size", "note: String! size", "MakeInput(note): was String, is String!"),
        ("size: Int! = 1", "size: Int! = 1 of: ID!", "MakeInput(of): must be given now"),
    ] {
        assert_eq!(after(old, new), [said], "{old} -> {new}");
    }
}

#[test]
fn what_breaks_nobody_is_let_through() {
    for (old, new) in [
        ("scalar Date", "scalar Date scalar Time"),
        ("note: String tags", "note: String! tags"),
        ("tags: [String!]", "tags: [String!]!"),
        ("apps(first: Int)", "apps(first: Int, of: ID)"),
        ("apps(first: Int)", "apps(first: Int, of: ID! = \"x\")"),
        ("app(id: ID!,", "app(id: ID,"),
        ("BIG SMALL", "BIG SMALL HUGE"),
        ("= App | Other", "= App | Other | Query"),
        ("kind: Kind!", "kind: Kind! more: Int!"),
        ("size: Int! = 1", "size: Int = 1"),
        ("size: Int! = 1", "size: Int! = 2"),
        ("name: String! note: String size", "note: String name: String! size"),
    ] {
        assert_eq!(after(old, new), Vec::<String>::new(), "{old} -> {new}");
    }
}

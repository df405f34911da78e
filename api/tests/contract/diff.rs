//! Which changes break a client that was written against the earlier schema. A client may send anything the earlier schema
//! allowed, may leave out what it let be left out and mean the same, and may read whatever it promised; new values and members
//! it must bear (docs/deprecation.md). The trap avoided: something that goes without having been called deprecated first.

use super::model::{Field, Model, Of};
use async_graphql::parser::types::{BaseType, Type};

/// How a sentence ends about something that goes and was not called deprecated before.
pub(crate) const UNANNOUNCED: &str = ", and was never deprecated";

/// Every break, as a sentence that begins with what broke.
pub(crate) fn breaks(before: &Model, after: &Model) -> Vec<String> {
    let mut found = Vec::new();
    for (name, old) in &before.types {
        match after.types.get(name) {
            None => found.push(gone(&format!("{name}: the type is gone"), is_announced(before, name))),
            Some(new) if new.kind != old.kind => found.push(format!("{name}: was {}, is {}", old.kind, new.kind)),
            Some(new) => of_type(name, old, new, &mut found),
        }
    }
    found
}

fn gone(said: &str, announced: bool) -> String {
    if announced { said.to_owned() } else { format!("{said}{UNANNOUNCED}") }
}

/// A type is called deprecated by everything that leads to it being so.
fn is_announced(before: &Model, name: &str) -> bool {
    let leads = |kind: &Type| named(kind) == name;
    let of_fields = |one: &Field| {
        let by_argument = one.arguments.iter().filter(|argument| leads(&argument.kind));
        let by_argument = by_argument.map(|argument| one.deprecated.is_some() || argument.deprecated.is_some());
        let by_answer = leads(&one.kind).then_some(one.deprecated.is_some());
        by_argument.chain(by_answer).collect::<Vec<_>>()
    };
    let ways: Vec<bool> = before.types.values().flat_map(|of| &of.fields).flat_map(of_fields).collect();
    !ways.is_empty() && ways.iter().all(|announced| *announced)
}

fn named(kind: &Type) -> &str {
    match &kind.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => named(inner),
    }
}

fn of_type(name: &str, old: &Of, new: &Of, found: &mut Vec<String>) {
    let missing = old.names.iter().filter(|(one, _)| !new.names.iter().any(|(other, _)| one == other));
    found.extend(missing.map(|(one, _)| gone(&format!("{name}: {one} is gone"), old.retired.contains(one))));
    if old.kind == "input" {
        sent(name, &old.fields, &new.fields, found);
        return;
    }
    for field in &old.fields {
        let place = format!("{name}.{}", field.name);
        match new.fields.iter().find(|other| other.name == field.name) {
            None => found.push(gone(&format!("{place}: the field is gone"), field.deprecated.is_some())),
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
            None => found.push(gone(&format!("{place}: is no longer taken"), one.deprecated.is_some())),
            Some(other) if !takes(&other.kind, &one.kind) => {
                found.push(format!("{place}: was {}, is {}", one.kind, other.kind));
            }
            Some(other) if one.is_optional() && !other.is_optional() => {
                found.push(format!("{place}: must be given now"));
            }
            // Who had to give it never went by a default.
            Some(other) if one.is_optional() && one.default != other.default => {
                let said = |default: &Option<String>| default.as_deref().unwrap_or("nothing").to_owned();
                let (was, is) = (said(&one.default), said(&other.default));
                found.push(format!("{place}: left out it was {was}, is {is}"));
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
        ("scalar Date", "", "Date: the type is gone, and was never deprecated"),
        ("enum Kind { BIG SMALL }", "scalar Kind", "Kind: was enum, is scalar"),
        (
            "name: String! note: String tags",
            "note: String tags",
            "App.name: the field is gone, and was never deprecated",
        ),
        ("name: String! note: String tags", "name: String note: String tags", "App.name: was String!, is String"),
        ("note: String tags", "note: Int tags", "App.note: was String, is Int"),
        ("tags: [String!]", "tags: [String]", "App.tags: was [String!], is [String]"),
        ("tags: [String!]", "tags: String", "App.tags: was [String!], is String"),
        ("apps(first: Int)", "apps", "Query.apps(first): is no longer taken, and was never deprecated"),
        ("apps(first: Int)", "apps(first: Int!)", "Query.apps(first): was Int, is Int!"),
        ("apps(first: Int)", "apps(first: String)", "Query.apps(first): was Int, is String"),
        ("apps(first: Int)", "apps(first: Int, of: ID!)", "Query.apps(of): must be given now"),
        ("deep: Boolean = false", "deep: Boolean! = false", "Query.app(deep): was Boolean, is Boolean!"),
        ("BIG SMALL", "BIG", "Kind: SMALL is gone, and was never deprecated"),
        ("= App | Other", "= App", "Thing: Other is gone, and was never deprecated"),
        ("App implements Face", "App", "App: Face is gone, and was never deprecated"),
        ("size: Int! = 1", "", "MakeInput(size): is no longer taken, and was never deprecated"),
        ("size: Int! = 1", "size: Int!", "MakeInput(size): must be given now"),
        ("deep: Boolean = false", "deep: Boolean = true", "Query.app(deep): left out it was false, is true"),
        ("deep: Boolean = false", "deep: Boolean", "Query.app(deep): left out it was false, is nothing"),
        ("first: Int)", "first: Int = 20)", "Query.apps(first): left out it was nothing, is 20"),
        ("size: Int! = 1", "size: Int! = 2", "MakeInput(size): left out it was 1, is 2"),
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
        ("input MakeInput { name: String!", "input MakeInput { name: String! = \"x\""),
        ("name: String! note: String size", "note: String name: String! size"),
    ] {
        assert_eq!(after(old, new), Vec::<String>::new(), "{old} -> {new}");
    }
}

/// The same schema with something deprecated in it: what it is once it is gone.
#[test]
fn what_was_deprecated_before_it_goes_is_said_to_be_gone_and_no_more() {
    let sign = "@deprecated(reason: \"use something else\")";
    for (old, deprecated, new, said) in [
        ("note: String tags", "note: String @d tags", "tags", "App.note: the field is gone"),
        ("BIG SMALL", "BIG SMALL @d", "BIG", "Kind: SMALL is gone"),
        ("apps(first: Int)", "apps(first: Int @d)", "apps", "Query.apps(first): is no longer taken"),
        ("note: String size", "note: String @d size", "size", "MakeInput(note): is no longer taken"),
    ] {
        assert!(BEFORE.contains(old), "{old}");
        let before = BEFORE.replacen(old, &deprecated.replace("@d", sign), 1);
        let after = Model::read(&BEFORE.replacen(old, new, 1));
        assert_eq!(breaks(&Model::read(&before), &after), [said], "{deprecated} -> {new}");
        let unannounced = [format!("{said}{UNANNOUNCED}")];
        assert_eq!(breaks(&Model::read(BEFORE), &after), unannounced, "{old} -> {new}");
    }
}

#[test]
fn a_type_goes_with_the_last_way_to_it() {
    let before = |sign: &str| format!("type Query {{ it: It {sign} other: Int }} type It {{ id: ID! }}");
    let after = Model::read("type Query { other: Int }");
    let found = breaks(&Model::read(&before("@deprecated(reason: \"no\")")), &after);
    assert_eq!(found, ["It: the type is gone", "Query.it: the field is gone"]);
    let found = breaks(&Model::read(&before("")), &after);
    assert!(found.len() == 2 && found.iter().all(|said| said.ends_with(UNANNOUNCED)), "{found:?}");
}

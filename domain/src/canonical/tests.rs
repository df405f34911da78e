//! What version 1 admits, and that its bytes are unambiguous.

use super::*;
use serde_json::json;

#[test]
fn a_payload_keeps_its_bytes_as_given() {
    let text = r#"{ "b" : 1, "a": "Zoë 🚀 \u00e9 ﬀ", "n": null, "l": [true, {"x": -3}] }"#;
    assert_eq!(Payload::parse(text).map(|payload| payload.as_str().to_owned()), Ok(text.to_owned()));
}

#[test]
fn floats_duplicate_keys_nul_and_non_objects_are_refused_by_name() {
    let cases = [
        (r#"{"a": 1.0}"#, "float"),
        (r#"{"a": 1e3}"#, "float"),
        (r#"{"a": [{"b": 0.5}]}"#, "float"),
        (r#"{"a": 1, "a": 2}"#, "`a` stands twice"),
        (r#"{"a": {"b": 1, "b": 1}}"#, "`b` stands twice"),
        (r#"{"a": 1, "\u0061": 2}"#, "`a` stands twice"),
        (r#"{"\u0061": 1, "a": 2}"#, "`a` stands twice"),
        (r#"{"a": "x\u0000y"}"#, "NUL"),
        (r#"{"a\u0000": 1}"#, "NUL"),
        ("[1]", "an object"),
        (r#"{"a": 1} {"#, "trailing"),
        (r#"{"a": "\ud800"}"#, "hex escape"),
        ("", "EOF"),
    ];
    for (text, reason) in cases {
        let refused = Payload::parse(text).expect_err(text).to_string();
        assert!(refused.contains(reason), "{text}: {refused}");
    }
}

#[test]
fn an_object_in_memory_is_taken_and_refused_as_its_text_is() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": [1], "b": inner }));
    let listed = |levels: usize| json!({ "a": (1..levels).fold(json!(1), |inner, _| json!([inner])) });
    let admitted = [
        json!({}),
        json!({ "b": 1, "a": "Zoë 🚀 \u{1} \" \\", "n": null, "l": [true, { "x": -3 }] }),
        json!({ "most": u64::MAX, "least": i64::MIN }),
        nested(127),
        listed(127),
    ];
    let refused = [
        json!({ "a": 1.0 }),
        json!({ "a": [{ "b": 0.5 }] }),
        json!({ "a": 1e30 }),
        json!({ "a": "x\u{0}y" }),
        json!({ "a\u{0}": 1 }),
        json!({ "a": [{ "b\u{0}": [] }] }),
        nested(128),
        listed(128),
    ];
    let both = |value: &Value| {
        let object = value.as_object().expect("an object");
        (Payload::of(object).ok(), Payload::parse(value.to_string()).ok())
    };
    for value in &admitted {
        let (of, parsed) = both(value);
        assert!(of.is_some() && of == parsed, "{value}");
    }
    for value in &refused {
        assert_eq!(both(value), (None, None), "{value}");
    }
}

#[test]
fn different_lists_of_fields_never_give_the_same_bytes() {
    let bytes = |fields: &[Option<&str>]| {
        fields.iter().fold(CanonicalBytes::tagged("t"), |all, field| all.optional(*field)).into_bytes()
    };
    assert_ne!(bytes(&[Some("ab"), Some("c")]), bytes(&[Some("a"), Some("bc")]));
    assert_ne!(bytes(&[Some("")]), bytes(&[None]));
    assert_ne!(bytes(&[None]), bytes(&[None, None]));
}

//! What version 1 admits, and that its bytes are unambiguous.

use super::*;

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
fn different_lists_of_fields_never_give_the_same_bytes() {
    let bytes = |fields: &[Option<&str>]| {
        fields.iter().fold(CanonicalBytes::tagged("t"), |all, field| all.optional(*field)).into_bytes()
    };
    assert_ne!(bytes(&[Some("ab"), Some("c")]), bytes(&[Some("a"), Some("bc")]));
    assert_ne!(bytes(&[Some("")]), bytes(&[None]));
    assert_ne!(bytes(&[None]), bytes(&[None, None]));
}

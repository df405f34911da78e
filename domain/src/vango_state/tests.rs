//! Every way in which kept state can change, case by case. All manifests here are SYNTHETIC, in the shape of the real ones in
//! `tests/vango`: the six real ones persist nothing, and are compared with one another in `providers/tests/vango.rs`.

use super::*;
use Compatibility::{Additive, Incompatible, Same, Unknown};

const CART: &str = "github.com/acme/shop/app.Cart#setup0.shared.signal@0";
const BASKET: &str = "github.com/acme/shop/app.Basket#setup0.shared.signal@0";

fn entry(anchor: &str) -> PersistedFacts {
    PersistedFacts {
        anchor: Some(anchor.into()),
        kind: Some("signal".into()),
        schema_id: Some("cart-1".into()),
        aliases: vec![],
    }
}

/// An app that keeps its cart, and who uses it.
fn shop() -> VangoFacts {
    VangoFacts {
        manifest_version: "1.0".into(),
        build_schema: "bs:v1:000000000001".into(),
        schema_hash: Some("sha256:1".into()),
        schema_version: Some("1.0".into()),
        persisted: [("c0ffee01".to_owned(), "fp:v1:1".to_owned())].into(),
        session_keys: [("user".to_owned(), "fp:v1:9".to_owned())].into(),
        details: [("c0ffee01".to_owned(), entry(CART))].into(),
    }
}

/// The same app after a change, and with the schema id that follows from it.
fn changed(change: impl FnOnce(&mut VangoFacts)) -> VangoFacts {
    let mut next = shop();
    (next.build_schema, next.schema_hash) = ("bs:v1:000000000002".into(), Some("sha256:2".into()));
    change(&mut next);
    next
}

fn moved(aliases: &[&str], print: &str) -> VangoFacts {
    changed(|next| {
        next.persisted = [("c0ffee07".to_owned(), print.to_owned())].into();
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        next.details = [("c0ffee07".to_owned(), PersistedFacts { aliases, ..entry(BASKET) })].into();
    })
}

fn cases() -> Vec<(&'static str, VangoFacts, Compatibility, &'static str)> {
    let detail =
        |change: fn(&mut PersistedFacts)| changed(|next| change(next.details.get_mut("c0ffee01").expect("the cart")));
    vec![
        ("nothing", shop(), Same, "is the same"),
        (
            "another is kept",
            changed(|next| drop(next.persisted.insert("c0ffee02".into(), "fp:v1:2".into()))),
            Additive,
            "persisted c0ffee02 was added",
        ),
        ("it moved", detail(|cart| cart.anchor = Some(BASKET.into())), Additive, "moved under an alias"),
        ("it moved, by its former id", moved(&["c0ffee01"], "fp:v1:1"), Additive, "moved under an alias"),
        ("it moved, by its former anchor", moved(&[CART], "fp:v1:1"), Additive, "moved under an alias"),
        ("it moved and is written otherwise", moved(&[CART], "fp:v1:8"), Incompatible, "codecFingerprint"),
        ("it moved and nobody says so", moved(&[], "fp:v1:1"), Incompatible, "was removed"),
        ("it is gone", changed(|next| next.persisted.clear()), Incompatible, "persisted c0ffee01"),
        (
            "it is written otherwise",
            changed(|next| drop(next.persisted.insert("c0ffee01".into(), "fp:v1:8".into()))),
            Incompatible,
            "codecFingerprint",
        ),
        ("its schema id", detail(|cart| cart.schema_id = Some("cart-2".into())), Incompatible, "the schema id of"),
        ("its kind", detail(|cart| cart.kind = Some("map".into())), Incompatible, "the kind of"),
        ("the schema's id", changed(|_| ()), Incompatible, "nothing that is listed explains it"),
        (
            "the schema's form",
            changed(|next| next.schema_version = Some("2.0".into())),
            Incompatible,
            "the form of the state schema",
        ),
        (
            "another session key",
            changed(|next| drop(next.session_keys.insert("locale".into(), "fp:v1:3".into()))),
            Additive,
            "session key locale was added",
        ),
        ("no session key", changed(|next| next.session_keys.clear()), Incompatible, "session key user was removed"),
        (
            "a session key is written otherwise",
            changed(|next| drop(next.session_keys.insert("user".into(), "fp:v1:3".into()))),
            Incompatible,
            "session key user is written otherwise",
        ),
        (
            "one is added and one is gone",
            changed(|next| next.persisted = [("c0ffee02".to_owned(), "fp:v1:2".to_owned())].into()),
            Incompatible,
            "was removed",
        ),
        ("no schema", changed(|next| next.schema_hash = None), Unknown, "no state schema"),
        ("another form", changed(|next| next.manifest_version = "2.0".into()), Unknown, "cannot be compared"),
        (
            "a newer form of the same",
            {
                let mut next = shop();
                next.manifest_version = "1.1".into();
                next
            },
            Same,
            "same",
        ),
    ]
}

#[test]
fn every_change_of_kept_state_has_its_verdict_and_reason() {
    for (what, next, compatibility, reason) in cases() {
        let impact = between(Some(&shop()), Some(&next));
        assert_eq!(impact.compatibility, compatibility, "{what}: {impact:?}");
        assert!(impact.said().contains(reason), "{what}: {impact:?}");
    }
}

#[test]
fn either_id_of_a_schema_that_changed_without_a_reason_is_believed() {
    let build = VangoFacts { build_schema: "bs:v1:other".into(), ..shop() };
    let hash = VangoFacts { schema_hash: Some("sh:v1:other".into()), ..shop() };
    for (next, other) in [(build, "build"), (hash, "hash")] {
        assert_eq!(between(Some(&shop()), Some(&next)).compatibility, Incompatible, "the {other} alone");
    }
}

#[test]
fn an_artifact_that_does_not_say_what_it_keeps_is_not_warm() {
    let shop = shop();
    for (present, next, compatibility) in
        [(None, None, Same), (Some(&shop), None, Unknown), (None, Some(&shop), Unknown)]
    {
        let impact = between(present, next);
        assert_eq!(impact.compatibility, compatibility);
        assert_eq!(impact.temperature() == Temperature::Warm, compatibility == Same, "{impact:?}");
    }
    assert_eq!(StateImpact::first().temperature(), Temperature::Warm);
}

#[test]
fn only_same_and_additive_are_warm() {
    let warm = |one: &&Compatibility| one.temperature() == Temperature::Warm;
    let warm: Vec<_> = Compatibility::ALL.iter().filter(warm).copied().collect();
    assert_eq!(warm, [Same, Additive]);
}

/// Comparisons that are easily written, each of which must be caught.
#[test]
fn comparisons_that_look_at_less_are_caught() {
    type Sin = fn(&VangoFacts, &VangoFacts) -> Compatibility;
    let by_ids: Sin = |present, next| {
        if present.persisted.keys().all(|id| next.persisted.contains_key(id)) { Additive } else { Incompatible }
    };
    let by_build_schema: Sin =
        |present, next| if present.build_schema == next.build_schema { Same } else { Incompatible };
    let always_warm: Sin = |_, _| Same;
    for (name, sin) in [("ids", by_ids), ("build schema", by_build_schema), ("always warm", always_warm)] {
        let caught = cases()
            .into_iter()
            .any(|(_, next, expected, _)| sin(&shop(), &next).temperature() != expected.temperature());
        assert!(caught, "a comparison by {name} goes unnoticed");
    }
}

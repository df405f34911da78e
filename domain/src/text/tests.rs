//! Each rule at its borders.

use super::*;

#[test]
fn slugs_are_admitted_and_refused_at_the_borders() {
    for good in ["abc", "a1-b", &"a".repeat(63)] {
        assert!(Slug::parse("slug", good).is_ok(), "{good}");
    }
    for bad in ["", "ab", "-ab", "ab-", "a--b", "Abc", "a_b", "a\0b", "é12", &"a".repeat(64)] {
        let refused = Slug::parse("slug", bad).expect_err(bad);
        assert_eq!((refused.field.as_str(), refused.rule.as_str()), ("slug", SLUG));
    }
}

#[test]
fn hostnames_are_lowered_and_checked() {
    assert_eq!(Hostname::parse("host", "Shop.Example.COM").expect("a host").as_str(), "shop.example.com");
    let long = format!("{}.com", "a".repeat(64));
    for bad in ["", "localhost", "a..b", ".a.b", "a.b.", "a b.c", "1.2.3.4", "-a.b", "a-.b", "*.a.b", "a.b:80", &long] {
        assert!(Hostname::parse("host", bad).is_err(), "{bad}");
    }
}

/// The names that a rule takes for the platform's wrongly, or for anybody's.
fn mistaken(rule: impl Fn(&str) -> bool) -> Vec<&'static str> {
    const NAMES: [(&str, bool); 7] = [
        ("rhone.app", true),
        ("shop.rhone.app", true),
        ("Shop.Lyon.RHONE.app", true),
        ("rhone.app.example.com", false),
        ("myrhone.app", false),
        ("shop.myrhone.app", false),
        ("rhone.apps", false),
    ];
    NAMES.into_iter().filter(|(name, its)| rule(name) != *its).map(|(name, _)| name).collect()
}

#[test]
fn the_platforms_own_names_are_its_domain_and_all_that_is_under_it() {
    let host = |name: &str| Hostname::parse("host", name).expect("a host");
    assert_eq!(mistaken(|name| host(name).is_the_platforms()), Vec::<&str>::new());
    // The sins: a suffix that begins within a label, a domain that is forgotten itself, and a name anywhere.
    assert_eq!(mistaken(|name| host(name).as_str().ends_with("rhone.app")), ["myrhone.app", "shop.myrhone.app"]);
    assert_eq!(mistaken(|name| host(name).as_str().ends_with(".rhone.app")), ["rhone.app"]);
    assert!(mistaken(|name| host(name).as_str().contains("rhone.app")).len() > 2);
}

#[test]
fn lines_are_bounded_and_without_control_characters() {
    assert!(Name::parse("name", &"é".repeat(100)).is_ok());
    for bad in ["", "  ", "a\0", "a\nb", &"a".repeat(101)] {
        assert!(Name::parse("name", bad).is_err(), "{bad:?}");
    }
    assert!(Reason::parse("reason", &"a".repeat(500)).is_ok());
    assert!(Reason::parse("reason", &"a".repeat(501)).is_err());
}

#[test]
fn keys_and_commits_are_of_their_form() {
    assert!(IdempotencyKey::parse("idempotencyKey", "a-b_c/1").is_ok());
    assert!(IdempotencyKey::parse("idempotencyKey", "a b").is_err());
    assert!(Commit::parse("commit", &"a".repeat(40)).is_ok());
    assert!(Commit::parse("commit", &"0".repeat(64)).is_ok());
    for bad in ["main", &"a".repeat(39), &"a".repeat(41), &"g".repeat(40), &"A".repeat(40), &"g".repeat(64)] {
        assert!(Commit::parse("commit", bad).is_err(), "{bad}");
    }
}

#[test]
fn references_are_names_that_git_takes_and_no_options() {
    let good = ["main", "release/2026-11", "v1.0.3", "0123456789abcdef0123456789abcdef01234567", "a", "feature_x+y"];
    let bad = [
        "",
        "-x",
        "--upload-pack=touch",
        "/main",
        "main/",
        "a..b",
        "a@{1}",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "a//b",
        "main.",
        "ünïcode",
        "a\u{0}b",
        "a\nb",
    ];
    for text in good {
        assert!(GitReference::parse("reference", text).is_ok(), "{text}");
    }
    for text in bad {
        assert!(GitReference::parse("reference", text).is_err(), "{text:?}");
    }
    assert!(GitReference::parse("x", &"a".repeat(255)).is_ok() && GitReference::parse("x", &"a".repeat(256)).is_err());
}

#[test]
fn the_name_of_an_image_says_which_registry() {
    let good =
        ["registry.example.com/shop", "localhost:5000/acme/shop", "127.0.0.1:5000/a", "localhost/a", "r:1/a-b/c.d_e"];
    let bad = [
        "",
        "shop",
        "acme/shop",
        "registry.example.com",
        "registry.example.com/",
        "registry.example.com/Shop",
        "registry.example.com/shop:1",
        "registry.example.com/shop@sha256:0",
        "r:0/a",
        "r:65536/a",
        "r:x/a",
        "r.e/a//b",
        "r.e/-a",
        "r.e/a-",
        "https://r.e/a",
        "R.e/a",
        "r.e/a b",
        ":1/a",
    ];
    for text in good {
        assert!(ImageName::parse("image", text).is_ok(), "{text}");
    }
    for text in bad {
        assert!(ImageName::parse("image", text).is_err(), "{text:?}");
    }
    let long = |length| format!("r.e/{}", "a".repeat(length));
    assert!(ImageName::parse("x", &long(251)).is_ok() && ImageName::parse("x", &long(252)).is_err());
}

#[test]
fn what_is_admitted_is_kept_as_it_was_written() {
    type Parse = fn(&str) -> Result<String, InvalidText>;
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let cases: [(&str, Parse); 8] = [
        ("acme-shop", |text| Slug::parse("x", text).map(|it| it.as_str().to_owned())),
        ("Acme & Söhne", |text| Name::parse("x", text).map(|it| it.as_str().to_owned())),
        ("checkout is broken", |text| Reason::parse("x", text).map(|it| it.as_str().to_owned())),
        ("3f2a!", |text| IdempotencyKey::parse("x", text).map(|it| it.as_str().to_owned())),
        ("https://example.com/shop", |text| Repository::parse("x", text).map(|it| it.as_str().to_owned())),
        (commit, |text| Commit::parse("x", text).map(|it| it.as_str().to_owned())),
        ("0001_Orders.v2-a", |text| MigrationName::parse("x", text).map(|it| it.as_str().to_owned())),
        ("backup 7 was restored", |text| Proof::parse("x", text).map(|it| it.as_str().to_owned())),
    ];
    for (text, parse) in cases {
        assert_eq!(parse(text).as_deref(), Ok(text));
    }
}

#[test]
fn each_length_is_admitted_to_its_last_character_and_no_further() {
    type Parse = fn(&str) -> bool;
    let cases: [(&str, usize, Parse); 7] = [
        ("username", 255, |text| Username::parse("x", text).is_ok()),
        ("name", 100, |text| Name::parse("x", text).is_ok()),
        ("reason", 500, |text| Reason::parse("x", text).is_ok()),
        ("repository", 500, |text| Repository::parse("x", text).is_ok()),
        ("proof", 2_000, |text| Proof::parse("x", text).is_ok()),
        ("idempotency key", 255, |text| IdempotencyKey::parse("x", text).is_ok()),
        ("migration", 200, |text| MigrationName::parse("x", text).is_ok()),
    ];
    for (what, most, parse) in cases {
        assert!(parse("a") && parse(&"a".repeat(most)), "{what}");
        assert!(!parse("") && !parse(&"a".repeat(most + 1)), "{what}");
    }
    let host = |last| Hostname::parse("x", &[63, 63, 63, last].map(|length| "a".repeat(length)).join("."));
    assert!(host(61).is_ok() && host(62).is_err(), "a DNS name has 253 characters at most");
}

#[test]
fn a_username_can_be_told_from_the_secret_behind_its_colon() {
    for good in ["robot", "robot@acme", "x-access-token", "a+b.c~!"] {
        assert!(Username::parse("x", good).is_ok(), "{good}");
    }
    for bad in ["a:b", ":", "a b", "a\tb", "ä", "a\u{7f}"] {
        assert!(Username::parse("x", bad).is_err(), "{bad:?}");
    }
}

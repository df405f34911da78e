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
    assert!(Commit::parse("commit", "main").is_err());
}

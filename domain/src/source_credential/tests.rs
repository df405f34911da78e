//! For which host a credential is, and in which forms it might be printed.

use super::*;

fn host(text: &str) -> SourceHost {
    SourceHost::parse("host", text).expect("a host")
}

fn image(text: &str) -> ImageName {
    ImageName::parse("image", text).expect("an image")
}

fn alice() -> SignIn {
    let username = Username::parse("username", "alice@acme").expect("a user");
    SignIn { host: host("git.example.com"), username, secret: Hidden::new("p/w %:ä".into()) }
}

#[test]
fn a_host_is_its_name_and_the_port_that_is_not_the_schemes_own() {
    assert_eq!(host("Git.Example.COM").as_str(), "git.example.com");
    assert_eq!(host("git.example.com:443"), host("git.example.com"));
    for (repository, of) in [
        ("https://git.example.com/acme/shop.git", "git.example.com"),
        ("https://git.example.com:443/acme/shop.git", "git.example.com"),
        ("https://git.example.com:8443/acme/shop.git", "git.example.com:8443"),
        ("http://git.example.com/acme/shop.git", "git.example.com"),
        ("https://git.example.com:80/acme/shop.git", "git.example.com:80"),
        ("https://[fd00::1]:8443/acme/shop.git", "[fd00::1]:8443"),
    ] {
        assert_eq!(SourceHost::of_repository(repository), Some(host(of)), "{repository}");
    }
    assert_eq!(SourceHost::of_image(&image("docker.io/acme/shop")), Some(host("docker.io")));
    assert_eq!(SourceHost::of_image(&image("registry.example.com:5000/shop")), Some(host("registry.example.com:5000")));
}

#[test]
fn another_port_another_name_and_what_is_below_or_above_are_other_hosts() {
    let of = SourceHost::of_repository("https://git.example.com/acme/shop.git").expect("a host");
    for other in ["git.example.com:8443", "example.com", "a.git.example.com", "git.example.com.evil.org"] {
        assert_ne!(of, host(other));
    }
}

#[test]
fn what_asks_nobody_has_no_host() {
    for repository in ["/srv/git/shop", "file:///srv/git/shop", "git://git.example.com/shop", "not an address"] {
        assert_eq!(SourceHost::of_repository(repository), None, "{repository}");
    }
}

#[test]
fn no_host_is_what_has_a_scheme_a_path_a_user_or_the_machines_own_metadata() {
    for bad in [
        "",
        "https://git.example.com",
        "git.example.com/acme",
        "a:b@git.example.com",
        "git.example.com:0",
        "git example.com",
        "169.254.169.254",
        "a\nb",
        "git.example.com?x",
        "/",
    ] {
        assert_eq!(SourceHost::parse("host", bad).expect_err("no host").field, "host", "{bad:?}");
    }
}

#[test]
fn a_secret_is_one_line_of_some_kilobytes() {
    let judged = |text: &str| secret("secret", Hidden::new(text.to_owned()));
    assert!(judged("four").is_ok() && judged(&"x".repeat(6_144)).is_ok());
    for bad in ["", "six", "two\nlines", "nul\0", &"x".repeat(6_145)] {
        let refused = judged(bad).expect_err("refused");
        assert!(bad.len() < 4 || !refused.to_string().contains(bad), "the refusal repeats nothing");
    }
}

#[test]
fn a_line_for_git_carries_everything_escaped_and_every_form_is_known() {
    let alice = alice();
    let line = alice.line(Scheme::Https);
    assert_eq!(line.expose(), "https://alice%40acme:p%2Fw%20%25%3A%C3%A4@git.example.com\n");
    let basic = STANDARD.encode("alice@acme:p/w %:ä");
    let forms = alice.forms();
    let forms: Vec<_> = forms.iter().map(Hidden::expose).collect();
    assert_eq!(forms, ["p/w %:ä", "p%2Fw%20%25%3A%C3%A4", &basic]);
    assert!(!format!("{alice:?}").contains("p/w"), "{alice:?}");
}

#[test]
fn the_vault_keeps_each_hosts_credential_by_its_own_name() {
    assert_eq!(vault_name(&host("git.example.com:8443")), "source:git.example.com:8443");
}

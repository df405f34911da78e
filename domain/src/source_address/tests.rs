//! What is let in, and every way inward that somebody may try.

use super::*;

const STRICT: SourcePolicy = SourcePolicy { local: Allowed::No, private: Allowed::No };
const OPEN: SourcePolicy = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };

fn refused(text: &str, policy: SourcePolicy) -> &'static str {
    match SourceAddress::parse(text, &policy) {
        Ok(address) => panic!("{text} was let in as {address}"),
        Err(refused) => refused.code(),
    }
}

#[test]
fn public_repositories_are_let_in_as_they_are_written() {
    for text in [
        "https://github.com/vango-go/vai-lite",
        "https://github.com/vango-go/vai-lite.git",
        "http://git.example.org:8080/a/b.git",
        "git://git.example.org/a",
        "https://[2606:4700::1111]/a",
        "https://1.1.1.1/a",
        "https://a-b_c.example.org/a",
    ] {
        assert_eq!(SourceAddress::parse(text, &STRICT).expect(text).to_string(), text);
    }
    let shouted = SourceAddress::parse("https://GitHub.COM:443/A/b", &STRICT).expect("let in");
    assert_eq!(shouted.to_string(), "https://github.com/A/b");
}

#[test]
fn what_is_no_address_is_refused_by_its_form() {
    for text in [
        "",
        "-",
        "--upload-pack=touch x",
        "-oProxyCommand=x",
        "github.com/a/b",
        "github.com:a/b",
        "a/git@github.com:b",
        "../repository",
        "https://",
        "https://github.com",
        "https://github.com/",
        "https://github.com//a",
        "https://a b/c",
        "https://a/b\0",
        "https://a/b\n",
        "https://user:secret@github.com/a",
        "https://token@github.com/a",
        "https://github.com:0/a",
        "https://github.com:65536/a",
        "https://github.com:/a",
        "https://github.com:+1/a",
        "https://[::1/a",
        "https://[1.2.3.4]/a",
        "https://[2606:4700::1111]8/a",
        "https://-a.example/b",
        "https://a..b/c",
        "https://a/b?c",
        "https://a/b#c",
        "https://a/b\\c",
        "file://relative",
        "file://host",
        "/srv/../etc",
    ] {
        assert_eq!(refused(text, OPEN), "REPOSITORY_INVALID", "{text:?}");
    }
    assert_eq!(refused(&format!("https://example.org/{}", "a".repeat(500)), OPEN), "REPOSITORY_INVALID");
}

#[test]
fn helpers_and_ssh_are_never_let_in() {
    for text in [
        "ext::sh -c touch% x".replace(' ', "_").as_str(),
        "fd::17",
        "ext::https://a/b",
        "ssh://git@a/b",
        "git+ssh://a/b",
    ] {
        assert_eq!(refused(text, OPEN), "SOURCE_NOT_ALLOWED", "{text:?}");
    }
}

#[test]
fn whoever_names_a_repository_for_ssh_is_told_how_it_is_read() {
    for text in ["git@github.com:a/b", "ssh://git@a/b", "git+ssh://a/b", "ssh+git://a/b"] {
        let refused = SourceAddress::parse(text, &OPEN).expect_err(text);
        assert_eq!(refused.code(), "SOURCE_NOT_ALLOWED", "{text}");
        assert!(
            ["`https`", "rhone credential set"].iter().all(|way| refused.rule().contains(way)),
            "{text}: {refused}"
        );
    }
}

#[test]
fn nothing_that_leads_to_the_machines_metadata_is_let_in_whatever_the_policy() {
    for host in [
        "169.254.169.254",
        "169.254.0.1",
        "0.0.0.0",
        "0.1.2.3",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::]",
        "[ff02::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[2002:6464:64c8::1]",
        "[::ffff:6464:64c8]",
        "[::169.254.169.254]",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
        "instance-data",
    ] {
        assert_eq!(refused(&format!("http://{host}/latest"), OPEN), "SOURCE_NOT_ALLOWED", "{host}");
    }
}

#[test]
fn spellings_of_addresses_that_only_resolvers_know_are_no_names() {
    for host in
        ["2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376", "169.254.169.254.", "1.2.3.0x4", "127.1"]
    {
        assert_eq!(refused(&format!("http://{host}/latest"), OPEN), "REPOSITORY_INVALID", "{host}");
    }
}

#[test]
fn private_addresses_and_folders_are_let_in_by_the_policy_alone() {
    for text in [
        "http://127.0.0.1:3000/a",
        "http://localhost/a",
        "http://git.localhost/a",
        "https://10.0.0.1/a",
        "https://172.16.0.1/a",
        "https://192.168.1.1/a",
        "https://100.64.0.1/a",
        "https://198.18.0.1/a",
        "http://[::1]/a",
        "http://[fd12::1]/a",
        "http://[::ffff:127.0.0.1]/a",
        "http://[2001::1]/a",
        "http://[2001:db8::1]/a",
        "http://[fec0::1]/a",
        "/srv/git/app.git",
        "file:///srv/git/app.git",
    ] {
        assert_eq!(refused(text, STRICT), "SOURCE_NOT_ALLOWED", "{text}");
        assert!(SourceAddress::parse(text, &OPEN).is_ok(), "{text}");
    }
}

#[test]
fn what_stands_beside_a_range_is_public() {
    for host in [
        "169.253.255.255",
        "169.255.0.1",
        "170.254.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "101.64.0.1",
        "198.17.0.1",
        "198.20.0.1",
        "199.18.0.1",
        "192.0.1.1",
        "192.1.0.1",
        "193.0.0.1",
        "223.255.255.255",
        "[2002:101:101::1]",
        "[64:ff9b::101:101]",
        "[2001:1::1]",
        "[2003::1]",
        "[fe00::1]",
    ] {
        let text = format!("https://{host}/a");
        assert!(SourceAddress::parse(&text, &STRICT).is_ok(), "{text}");
    }
}

#[test]
fn an_address_and_a_host_have_a_longest_length() {
    let long = |length: usize| {
        let begin = "https://example.org/";
        format!("{begin}{}", "a".repeat(length - begin.len()))
    };
    assert!(SourceAddress::parse(&long(500), &STRICT).is_ok());
    assert_eq!(refused(&long(501), OPEN), "REPOSITORY_INVALID");
    let host = |length: usize| {
        let name = format!("{}.", "a".repeat(63)).repeat(4);
        format!("https://{}/a", &name[name.len() - 1 - length..name.len() - 1])
    };
    assert!(SourceAddress::parse(&host(253), &STRICT).is_ok());
    assert_eq!(refused(&host(254), OPEN), "REPOSITORY_INVALID");
}

#[test]
fn a_refusal_says_its_rule_and_does_not_repeat_a_password() {
    let refused = SourceAddress::parse("https://me:hunter2@example.org/a", &OPEN).expect_err("it has a password");
    assert_eq!(
        refused.rule(),
        "must not carry a user or a password, which would be on record for ever; `rhone credential set HOST` keeps them"
    );
    assert!(!refused.to_string().contains("hunter2") && !format!("{refused:?}").contains("hunter2"));
}

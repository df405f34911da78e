//! What is a digest and what is not.

use super::*;

#[test]
fn a_digest_is_written_and_read_back() {
    let digest = Digest::of(&[b"abc"]);
    assert_eq!(digest.to_string(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(digest.to_string().parse(), Ok(digest));
}

#[test]
fn parts_are_digested_as_one() {
    assert_eq!(Digest::of(&[b"a", b"bc"]), Digest::of(&[b"abc"]));
}

#[test]
fn a_digest_of_another_kind_length_or_case_is_refused() {
    for text in ["", "sha256:", "sha512:00", "sha256:zz", &format!("sha256:{}", "A".repeat(64)), &"a".repeat(64)] {
        assert_eq!(text.parse::<Digest>(), Err(InvalidDigest), "{text}");
    }
}

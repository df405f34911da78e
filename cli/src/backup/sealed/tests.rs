//! Sealed keys open for whom they are sealed, and for nobody else; nothing of them is said.

use super::*;
use age::secrecy::ExposeSecret as _;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

const WORDS: &str = "a horse that was never correct";
const FEED: &str = "feedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeedfeed";

fn contents() -> Contents {
    let keys = Keys { feed: FEED.into(), kek: None };
    Contents::new(Digest::of(&[b"manifest"]), keys, KeyFile::first("kek-1", [9; 32]))
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        path
    }

    fn passphrase(&self, text: &str) -> std::path::PathBuf {
        self.file("passphrase", text, 0o600)
    }
}

fn by_passphrase(path: std::path::PathBuf) -> Result<Unlock> {
    Unlock::read(&UnlockArgs { passphrase: Some(path), identity: None })
}

/// As [`Lock::read`] gives it, with less work than a second's.
fn sealed(place: &Place, lock: &Lock) -> std::path::PathBuf {
    let path = place.folder.path().join("keys.age");
    write(&path, &contents(), lock).expect("written");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    path
}

#[test]
fn a_passphrase_opens_and_another_does_not() {
    let place = Place::new();
    let words = place.passphrase(&format!("{WORDS}\n"));
    let lock = Lock::read(&LockArgs { passphrase: Some(words.clone()), recipients: None }).expect("long enough");
    let path = sealed(&place, &lock);
    let bytes = fs::read(&path).expect("it is there");
    assert!(!String::from_utf8_lossy(&bytes).contains("feedfeed"), "nothing lies open");
    let read = super::read(&path, &by_passphrase(words).expect("read")).expect("opened");
    assert_eq!((read.keys.feed.as_str(), read.vault.current.as_str()), (FEED, "kek-1"));
    let wrong = by_passphrase(place.passphrase("a horse that was never there")).expect("long enough");
    let refused = format!("{:#}", super::read(&path, &wrong).err().expect("refused"));
    assert!(refused.contains("not opened") && !refused.contains("horse"), "{refused}");
}

#[test]
fn whoever_can_seal_cannot_open() {
    let place = Place::new();
    let (ours, theirs) = (x25519::Identity::generate(), x25519::Identity::generate());
    let recipients = place.file("recipients", &format!("# the vault room\n{}\n", ours.to_public()), 0o644);
    let lock = Lock::read(&LockArgs { passphrase: None, recipients: Some(recipients.clone()) }).expect("read");
    let path = sealed(&place, &lock);
    let open = |identity: &x25519::Identity| {
        let file = place.file("identity", identity.to_string().expose_secret(), 0o600);
        super::read(&path, &Unlock::read(&UnlockArgs { passphrase: None, identity: Some(file) }).expect("read"))
    };
    assert_eq!(open(&ours).expect("opened").keys.feed, FEED);
    assert!(open(&theirs).is_err());
    let refused = Unlock::read(&UnlockArgs { passphrase: None, identity: Some(recipients) }).err().expect("refused");
    assert!(refused.to_string().contains("chmod 600"), "{refused}");
}

#[test]
fn a_passphrase_is_long_and_nobody_elses() {
    let place = Place::new();
    let lock = |path| Lock::read(&LockArgs { passphrase: Some(path), recipients: None }).err().expect("refused");
    let refused = lock(place.passphrase("too short\n")).to_string();
    assert!(refused.contains("at least 12") && !refused.contains("too short"), "{refused}");
    let refused = lock(place.file("open", WORDS, 0o644)).to_string();
    assert!(refused.contains("chmod 600") && !refused.contains("horse"), "{refused}");
}

#[test]
fn a_changed_byte_is_noticed() {
    let place = Place::new();
    let ours = x25519::Identity::generate();
    let path = sealed(&place, &Lock::Recipients(vec![ours.to_public()]));
    let mut bytes = fs::read(&path).expect("it is there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).expect("written");
    assert!(super::read(&path, &Unlock(vec![Box::new(ours)])).is_err());
}

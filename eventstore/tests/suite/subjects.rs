//! Personal fields: readable while the subject's key exists, by no other subject or field, and never after it was destroyed.

use crate::{
    database::{Database, WORKER},
    story::{ACME, clock},
};
use rhone_domain::ids::SubjectId;
use rhone_eventstore::subjects::{Kek, SubjectError, Subjects};
use tokio::task::JoinSet;

const FIELD: &str = "workspace.contact_email";

fn kek() -> Kek {
    Kek::new("kek-1", [7; 32])
}

#[tokio::test]
async fn a_sealed_field_opens_until_its_subject_is_erased() {
    let database = Database::new().await;
    let seals = Subjects::new(database.role(WORKER, 2).await, kek());
    let worker = Subjects::new(database.role(WORKER, 2).await, kek());
    let (alice, bob) = (clock().new_id::<SubjectId>(), clock().new_id::<SubjectId>());
    let of_alice = seals.seal(ACME, alice, FIELD, "zoë@example.org").await.expect("seals");
    let of_bob = seals.seal(ACME, bob, FIELD, "bob@example.org").await.expect("seals");
    assert_eq!(worker.open(&of_alice).await.expect("opens").as_deref(), Some("zoë@example.org"));
    let again = seals.seal(ACME, alice, FIELD, "zoë@example.org").await.expect("seals");
    assert_ne!(again.ciphertext, of_alice.ciphertext, "the same text twice is not seen to be the same");

    assert!(worker.destroy(alice).await.expect("destroys"));
    assert!(!worker.destroy(alice).await.expect("is destroyed already"));
    assert_eq!(seals.open(&of_alice).await.expect("is answered"), None);
    assert_eq!(seals.open(&of_bob).await.expect("opens").as_deref(), Some("bob@example.org"));
    let refused = seals.seal(ACME, alice, FIELD, "zoë@example.org").await;
    assert!(matches!(refused, Err(SubjectError::Erased(subject)) if subject == alice), "erased is for ever");
    assert_eq!(database.number("SELECT count(*) FROM log.subject_keys WHERE wrapped_key IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_ciphertext_that_was_moved_or_changed_does_not_open() {
    let database = Database::new().await;
    let subjects = Subjects::new(database.role(WORKER, 2).await, kek());
    let (alice, bob) = (clock().new_id::<SubjectId>(), clock().new_id::<SubjectId>());
    let sealed = subjects.seal(ACME, alice, FIELD, "alice@example.org").await.expect("seals");
    subjects.seal(ACME, bob, FIELD, "bob@example.org").await.expect("seals");
    let mut to_bob = sealed.clone();
    to_bob.subject = bob;
    let mut to_another_field = sealed.clone();
    to_another_field.field = "user.name".into();
    let mut changed = sealed.clone();
    changed.ciphertext.replace_range(0..1, if sealed.ciphertext.starts_with('A') { "B" } else { "A" });
    let mut cut = sealed.clone();
    cut.nonce.clear();
    for forged in [to_bob, to_another_field, changed, cut] {
        let opened = subjects.open(&forged).await;
        assert!(matches!(opened, Err(SubjectError::NotAuthentic(_))), "{opened:?}");
    }
}

#[tokio::test]
async fn without_the_wrapping_key_the_database_opens_nothing() {
    let database = Database::new().await;
    let pool = database.role(WORKER, 2).await;
    let alice = clock().new_id::<SubjectId>();
    let sealed = Subjects::new(pool.clone(), kek()).seal(ACME, alice, FIELD, "a@b.example").await.expect("seals");
    let opened = Subjects::new(pool.clone(), Kek::new("kek-2", [7; 32])).open(&sealed).await;
    assert!(matches!(&opened, Err(SubjectError::OtherKek(id)) if id == "kek-1"), "{opened:?}");
    let opened = Subjects::new(pool, Kek::new("kek-1", [8; 32])).open(&sealed).await;
    assert!(matches!(opened, Err(SubjectError::NotAuthentic(_))), "{opened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_fields_sealed_at_the_same_moment_share_one_key() {
    let database = Database::new().await;
    let subjects = Subjects::new(database.role(WORKER, 8).await, kek());
    let alice = clock().new_id::<SubjectId>();
    let mut seals = JoinSet::new();
    for n in 0..8 {
        let subjects = subjects.clone();
        seals.spawn(async move { subjects.seal(ACME, alice, FIELD, &format!("{n}")).await.expect("seals") });
    }
    for sealed in seals.join_all().await {
        assert!(subjects.open(&sealed).await.expect("opens").is_some());
    }
}

//! The life of a provider binding, and its trap by name.

use super::*;
use crate::{
    aggregate::{fold, given},
    story::{
        LYON, SECOND, because,
        bindings::{binding_id, credential, declared, proof, unproven},
    },
};

fn database() -> Declared<What> {
    declared(What { resource: Resource::Database, vendor: Vendor::Postgres })
}

fn verified() -> Event {
    Event::Verified { binding: binding_id(1), proof: proof(), credential: credential(1) }
}

fn failed() -> Event {
    Event::Failed { binding: binding_id(1), unproven: unproven() }
}

/// The trap of the ProviderBinding.
#[test]
fn trap_assuming_app_declared_config_proves_hosted_readiness() {
    let counts = |events: &[Event]| fold::<ProviderBindings>(events).verified(LYON, Resource::Database).is_some();
    let disabled = Event::Disabled { binding: binding_id(1), reason: because("moved") };
    assert!(!counts(&[]));
    assert!(!counts(&[Event::Requested(database())]), "what was only asked for counts for nothing");
    assert!(counts(&[Event::Requested(database()), verified()]));
    assert!(!counts(&[Event::Requested(database()), verified(), failed()]), "what does not answer any more");
    assert!(!counts(&[Event::Requested(database()), verified(), disabled]));
}

#[test]
fn a_sin_that_counts_what_was_declared_is_caught() {
    let declared_counts = |bindings: &ProviderBindings| bindings.here(LYON, Resource::Database).next().is_some();
    let only_asked = fold::<ProviderBindings>(&[Event::Requested(database())]);
    assert_ne!(declared_counts(&only_asked), only_asked.verified(LYON, Resource::Database).is_some());
}

#[test]
fn another_region_has_bindings_of_its_own() {
    let bindings = fold::<ProviderBindings>(&[Event::Requested(database()), verified()]);
    let elsewhere = RegionId(uuid::Uuid::from_u128(0xe15e));
    assert!(bindings.verified(elsewhere, Resource::Database).is_none());
    let there = Declared { id: binding_id(2), region: elsewhere, ..database() };
    given::<ProviderBindings>([Event::Requested(database()), verified()])
        .when(Command::Request(there.clone()))
        .then([Event::Requested(there)]);
}

#[test]
fn one_resource_has_one_binding_in_a_region_until_it_fails_or_ends() {
    let second = Declared { id: binding_id(2), ..database() };
    let taken = Rejection::AlreadyBound(binding_id(1));
    given::<ProviderBindings>([Event::Requested(database())])
        .when(Command::Request(second.clone()))
        .then_rejected(&taken);
    given::<ProviderBindings>([Event::Requested(database()), verified()])
        .when(Command::Request(second.clone()))
        .then_rejected(&taken);
    given::<ProviderBindings>([Event::Requested(database()), failed()])
        .when(Command::Request(second.clone()))
        .then([Event::Requested(second)]);
    given::<ProviderBindings>([Event::Requested(database())]).when(Command::Request(database())).then([]);
}

#[test]
fn a_vendor_that_cannot_be_the_resource_is_refused_by_field() {
    let odd = declared(What { resource: Resource::Database, vendor: Vendor::Http });
    let rejection = Rejection::Impossible("http cannot be a database".into());
    given::<ProviderBindings>([]).when(Command::Request(odd)).then_rejected(&rejection);
    assert_eq!(aggregate::Rejection::field(&rejection), Some("vendor"));
}

#[test]
fn the_same_proof_and_the_same_failure_are_no_second_event() {
    let verify = || Command::Verify { binding: binding_id(1), proof: proof(), credential: credential(1) };
    given::<ProviderBindings>([Event::Requested(database()), verified()]).when(verify()).then([]);
    let fail = || Command::Fail { binding: binding_id(1), unproven: unproven() };
    given::<ProviderBindings>([Event::Requested(database()), failed()]).when(fail()).then([]);
    let later = Proof { by: SECOND, ..proof() };
    let again = Command::Verify { binding: binding_id(1), proof: later.clone(), credential: credential(2) };
    given::<ProviderBindings>([Event::Requested(database()), verified()]).when(again).then([Event::Verified {
        binding: binding_id(1),
        proof: later,
        credential: credential(2),
    }]);
}

#[test]
fn what_is_disabled_stays_so() {
    let disabled = Event::Disabled { binding: binding_id(1), reason: because("moved") };
    let ended = || given::<ProviderBindings>([Event::Requested(database()), disabled.clone()]);
    let verify = Command::Verify { binding: binding_id(1), proof: proof(), credential: None };
    ended().when(verify).then_rejected(&Rejection::Disabled);
    ended().when(Command::Fail { binding: binding_id(1), unproven: unproven() }).then_rejected(&Rejection::Disabled);
    ended().when(Command::Disable { binding: binding_id(1), reason: because("again") }).then([]);
    let unknown = Command::Disable { binding: binding_id(7), reason: because("never") };
    given::<ProviderBindings>([]).when(unknown).then_rejected(&Rejection::NotFound);
}

#[test]
fn a_database_holds_the_truth_and_every_other_resource_is_a_service() {
    for resource in Resource::ALL.iter().copied() {
        let purpose = What { resource, vendor: Vendor::Postgres }.purpose();
        assert_eq!(purpose == Purpose::Truth, resource == Resource::Database, "{resource}: {purpose}");
        assert_eq!(purpose == Purpose::Service, resource != Resource::Database, "{resource}: {purpose}");
    }
}

#[test]
fn each_resource_has_a_binding_of_its_own() {
    let mail = declared(What { resource: Resource::Email, vendor: Vendor::Http });
    let mail = Declared { id: binding_id(2), ..mail };
    given::<ProviderBindings>([Event::Requested(database()), verified()])
        .when(Command::Request(mail.clone()))
        .then([Event::Requested(mail)]);
}

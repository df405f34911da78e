//! How services stand, as scale readiness sees it.

use super::*;
use crate::{
    aggregate::{fold, given},
    environment::Replicas,
    numbers::Epoch,
    route_owner,
    story::{
        LYON, because,
        bindings::{binding_id, declared, proof, unproven},
        moved, opened, owner,
    },
};

fn asked(n: u128, service: Service, backend: Backend) -> Event {
    Event::Requested(Declared { id: binding_id(n), ..declared(What { service, backend }) })
}

fn verified(n: u128) -> Event {
    Event::Verified { binding: binding_id(n), proof: proof(), credential: None }
}

#[test]
fn only_what_is_verified_lets_an_app_scale_out() {
    let asked =
        [asked(1, Service::SessionStore, Backend::Postgres), verified(1), asked(2, Service::Broadcast, Backend::Nats)];
    let services = fold::<RuntimeServices>(&asked);
    let said = scale_readiness::judge(2, &Needed::new(), &services.standings(LYON)).lacking();
    assert_eq!(said.as_deref(), Some("the broadcast backend (nats) is bound, and no probe has proven it"));
    let proven = fold::<RuntimeServices>(&[asked.to_vec(), vec![verified(2)]].concat());
    assert!(matches!(
        scale_readiness::judge(2, &Needed::new(), &proven.standings(LYON)),
        Readiness::Allowed(of) if of == [(Service::SessionStore, Backend::Postgres), (Service::Broadcast, Backend::Nats)]
    ));
}

#[test]
fn what_has_failed_or_ended_stands_no_more() {
    let fail = Event::Failed { binding: binding_id(1), unproven: unproven() };
    let end = Event::Disabled { binding: binding_id(1), reason: because("not needed") };
    let of = |more: Event| {
        let events = [asked(1, Service::Cache, Backend::Redis), verified(1), more];
        fold::<RuntimeServices>(&events).standings(LYON).get(&Service::Cache).copied()
    };
    assert_eq!(of(fail), Some(Standing::Unproven(Backend::Redis)));
    assert_eq!(of(end), None);
}

#[test]
fn a_later_binding_that_works_covers_an_earlier_one_that_failed() {
    let events = [
        asked(1, Service::Cache, Backend::Memory),
        Event::Failed { binding: binding_id(1), unproven: unproven() },
        asked(2, Service::Cache, Backend::Redis),
        verified(2),
    ];
    let standings = fold::<RuntimeServices>(&events).standings(LYON);
    assert_eq!(standings.get(&Service::Cache), Some(&Standing::Verified(Backend::Redis)));
}

#[test]
fn a_broadcast_backend_is_never_made_of_a_database() {
    let odd = declared(What { service: Service::Broadcast, backend: Backend::Postgres });
    let rejection = Rejection::Impossible("postgres cannot be a broadcast backend".into());
    given::<RuntimeServices>([]).when(Command::Request(odd)).then_rejected(&rejection);
}

/// The trap of the glossary's session store: what is kept is what the app persists, and a service has no other promise.
#[test]
fn trap_session_store_assumed_to_serialize_an_entire_go_process() {
    // A verified store lets another allocation hydrate persisted keys; it promises nothing of goroutines, sockets or locals.
    // In the domain that promise has no words: a standing names a service and a backend, and nothing of a process.
    let services = fold::<RuntimeServices>(&[asked(1, Service::SessionStore, Backend::Postgres), verified(1)]);
    let standings = services.standings(LYON);
    assert_eq!(standings, [(Service::SessionStore, Standing::Verified(Backend::Postgres))].into());
    let several = scale_readiness::judge(2, &Needed::new(), &standings);
    assert!(
        matches!(several, Readiness::Blocked(_)),
        "a session store alone does not make allocations interchangeable"
    );
}

/// What can carry each service; whatever else is asked for is refused, and says so.
#[test]
fn a_service_is_made_of_what_can_carry_it_and_of_nothing_else() {
    let table = [
        (Service::SessionStore, "postgres redis memory"),
        (Service::Broadcast, "redis nats memory"),
        (Service::Idempotency, "postgres redis memory"),
        (Service::Cache, "redis memory"),
        (Service::Queue, "postgres redis nats memory"),
        (Service::ObjectStorage, "fs s3"),
    ];
    assert_eq!(table.map(|(service, _)| service).as_slice(), Service::ALL);
    for (service, carriers) in table {
        for backend in Backend::ALL.iter().copied() {
            let asked = RuntimeServices::default().decide(Command::Request(declared(What { service, backend })));
            let possible = carriers.split(' ').any(|carrier| carrier == backend.as_str());
            assert_eq!(asked.is_ok(), possible, "{service} of {backend}: {asked:?}");
        }
    }
}

#[test]
fn a_broadcast_backend_carries_fan_out_and_every_other_one_a_service() {
    for service in Service::ALL.iter().copied() {
        let purpose = What { service, backend: Backend::Redis }.purpose();
        assert_eq!(purpose == Purpose::Broadcast, service == Service::Broadcast, "{service}: {purpose}");
        assert_eq!(purpose == Purpose::Service, service != Service::Broadcast, "{service}: {purpose}");
    }
}

#[test]
fn each_service_has_a_binding_of_its_own() {
    let queue = declared(What { service: Service::Queue, backend: Backend::Postgres });
    let queue = Declared { id: binding_id(2), ..queue };
    given::<RuntimeServices>([asked(1, Service::SessionStore, Backend::Postgres)])
        .when(Command::Request(queue.clone()))
        .then([Event::Requested(queue)]);
}

#[test]
fn one_service_has_one_binding_in_a_region_until_it_fails_or_ends() {
    let again = declared(What { service: Service::Cache, backend: Backend::Memory });
    let again = Declared { id: binding_id(2), ..again };
    let first = || asked(1, Service::Cache, Backend::Redis);
    let taken = Rejection::AlreadyBound(binding_id(1));
    for there in [vec![first()], vec![first(), verified(1)]] {
        given::<RuntimeServices>(there).when(Command::Request(again.clone())).then_rejected(&taken);
    }
    let failed = Event::Failed { binding: binding_id(1), unproven: unproven() };
    let ended = Event::Disabled { binding: binding_id(1), reason: because("not needed") };
    for gone in [failed, ended] {
        given::<RuntimeServices>([first(), gone])
            .when(Command::Request(again.clone()))
            .then([Event::Requested(again.clone())]);
    }
}

/// How often it is said otherwise than these cases say whether production, which wants so many, can do without a binding.
fn wrong(may: fn(&RuntimeServices, BindingId, &Environment, &RouteOwner) -> bool) -> usize {
    let both = [
        asked(1, Service::SessionStore, Backend::Postgres),
        verified(1),
        asked(2, Service::Broadcast, Backend::Nats),
        verified(2),
        asked(3, Service::Cache, Backend::Redis),
        verified(3),
    ];
    let opened = route_owner::Event::Opened(opened());
    let promoted = route_owner::Event::Promoted {
        by: crate::story::FIRST,
        epoch: Epoch(1),
        owner: owner(crate::story::BLUE),
        at: crate::story::at(0),
        drain: None,
    };
    let served = fold::<RouteOwner>(&[opened.clone(), promoted.clone()]);
    let (nobody, elsewhere) = (
        fold::<RouteOwner>(std::slice::from_ref(&opened)),
        fold::<RouteOwner>(&[opened, promoted, route_owner::Event::Moved(moved())]),
    );
    let failed = |n: u128| Event::Failed { binding: binding_id(n), unproven: unproven() };
    let cases = [
        (vec![], 1, 1, &served, true),
        (vec![], 1, 2, &served, false),
        (vec![], 2, 2, &served, false),
        (vec![], 3, 2, &served, true),
        (vec![], 2, 3, &nobody, true),
        (vec![], 2, 3, &elsewhere, true),
        (vec![failed(2)], 2, 2, &served, true),
        (vec![failed(2)], 1, 2, &served, false),
        (vec![failed(2), asked(4, Service::Broadcast, Backend::Redis), verified(4)], 2, 2, &served, true),
        (vec![failed(2), asked(4, Service::Broadcast, Backend::Redis), verified(4)], 4, 2, &served, false),
        (vec![], 9, 2, &served, true),
    ];
    let differs = |(more, which, wanted, owner, expected): &(Vec<Event>, u128, u8, &RouteOwner, bool)| {
        let services = fold::<RuntimeServices>(&[both.to_vec(), more.clone()].concat());
        let environment = Environment { replicas: Replicas(*wanted), ..Environment::default() };
        may(&services, binding_id(*which), &environment, owner) != *expected
    };
    cases.iter().filter(|case| differs(case)).count()
}

type May = fn(&RuntimeServices, BindingId, &Environment, &RouteOwner) -> bool;

/// The other way into the trap of allowing horizontal scale without what it needs: scale first, and detach afterwards.
#[test]
fn trap_what_several_allocations_share_is_detached_under_them() {
    let may: May = |services, binding, environment, owner| services.may_do_without(binding, environment, owner).is_ok();
    assert_eq!(wrong(may), 0);
    let asks_nothing: May = |_, _, _, _| true;
    let as_if_one: May = |services, binding, environment, owner| {
        let one = Environment { replicas: Replicas::ONE, ..environment.clone() };
        services.may_do_without(binding, &one, owner).is_ok()
    };
    let whatever_is_bound: May = |services, binding, environment, _| {
        environment.replicas == Replicas::ONE || !services.bindings.contains_key(&binding)
    };
    for sin in [asks_nothing, as_if_one, whatever_is_bound] {
        assert!(wrong(sin) > 0, "the cases do not notice the sin");
    }
}

#[test]
fn what_is_needed_is_refused_by_name_with_both_numbers() {
    let services = fold::<RuntimeServices>(&[asked(2, Service::Broadcast, Backend::Nats), verified(2)]);
    let promoted = route_owner::Event::Promoted {
        by: crate::story::FIRST,
        epoch: Epoch(1),
        owner: owner(crate::story::BLUE),
        at: crate::story::at(0),
        drain: None,
    };
    let owner = fold::<RouteOwner>(&[route_owner::Event::Opened(opened()), promoted]);
    let environment = Environment { replicas: Replicas(2), ..Environment::default() };
    let refusal = services.may_do_without(binding_id(2), &environment, &owner).expect_err("two share it");
    assert_eq!((refusal.code, refusal.field), ("RUNTIME_SERVICE_NEEDED", Some("runtimeServiceBindingId")));
    assert!(refusal.message.contains("share its broadcast backend"), "{refusal}");
    assert_eq!(refusal.expected_and_actual, Some(("1".into(), "2".into())));
}

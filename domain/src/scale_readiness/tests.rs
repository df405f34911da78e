//! Every case of the decision, against a table written from the rule and not from the code; and the trap by its name, with
//! the functions that fall into it.

use super::*;
use std::collections::BTreeMap;

/// Every way in which a service can stand.
fn every_standing() -> Vec<Option<Standing>> {
    let made = Backend::ALL.iter().flat_map(|backend| [Standing::Unproven(*backend), Standing::Verified(*backend)]);
    std::iter::once(None).chain(made.map(Some)).collect()
}

/// Every way in which an artifact can need a service.
fn every_need(service: Service) -> Vec<Needed> {
    let some = std::iter::once(None).chain(Backend::ALL.iter().copied().map(Some));
    std::iter::once(Needed::new()).chain(some.map(|backend| [(service, backend)].into())).collect()
}

/// The rule once more, in words that follow the study material: needed? proven? as needed? seen by all?
fn expected(replicas: u64, service: Service, needed: &Needed, standing: Option<Standing>) -> Option<Lack> {
    let several = replicas >= 2;
    let always = several && (service == Service::SessionStore || service == Service::Broadcast);
    if replicas == 0 || (needed.is_empty() && !always) {
        return None;
    }
    let (backend, proven) = match standing {
        None => return Some(Lack::NotBound),
        Some(Standing::Unproven(backend)) => (backend, false),
        Some(Standing::Verified(backend)) => (backend, true),
    };
    if !proven {
        return Some(Lack::Unproven(backend));
    }
    if let Some(Some(needed)) = needed.get(&service).copied()
        && needed != backend
    {
        return Some(Lack::Other { needed, bound: backend });
    }
    let private = backend == Backend::Memory || backend == Backend::Fs;
    (several && private).then_some(Lack::NotShared(backend))
}

type Judge = fn(u64, &Needed, &Standings) -> Readiness;

/// How many cases a function judges otherwise than the table: each service alone, the others as good as can be.
fn differences(judge: Judge) -> (usize, usize) {
    let (mut cases, mut wrong) = (0, 0);
    for service in Service::ALL.iter().copied() {
        for replicas in [0, 1, 2, 100] {
            for needed in every_need(service) {
                for standing in every_standing() {
                    let mut standings: Standings =
                        Service::ALL.iter().map(|other| (*other, Standing::Verified(Backend::Redis))).collect();
                    standings.remove(&service);
                    standings.extend(standing.map(|standing| (service, standing)));
                    let lack = expected(replicas, service, &needed, standing);
                    let said = match judge(replicas, &needed, &standings) {
                        Readiness::Allowed(_) => vec![],
                        Readiness::Blocked(missing) => missing,
                    };
                    cases += 1;
                    wrong +=
                        usize::from(said != lack.map(|lack| Missing { service, lack }).into_iter().collect::<Vec<_>>());
                }
            }
        }
    }
    (cases, wrong)
}

#[test]
fn every_service_in_every_standing_for_every_need_and_size_is_judged_as_the_table_says() {
    assert_eq!(differences(judge), (6 * 4 * 8 * 13, 0));
}

#[test]
fn everything_that_is_missing_is_named_in_order() {
    let needed = BTreeMap::from([(Service::Idempotency, None), (Service::Queue, Some(Backend::Nats))]);
    let standings = BTreeMap::from([(Service::SessionStore, Standing::Verified(Backend::Memory))]);
    let blocked = judge(2, &needed, &standings);
    assert_eq!(
        blocked.lacking().expect("it is blocked"),
        "the session store is memory, which only the same allocation sees; no broadcast backend is bound; \
         no idempotency store is bound; no queue is bound"
    );
}

#[test]
fn one_allocation_needs_only_what_the_artifact_says_it_requires() {
    assert_eq!(judge(1, &Needed::new(), &Standings::new()), Readiness::Allowed(vec![]));
    let needed = BTreeMap::from([(Service::SessionStore, None)]);
    let memory = BTreeMap::from([(Service::SessionStore, Standing::Verified(Backend::Memory))]);
    assert_eq!(judge(1, &needed, &memory), Readiness::Allowed(vec![(Service::SessionStore, Backend::Memory)]));
}

/// The trap of the RuntimeServiceBinding.
#[test]
fn trap_allowing_horizontal_scale_while_required_runtime_services_are_missing() {
    let bound = BTreeMap::from([(Service::SessionStore, Standing::Verified(Backend::Postgres))]);
    let missing = Missing { service: Service::Broadcast, lack: Lack::NotBound };
    assert_eq!(judge(2, &Needed::new(), &bound), Readiness::Blocked(vec![missing]));
}

#[test]
fn sins_whoever_falls_into_the_trap_is_caught() {
    let allows_all: Judge = |_, _, _| Readiness::Allowed(vec![]);
    let forgets_scale: Judge = |replicas, needed, standings| judge(replicas.min(1), needed, standings);
    let believes_what_is_bound: Judge = |replicas, needed, standings| {
        let proven = standings.iter().map(|(service, standing)| match standing {
            Standing::Unproven(backend) | Standing::Verified(backend) => (*service, Standing::Verified(*backend)),
        });
        judge(replicas, needed, &proven.collect())
    };
    let takes_memory_for_a_service: Judge = |replicas, needed, standings| {
        let shared = |backend| if backend == Backend::Memory { Backend::Redis } else { backend };
        let shared = standings.iter().map(|(service, standing)| match standing {
            Standing::Unproven(backend) => (*service, Standing::Unproven(*backend)),
            Standing::Verified(backend) => (*service, Standing::Verified(shared(*backend))),
        });
        judge(replicas, needed, &shared.collect())
    };
    for (sin, name) in [
        (allows_all, "allows all"),
        (forgets_scale, "forgets how many"),
        (believes_what_is_bound, "believes what is bound"),
        (takes_memory_for_a_service, "takes memory for a service"),
    ] {
        assert!(differences(sin).1 > 0, "not caught: {name}");
    }
}

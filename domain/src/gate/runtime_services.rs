//! Whether the runtime services that the artifact says it needs are proven in the environment's region, for as many allocations
//! as shall serve it. Trap: allowing horizontal scale while required runtime services are missing.

use super::{Code, Facts, Judged, Refusal};
use crate::{
    runtime_service::{Needed, Standings},
    scale_readiness::{self, Readiness},
};

const KIND: &str = "runtime_services";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let nothing = Needed::new();
    let needed = facts.next.map_or(&nothing, |artifact| &artifact.needs.services);
    // Whoever owns the traffic is served by as many allocations as the environment wants: a promotion starts all of them, and a
    // failover brings all of them along.
    of(facts.environment.replicas.0.into(), needed, &facts.services.standings(facts.requested.region))
        .or_warned_on_the_way_back(facts)
}

/// The gate for so many allocations.
pub(crate) fn of(replicas: u64, needed: &Needed, standings: &Standings) -> Judged {
    let readiness = scale_readiness::judge(replicas, needed, standings);
    match (&readiness, readiness.lacking()) {
        (Readiness::Allowed(present), _) if present.is_empty() => {
            Judged::open(KIND, "it needs no runtime service", "nothing is declared")
        }
        (Readiness::Allowed(present), _) => {
            let evidence: Vec<_> = present.iter().map(|(service, backend)| format!("{service}: {backend}")).collect();
            Judged::open(KIND, "every runtime service it needs is proven in the region", evidence.join("; "))
        }
        (Readiness::Blocked(missing), lacking) => {
            let evidence: Vec<_> = missing.iter().map(|one| one.service.to_string()).collect();
            let refusal = Refusal::new(Code::RuntimeServiceMissing, Some("environmentId"), lacking.unwrap_or_default());
            Judged::closed(KIND, refusal, evidence.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    //! The decision is tested where it is made; here, that the gate says what it says.
    use super::*;
    use crate::{
        aggregate::fold,
        environment::{Environment, Replicas},
        numbers::Epoch,
        operation::{Kind, Verdict},
        route_owner::{Event, RouteOwner},
        runtime_service::{Backend, Service, Standing},
        story::{GREEN, LYON, bindings::session_store, gate_facts, opened, promotable, requested},
    };

    #[test]
    fn the_gate_is_closed_exactly_when_something_is_missing_and_names_it() {
        let needed: Needed = [(Service::Idempotency, None)].into();
        let closed = of(1, &needed, &Standings::new());
        assert_eq!(closed.refusal.as_ref().map(|refusal| refusal.code), Some("RUNTIME_SERVICE_MISSING"));
        assert_eq!(closed.gate.reason, "no idempotency store is bound");
        let there = [(Service::Idempotency, Standing::Verified(Backend::Postgres))].into();
        let open = of(1, &needed, &there).gate;
        assert_eq!((open.verdict, open.evidence.as_str()), (Verdict::Pass, "idempotency: postgres"));
        assert_eq!(closed.gate.evidence, "idempotency");
        let nothing = of(1, &Needed::new(), &Standings::new()).gate;
        assert_eq!((nothing.verdict, nothing.evidence.as_str()), (Verdict::Pass, "nothing is declared"));
    }

    type Gate = fn(&Facts<'_>) -> Judged;

    /// How often a gate says something else than these cases, of an environment that wants so many, with a session store in
    /// LYON and no broadcast backend.
    fn wrong(gate: Gate) -> usize {
        let (owner, deployment) = (fold::<RouteOwner>(&[Event::Opened(opened())]), promotable(GREEN));
        let services = session_store(LYON);
        let cases = [
            (Kind::Promotion, 1, Verdict::Pass),
            (Kind::Promotion, 2, Verdict::Fail),
            (Kind::Promotion, 3, Verdict::Fail),
            (Kind::Rollback, 1, Verdict::Pass),
            (Kind::Rollback, 2, Verdict::Warn),
        ];
        let differs = |(kind, replicas, verdict): &(Kind, u8, Verdict)| {
            let requested = requested(*kind, Epoch(0));
            let change = requested.work.route_change().expect("a change of owner");
            let environment = Environment { replicas: Replicas(*replicas), ..Environment::default() };
            let facts = gate_facts(&requested, change, &owner, &deployment);
            let judged = gate(&Facts { environment: &environment, services: &services, ..facts });
            let named = judged.gate.reason.contains("no broadcast backend is bound");
            judged.gate.verdict != *verdict || named != (*verdict != Verdict::Pass)
        };
        cases.iter().filter(|case| differs(case)).count()
    }

    #[test]
    fn trap_a_promotion_that_starts_several_allocations_without_what_they_share() {
        assert_eq!(wrong(judge), 0);
        let as_if_one: Gate = |facts| {
            let environment = Environment { replicas: Replicas::ONE, ..facts.environment.clone() };
            judge(&Facts { environment: &environment, ..*facts })
        };
        let closed_for_the_way_back: Gate = |facts| {
            let (replicas, needed) = (facts.environment.replicas.0.into(), Needed::new());
            of(replicas, &needed, &facts.services.standings(facts.requested.region))
        };
        for sin in [as_if_one, closed_for_the_way_back] {
            assert!(wrong(sin) > 0, "the cases do not notice the sin");
        }
    }
}

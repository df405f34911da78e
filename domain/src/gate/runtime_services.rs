//! Whether the runtime services that the artifact says it needs are proven in the environment's region, for as many allocations
//! as shall serve it. Trap: allowing horizontal scale while required runtime services are missing.

use super::{Code, Facts, Judged, Refusal};
use crate::{
    operation::Kind,
    runtime_service::{Needed, Standings},
    scale_readiness::{self, Readiness},
};

const KIND: &str = "runtime_services";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let nothing = Needed::new();
    let needed = facts.next.map_or(&nothing, |artifact| &artifact.needs.services);
    // A failover brings all of them along; a promotion begins with those that are there.
    let all = facts.requested.kind() == Kind::RegionFailover;
    let replicas = if all { u64::from(facts.environment.replicas.0) } else { 1 };
    of(replicas, needed, &facts.services.standings(facts.requested.region)).or_warned_on_the_way_back(facts)
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
        operation::Verdict,
        runtime_service::{Backend, Service, Standing},
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
}

//! Whether an environment's traffic and data may be in a region at all. Trap: data that leaves the regions that somebody
//! promised to a customer, because a route, a failover or a proof allocation went there.

use super::{Judged, Refusal};
use crate::{environment::Environment, ids::RegionId};

const KIND: &str = "residency";

/// The gate for this region.
pub(crate) fn of(environment: &Environment, region: RegionId) -> Judged {
    let evidence = environment.residency.to_string();
    match environment.may_be_in(region) {
        Ok(()) => Judged::open(KIND, "the environment may be in this region", evidence),
        Err(rejection) => Judged::closed(KIND, Refusal::of(&rejection), evidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        environment::Residency,
        story::{BERGEN, LYON},
    };

    /// How often the gate is wrong about a region.
    fn wrong(gate: fn(&Environment, RegionId) -> Judged) -> usize {
        let cases: [(&[RegionId], RegionId, bool); 4] =
            [(&[], BERGEN, true), (&[LYON], LYON, true), (&[LYON], BERGEN, false), (&[LYON, BERGEN], BERGEN, true)];
        let differs = |(allowed, region, open): &(&[RegionId], RegionId, bool)| {
            let residency = Residency(allowed.iter().copied().collect());
            let judged = gate(&Environment { residency, ..Environment::default() }, *region);
            let refused = judged.refusal.map(|refusal| (refusal.code, refusal.field));
            refused != (!open).then_some(("RESIDENCY_VIOLATION", Some("regionId")))
        };
        cases.iter().filter(|case| differs(case)).count()
    }

    #[test]
    fn nothing_of_an_environment_is_where_its_residency_does_not_let_it_be() {
        assert_eq!(wrong(of), 0);
        let ignores_it: fn(&Environment, RegionId) -> Judged = |_, region| of(&Environment::default(), region);
        assert!(wrong(ignores_it) > 0, "the sin is not noticed");
    }
}

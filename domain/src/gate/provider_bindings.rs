//! Whether every outside resource that the artifact says it needs is proven in the environment's region. Trap: assuming that
//! what an app declares proves hosted readiness; a need is a question, and only a verified binding is the answer.

use super::{Code, Facts, Judged, Refusal};
use crate::{
    ids::RegionId,
    provider::{Needs, Resource, Vendor},
    provider_binding::ProviderBindings,
};

const KIND: &str = "provider_bindings";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let nothing = Needs::default();
    let needs = facts.next.map_or(&nothing, |artifact| &artifact.needs);
    of(needs, facts.requested.region, facts.providers).or_warned_on_the_way_back(facts)
}

/// The gate for these needs in this region.
pub(crate) fn of(needs: &Needs, region: RegionId, bindings: &ProviderBindings) -> Judged {
    let lacks = |(resource, vendor): (&Resource, &Option<Vendor>)| lacking(*resource, *vendor, region, bindings);
    let missing: Vec<String> = needs.providers.iter().filter_map(lacks).collect();
    if needs.providers.is_empty() {
        return Judged::open(KIND, "the artifact needs no outside resource", "nothing is declared");
    }
    let evidence = needs.providers.keys().map(|resource| proven(*resource, region, bindings)).collect::<Vec<_>>();
    if missing.is_empty() {
        return Judged::open(KIND, "every outside resource it needs is proven in the region", evidence.join("; "));
    }
    let refusal = Refusal::new(Code::ProviderMissing, Some("environmentId"), missing.join("; "));
    Judged::closed(KIND, refusal, evidence.join("; "))
}

fn lacking(
    resource: Resource,
    vendor: Option<Vendor>,
    region: RegionId,
    bindings: &ProviderBindings,
) -> Option<String> {
    match (bindings.verified(region, resource), vendor) {
        (Some(bound), Some(vendor)) if bound.declared.what.vendor != vendor => {
            Some(format!("the artifact needs {vendor} as its {resource}, and {} is bound", bound.declared.what.vendor))
        }
        (Some(_), _) => None,
        (None, _) if bindings.here(region, resource).next().is_some() => {
            Some(format!("the {resource} is bound, and no probe has proven it"))
        }
        (None, _) => Some(format!("no {resource} is bound in the region")),
    }
}

fn proven(resource: Resource, region: RegionId, bindings: &ProviderBindings) -> String {
    let bound = bindings.verified(region, resource).or_else(|| bindings.here(region, resource).next());
    bound.map_or_else(
        || format!("{resource}: none"),
        |bound| format!("{resource}: {} {}", bound.declared.id, bound.state),
    )
}

#[cfg(test)]
mod tests {
    //! Every way in which a resource can stand, for every way of needing it; the trap by its name.
    use super::*;
    use crate::{
        aggregate::fold,
        operation::Verdict,
        provider_binding::{Event, What},
        story::{
            LYON, because,
            bindings::{binding_id, credential, declared, proof, unproven},
        },
    };

    /// The ways in which a resource stands, and whether that proves it.
    fn standings() -> Vec<(&'static str, ProviderBindings, bool)> {
        let asked = Event::Requested(declared(What { resource: Resource::Database, vendor: Vendor::Postgres }));
        let verified = Event::Verified { binding: binding_id(1), proof: proof(), credential: credential(1) };
        let failed = Event::Failed { binding: binding_id(1), unproven: unproven() };
        let disabled = Event::Disabled { binding: binding_id(1), reason: because("moved") };
        vec![
            ("none", ProviderBindings::default(), false),
            ("declared", fold([&asked]), false),
            ("verified", fold(&[asked.clone(), verified.clone()]), true),
            ("failed", fold(&[asked.clone(), failed.clone()]), false),
            ("failed after all", fold(&[asked.clone(), verified.clone(), failed]), false),
            ("disabled", fold(&[asked, verified, disabled]), false),
        ]
    }

    fn needs(resource: Resource, vendor: Option<Vendor>) -> Needs {
        Needs { providers: [(resource, vendor)].into(), ..Needs::default() }
    }

    type Gate = fn(&Needs, RegionId, &ProviderBindings) -> Judged;

    fn differences(gate: Gate) -> usize {
        let elsewhere = RegionId(uuid::Uuid::from_u128(0xe15e));
        let mut wrong = 0;
        for (_, bindings, proves) in standings() {
            for region in [LYON, elsewhere] {
                for resource in Resource::ALL.iter().copied() {
                    for vendor in [None, Some(Vendor::Postgres), Some(Vendor::Http)] {
                        let here = region == LYON && resource == Resource::Database && vendor != Some(Vendor::Http);
                        let open = gate(&needs(resource, vendor), region, &bindings).gate.verdict == Verdict::Pass;
                        wrong += usize::from(open != (here && proves));
                    }
                }
                wrong += usize::from(gate(&Needs::default(), region, &bindings).gate.verdict != Verdict::Pass);
            }
        }
        wrong
    }

    #[test]
    fn trap_app_declared_config_does_not_prove_hosted_readiness_in_any_standing() {
        assert_eq!(differences(of), 0);
    }

    #[test]
    fn the_gate_names_the_binding_that_was_looked_at_and_what_is_wrong_with_it() {
        let (one, absent) = (binding_id(1), "no database is bound in the region");
        let unproven = "the database is bound, and no probe has proven it";
        let all = [
            ("none", "database: none".to_owned(), Some(absent)),
            ("declared", format!("database: {one} requested"), Some(unproven)),
            ("verified", format!("database: {one} verified"), None),
            ("failed", format!("database: {one} failed"), Some(unproven)),
            ("failed after all", format!("database: {one} failed"), Some(unproven)),
            ("disabled", "database: none".to_owned(), Some(absent)),
        ];
        for ((name, bindings, _), (same, evidence, wrong)) in standings().into_iter().zip(all) {
            let judged = of(&needs(Resource::Database, None), LYON, &bindings);
            assert_eq!((name, judged.gate.evidence), (same, evidence));
            assert_eq!(judged.refusal.map(|refusal| refusal.message).as_deref(), wrong, "{name}");
        }
    }

    #[test]
    fn sins_whoever_falls_into_the_trap_is_caught() {
        let believes_the_app: Gate = |_, _, _| Judged::open(KIND, "the artifact says so", "rhone.toml");
        let counts_what_is_declared: Gate = |needs, region, bindings| {
            let here = needs.providers.keys().all(|resource| bindings.here(region, *resource).next().is_some());
            if here { Judged::open(KIND, "it is declared", "declared") } else { of(needs, region, bindings) }
        };
        let forgets_the_region: Gate = |needs, _, bindings| of(needs, LYON, bindings);
        for sin in [believes_the_app, counts_what_is_declared, forgets_the_region] {
            assert!(differences(sin) > 0, "not caught");
        }
    }
}

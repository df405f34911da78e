//! What sessions get: it follows from what is proven, it is said, and another word is refused.

use super::*;

/// The trap: a failover that hides that sessions begin afresh. The sin: a gate that believes what the request says.
#[test]
fn trap_region_failover_ux_hides_fresh_session() {
    let hydrates = Wish { sessions: Fate::Hydrate, ..wish() };
    assert_eq!(refused(hydrates.clone()), Some("SESSION_FATE_DIFFERS"));
    assert_eq!(refused(Wish { sessions: Fate::DrainInPlace, ..wish() }), Some("SESSION_FATE_DIFFERS"));
    let silent = Wish { acknowledgements: vec![], ..wish() };
    assert_eq!(refused(silent.clone()), Some("NEEDS_ACKNOWLEDGEMENT"));
    let (seen, _) = gates(&asked(wish()), &fold(&serving()), &in_two_regions());
    let sessions = seen.iter().find(|gate| gate.kind == "sessions").expect("the gate is there");
    assert_eq!(sessions.verdict, Verdict::Acknowledged);
    assert!(sessions.reason.contains("start fresh"), "{}", sessions.reason);
    let sin = |wish: &Wish| (wish.sessions == Fate::StartFresh && wish.acknowledgements.is_empty()).then_some("");
    assert_ne!(sin(&hydrates), refused(hydrates), "whoever believes the request lets it pass");
    assert_ne!(sin(&silent), refused(silent));
}

/// Sessions hydrate where the store is proven in the new region and both regions see the same data, and nowhere else.
#[test]
fn what_sessions_get_follows_from_the_store_and_the_data_and_never_from_hope() {
    use crate::story::bindings::session_store;
    let with = |topology| {
        let enabled = environment::Enabled { topology, ..enabled() };
        fold::<Environment>(&[environment::Event::Created(production()), environment::Event::RegionEnabled(enabled)])
    };
    let topologies = [DataTopology::Replicated, DataTopology::Shared, DataTopology::Nothing];
    for (topology, region) in
        topologies.into_iter().flat_map(|topology| [LYON, BERGEN].map(|region| (topology, region)))
    {
        let hydrates = region == BERGEN && topology != DataTopology::Nothing;
        let expected = if hydrates { Fate::Hydrate } else { Fate::StartFresh };
        assert_eq!(
            fate(&with(topology), &session_store(region), LYON, BERGEN),
            expected,
            "{topology}, store in {region}"
        );
    }
    let back = fate(&with(DataTopology::Shared), &session_store(LYON), BERGEN, LYON);
    assert_eq!(back, Fate::Hydrate, "the way home asks for the store at home");
    let nowhere = fate(&with(DataTopology::Shared), &RuntimeServices::default(), LYON, BERGEN);
    assert_eq!(nowhere, Fate::StartFresh);
}

//! The gates of state, database, generated files and approval, each by itself; and the traps by name, each with the sin that
//! must be caught.

mod fresh;

use super::*;
use crate::{
    aggregate::{Aggregate as _, fold},
    database_impact,
    deploy_impact::Word,
    deployment, environment,
    ids::ActorId,
    migrations,
    numbers::Epoch,
    operation::{Acknowledgement, Work},
    route_owner,
    story::{
        ALICE, BLUE, BLUE_BYTES, GATES, GREEN, GREEN_BYTES, PRODUCTION, allocated, allocation, approval, at, because,
        created, declared, facts, opened, owner, planned, promotable, ran, ready, requested,
    },
    vango_state::Compatibility,
};
use Verdict::{Acknowledged, Awaited, Fail, NeedsAcknowledgement, Pass, Warn};
use uuid::Uuid;

const BOB: ActorId = ActorId(Uuid::from_u128(0xb0b));
const CAROL: ActorId = ActorId(Uuid::from_u128(0xca401));

/// BLUE owned the traffic at epoch 1; GREEN wants it, or owns it since epoch 2 and BLUE wants it back.
#[derive(Clone)]
struct Given {
    requested: Requested,
    owner: RouteOwner,
    deployment: Deployment,
    environment: Environment,
    migrations: Migrations,
    next: ArtifactFacts,
    present: ArtifactFacts,
    variables: Variables,
    allocations: Vec<Allocation>,
}

fn promoted(deployment: crate::ids::DeploymentId, epoch: u64) -> route_owner::Event {
    route_owner::Event::Promoted {
        by: crate::story::FIRST,
        epoch: Epoch(epoch),
        owner: owner(deployment),
        at: at(0),
        drain: None,
    }
}

fn promotion() -> Given {
    Given {
        requested: requested(Kind::Promotion, Epoch(1)),
        owner: fold(&[route_owner::Event::Opened(opened()), promoted(BLUE, 1)]),
        deployment: promotable(GREEN),
        environment: of_kind(environment::Kind::Production),
        migrations: Migrations::default(),
        next: ArtifactFacts { generated: fresh::all(), ..facts() },
        present: facts(),
        variables: Variables::default(),
        allocations: vec![running(GREEN)],
    }
}

/// An allocation that is ready with exactly the bytes of a deployment.
fn running(deployment: crate::ids::DeploymentId) -> Allocation {
    allocated(planned(allocation(1), deployment, Epoch(1)), &[ready(deployment)])
}

fn rollback() -> Given {
    Given {
        requested: requested(Kind::Rollback, Epoch(2)),
        owner: fold(&[route_owner::Event::Opened(opened()), promoted(BLUE, 1), promoted(GREEN, 2)]),
        deployment: promotable(BLUE),
        allocations: vec![running(BLUE)],
        ..promotion()
    }
}

fn of_kind(kind: environment::Kind) -> Environment {
    let created = environment::Created {
        id: PRODUCTION,
        workspace: crate::story::ACME,
        project: crate::story::SITES,
        app: crate::story::SHOP,
        slug: crate::story::slug("production"),
        kind,
        region: crate::story::LYON,
        cell: crate::story::CELL_1,
        drain: environment::DrainPolicy::default(),
    };
    fold(&[environment::Event::Created(created)])
}

impl Given {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn cold(self) -> Self {
        self.with(|g| g.next.vango.as_mut().expect("a Vango app").persisted.clear())
    }

    fn destroyed(self) -> Self {
        self.with(|g| {
            g.next.migrations.clear();
            g.migrations =
                fold(&[migrations::Event::Recorded(ran("0002", database_impact::Impact::Destructive, Epoch(1)))]);
        })
    }

    fn acknowledging(self, gate: &str) -> Self {
        self.with(|g| {
            let change = change_of(&mut g.requested);
            let reason = because("we told everybody");
            change.acknowledgements.push(Acknowledgement { gate: gate.into(), reason, covers: None });
        })
    }

    fn facts<T>(&self, look: impl FnOnce(&Facts<'_>) -> T) -> T {
        let change = self.requested.work.route_change().expect("a change of owner");
        look(&Facts {
            requested: &self.requested,
            change,
            owner: &self.owner,
            deployment: &self.deployment,
            environment: &self.environment,
            migrations: &self.migrations,
            next: Some(&self.next),
            present: Some(&self.present),
            providers: &ProviderBindings::default(),
            services: &RuntimeServices::default(),
            variables: &self.variables,
            allocations: &self.allocations,
        })
    }

    fn judged(&self, kind: &str) -> (Verdict, Option<&'static str>) {
        let judged = self.facts(judge);
        let one = judged.iter().find(|one| one.gate.kind == kind).expect("the gate is there");
        (one.gate.verdict, one.refusal.as_ref().map(|refusal| refusal.code))
    }

    fn refused(&self) -> Option<&'static str> {
        self.facts(|facts| closed(&judge(facts)).map(|refusal| refusal.code))
    }
}

fn change_of(requested: &mut Requested) -> &mut RouteChange {
    if let Work::Promotion(change) | Work::Rollback(change) = &mut requested.work {
        return change;
    }
    panic!("it changes no owner")
}

/// What is easily written in place of a rule.
type Sin = fn(&Given) -> bool;

#[test]
fn a_change_that_nothing_stands_against_passes_every_gate() {
    for given in [promotion(), rollback()] {
        assert_eq!(given.refused(), None);
        let judged = given.facts(judge);
        let kinds = judged.iter().map(|one| one.gate.kind.as_str()).collect::<Vec<_>>();
        assert_eq!(kinds, GATES);
        assert!(judged.iter().all(|one| one.gate.verdict == Pass), "{judged:#?}");
    }
}

#[test]
fn what_is_missing_closes_a_promotion_and_is_only_said_on_the_way_back() {
    let needs_more = |g: &mut Given| {
        g.next.needs = crate::story::needs();
        g.next.needs.variables.insert(crate::variables::Key::parse("key", "TOKEN").expect("a key"));
    };
    for (kind, code) in [
        ("variables", "VARIABLES_MISSING"),
        ("provider_bindings", "PROVIDER_MISSING"),
        ("runtime_services", "RUNTIME_SERVICE_MISSING"),
    ] {
        assert_eq!(promotion().with(needs_more).judged(kind), (Fail, Some(code)));
        assert_eq!(rollback().with(needs_more).judged(kind), (Warn, None));
    }
}

#[test]
fn a_closed_gate_has_a_refusal_and_an_open_one_has_none() {
    let cases = [promotion(), promotion().cold(), rollback().cold(), rollback().destroyed(), promotion().destroyed()];
    for judged in cases.iter().flat_map(|given| given.facts(judge)) {
        let closed = matches!(judged.gate.verdict, Fail | NeedsAcknowledgement);
        assert_eq!(judged.refusal.is_some(), closed, "{judged:?}");
    }
}

#[test]
fn trap_presenting_a_cold_deploy_as_a_normal_zero_risk_promotion() {
    let needed = Some("NEEDS_ACKNOWLEDGEMENT");
    assert_eq!(promotion().cold().judged("vango_state"), (NeedsAcknowledgement, needed));
    assert_eq!(promotion().cold().refused(), needed);
    assert_eq!(promotion().cold().acknowledging("database").refused(), needed, "another gate was acknowledged");
    let taken = promotion().cold().acknowledging("vango_state");
    assert_eq!((taken.judged("vango_state"), taken.refused()), ((Acknowledged, None), None));
    let preview = promotion().cold().with(|g| g.environment = of_kind(environment::Kind::Preview));
    assert_eq!(preview.judged("vango_state"), (Warn, None), "a preview shows it and says so");
    assert_eq!(rollback().cold().judged("vango_state"), (Warn, None), "a rollback's reason answers for it");
    let word = promotion().cold().facts(|facts| impact(facts, Sessions::None)).deploy.word;
    assert_eq!(word, Word::Cold, "and it is never shown as warm");

    let sin = |given: &Given| given.facts(|facts| state::impact(facts).compatibility != Compatibility::Unknown);
    assert!(sin(&promotion().cold()), "a gate that only asks whether the state is known lets the cold deploy pass");
}

#[test]
fn state_that_is_not_on_record_is_not_warm() {
    let change = promotion();
    let change_ = change.requested.work.route_change().expect("a change of owner");
    let (providers, services) = (ProviderBindings::default(), RuntimeServices::default());
    let hidden = |next, present| Facts {
        requested: &change.requested,
        change: change_,
        owner: &change.owner,
        deployment: &change.deployment,
        environment: &change.environment,
        migrations: &change.migrations,
        next,
        present,
        providers: &providers,
        services: &services,
        variables: &change.variables,
        allocations: &change.allocations,
    };
    for facts in [hidden(None, Some(&change.present)), hidden(Some(&change.next), None)] {
        assert_eq!(state::impact(&facts).compatibility, Compatibility::Unknown);
        assert_eq!(state::judge(&facts).gate.verdict, NeedsAcknowledgement);
    }
    assert_eq!(database::judge(&hidden(None, None)).gate.verdict, NeedsAcknowledgement);
    let first = promotion().with(|g| g.owner = fold(&[route_owner::Event::Opened(opened())])).cold();
    assert_eq!(first.judged("vango_state").0, Pass, "nobody's state is lost where nobody was");
}

/// The sin: one gate for both, which asks the state and believes that it speaks for the database.
#[test]
fn trap_warm_deploy_equals_safe_rollback() {
    let merged = |given: &Given| match given.judged("vango_state") {
        (Pass | Warn | Awaited | Acknowledged, _) => None,
        (Fail | NeedsAcknowledgement, code) => code,
    };
    let warm = rollback().destroyed();
    assert_eq!(warm.judged("vango_state"), (Pass, None), "sessions would go on");
    assert_eq!(warm.judged("database"), (Fail, Some("DATABASE_BLOCKS_ROLLBACK")), "and the database would not");
    assert_eq!(warm.refused(), Some("DATABASE_BLOCKS_ROLLBACK"));
    assert_eq!(merged(&warm), None, "the sin lets it pass");
    assert_ne!(merged(&warm), warm.refused(), "and is caught");
    let taken = warm.acknowledging("database").acknowledging("vango_state");
    assert_eq!(taken.refused(), Some("DATABASE_BLOCKS_ROLLBACK"), "no acknowledgement brings a column back");
}

#[test]
fn neither_gate_follows_from_the_other() {
    let pairs = [
        (rollback(), Pass, Pass),
        (rollback().cold(), Warn, Pass),
        (rollback().destroyed(), Pass, Fail),
        (rollback().cold().destroyed(), Warn, Fail),
    ];
    for (given, state, database) in pairs {
        assert_eq!((given.judged("vango_state").0, given.judged("database").0), (state, database));
    }
}

#[test]
fn a_rollback_after_a_restore_is_acknowledged_first() {
    let restored = rollback().destroyed().with(|g| g.migrations.apply(&crate::story::restored(&["0002"])));
    assert_eq!(restored.judged("database"), (NeedsAcknowledgement, Some("NEEDS_ACKNOWLEDGEMENT")));
    assert_eq!(restored.acknowledging("database").refused(), None);
}

#[test]
fn a_promotion_waits_for_its_migrations_and_acknowledges_destructive_ones() {
    let next = |impact| promotion().with(|g| g.next.migrations = vec![declared("0002", impact)]);
    let ran = |given: Given, impact| {
        given.with(|g| g.migrations = fold(&[migrations::Event::Recorded(ran("0002", impact, Epoch(1)))]))
    };
    for impact in database_impact::Impact::ALL {
        assert_eq!(next(*impact).refused(), Some("MIGRATION_PENDING"), "{impact}");
        let expected = impact.closes_the_way_back().then_some("NEEDS_ACKNOWLEDGEMENT");
        assert_eq!(ran(next(*impact), *impact).refused(), expected, "{impact}");
        assert_eq!(ran(next(*impact), *impact).acknowledging("database").refused(), None, "{impact}");
    }
}

#[test]
fn what_the_present_owner_declares_itself_is_nothing_to_acknowledge() {
    let destructive = || vec![declared("0002", database_impact::Impact::Destructive)];
    let both = promotion().destroyed().with(|g| g.next.migrations = destructive());
    assert_eq!(both.judged("database").0, NeedsAcknowledgement, "new to the owner");
    assert_eq!(both.with(|g| g.present.migrations = destructive()).judged("database"), (Pass, None));
}

#[test]
fn what_holds_a_route_is_no_word_about_its_epoch() {
    let frozen = promotion().with(|g| g.owner.apply(&route_owner::Event::Frozen { reason: because("sale") }));
    assert_eq!(frozen.judged("route_policy"), (Fail, Some("FROZEN")));
    assert_eq!(frozen.judged("route_epoch"), (Pass, None), "nobody changed it");
    let stale = frozen.with(|g| g.owner.apply(&promoted(GREEN, 2)));
    assert_eq!(stale.judged("route_epoch"), (Fail, Some("STALE_EPOCH")));
    let kinds = stale.facts(judge).into_iter().map(|one| one.gate.kind).collect::<Vec<_>>();
    assert!(!kinds.contains(&"route_policy".to_owned()), "what holds another epoch's route is not asked");
}

#[test]
fn the_same_bytes_keep_the_same_state_whatever_is_on_record_of_them() {
    let same = promotion().with(|g| change_of(&mut g.requested).artifact = BLUE_BYTES);
    let judged = same.facts(|facts| judge(&Facts { present: None, next: None, ..*facts }));
    let state = judged.iter().find(|one| one.gate.kind == "vango_state").expect("the gate is there");
    assert_eq!((state.gate.verdict, state.gate.reason.as_str()), (Pass, "the same bytes own the traffic already"));
}

#[test]
fn approvals_are_of_exactly_this_and_never_of_ones_own() {
    let asking = |approvals: &[environment::Approval]| {
        let mut given = promotion();
        change_of(&mut given.requested).requested_by = Some(ALICE);
        given.environment.policy = environment::Policy { approvals_required: 1 };
        for one in approvals {
            given.environment.apply(&environment::Event::PromotionApproved(one.clone()));
        }
        given
    };
    let missing = Some("APPROVAL_MISSING");
    assert_eq!(asking(&[]).refused(), missing);
    assert_eq!(asking(&[approval(ALICE)]).refused(), missing, "four eyes");
    assert_eq!(asking(&[approval(BOB)]).refused(), None);
    for other in [
        environment::Approval { deployment: BLUE, ..approval(BOB) },
        environment::Approval { artifact: BLUE_BYTES, ..approval(BOB) },
        environment::Approval { expected_epoch: Epoch(2), ..approval(BOB) },
        environment::Approval { expected_epoch: Epoch(0), ..approval(BOB) },
    ] {
        assert_eq!(asking(&[other]).refused(), missing, "an approval of something else");
    }
    let two = |approvals: &[environment::Approval]| {
        asking(approvals).with(|g| g.environment.policy.approvals_required = 2).refused()
    };
    assert_eq!(two(&[approval(BOB), approval(BOB)]), missing, "one person twice is one");
    assert_eq!(two(&[approval(BOB), approval(CAROL)]), None);
    let back = rollback().with(|g| g.environment.policy.approvals_required = 2);
    assert_eq!(back.judged("approval"), (Pass, None), "the way back waits for nobody");

    let anybody: Sin = |given| !given.environment.approvals.is_empty();
    let any_bytes: Sin = |given| given.environment.approvals.iter().any(|one| one.by != ALICE);
    for (name, sin) in [("own approvals count", anybody), ("other bytes count", any_bytes)] {
        let worlds =
            [asking(&[approval(ALICE)]), asking(&[environment::Approval { artifact: BLUE_BYTES, ..approval(BOB) }])];
        assert!(worlds.iter().any(|world| sin(world) && world.refused().is_some()), "{name}: not caught");
    }
}

/// The sin: promoting whatever was built from the same commit.
#[test]
fn trap_rebuilding_source_during_promotion() {
    let rebuilt = promotion().with(|g| change_of(&mut g.requested).artifact = crate::digest::Digest([7; 32]));
    assert_eq!(rebuilt.judged("artifact"), (Fail, Some("NOT_VALIDATED")), "other bytes of the same source");
    let sin = |given: &Given| given.deployment.created.as_ref().is_some_and(|of| of.source == created(GREEN).source);
    assert!(sin(&rebuilt), "a gate that goes by the commit lets it pass");
}

/// The sin: bytes that say nothing of themselves need nothing, and so nothing is missing.
#[test]
fn bytes_that_say_nothing_on_record_are_not_promoted_and_a_way_back_to_them_is_acknowledged() {
    let mute = |given: &Given| {
        given.facts(|facts| closed(&judge(&Facts { next: None, ..*facts })).map(|refusal| refusal.code))
    };
    assert_eq!(mute(&promotion()), Some("NOT_VALIDATED"));
    assert_eq!(mute(&rollback()), Some("NEEDS_ACKNOWLEDGEMENT"));
    let sin = |given: &Given| given.deployment.validated.as_ref().is_some_and(|seen| seen.digest == GREEN_BYTES);
    assert!(sin(&promotion()), "a gate that asks for the digest alone lets it pass");
}

/// The sin: a deployment counts as good because it is there.
#[test]
fn trap_calling_a_build_successful_before_validation_and_policy_evidence_exists() {
    let built = promotion().with(|g| g.deployment = fold(&[deployment::Event::Created(created(GREEN))]));
    assert_eq!(built.judged("artifact"), (Fail, Some("NOT_VALIDATED")));
    let sin = |given: &Given| given.deployment.created.is_some() && given.deployment.failed.is_none();
    assert!(sin(&built), "a gate that asks whether it was built lets it pass");
    let good = promotion().facts(judge);
    assert!(good.iter().all(|one| !one.gate.evidence.is_empty()), "every open gate shows what it was judged on");
}

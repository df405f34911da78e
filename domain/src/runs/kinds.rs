//! Every kind of operation through the three tests, over all its stages: it succeeds; with every step twice, and with a worker
//! lost at each; and an outage or a wish to cancel at each step ends it right there, leaving behind what its rows say. What it was
//! judged on is on record, gate by gate. Trap: a kind that is forgotten; the match below names all of them, so that a new one
//! does not compile until it has its play.

use super::{Fault, Play, Run, at_each_step, lane::Runner, stages, succeeds};
use crate::{
    aggregate::{Aggregate, fold},
    allocation::Cause,
    binding::{
        Change,
        tests::memory::{Answer, Noun, changing},
    },
    database_impact::Impact,
    deploy::{
        Then,
        tests::{Gates, deploying},
    },
    drain::tests::draining,
    host_drain::tests::{Trouble as OfHost, emptying},
    migration::tests::telling,
    numbers::Fence,
    operation::{self, Kind, Operation, Stage, machine},
    process::Step,
    promotion::tests::memory::{Trouble as OfRoute, changing_owner},
    provider_binding::ProviderBindings,
    region_enablement::tests::enabling,
    region_failover::tests::{Edges, failing_over},
    runtime_service_binding::RuntimeServices,
    scale::tests::scaling_from,
    sleep::tests::falling_asleep,
    wake::tests::{Trouble as OfWake, waking},
};
use Stage::{
    Binding, BindingServices, Building, Cloning, Cordoned, Draining, EdgePropagating, Evacuating, Migrating,
    PolicyCheck, Postcheck, Provisioning, Queued, ReadinessWait, ReplacementReady, ReplicatingArtifacts, Requested,
    Scaling, Sleeping, Starting, Upgrading, Validating, WakeRequested,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// A stage, what is left behind when it fails there, and what when it is cancelled there.
type Row = (Stage, &'static str, &'static str);

/// It cannot end so at this stage.
const NEVER: &str = "";

/// The three tests of a kind. The first world obeys; in each of the others something keeps it from its end.
fn passes<P: Play>(kind: Kind, worlds: &[P], good: Stage, left: &[Row]) {
    let mut plain = succeeds(&worlds[0], good).world;
    let asked = fold::<Operation>(&*plain.operation()).requested.expect("it was requested");
    assert_eq!(asked.kind(), kind);
    assert_eq!(hollow(&*plain.operation()), Vec::<String>::new(), "{kind}: the gates on record");
    let open = |stages: Vec<Stage>| stages.into_iter().filter(|stage| !stage.is_final()).collect::<Vec<_>>();
    assert_eq!(open(stages(&mut plain)), open(machine(kind).stages()), "{kind}: it goes through all its stages");
    let rests = open(machine(kind).stages()).into_iter().filter(|stage| *stage != Stage::RouteCas);
    assert_eq!(left.iter().map(|row| row.0).collect::<Vec<_>>(), rests.collect::<Vec<_>>(), "{kind}: a row for each");
    let mut found = BTreeSet::new();
    for world in worlds {
        let outages = at_each_step(world, Fault::Outage).into_iter();
        found.extend(outages.filter(|(_, run)| run.end.stage != good).map(|(step, run)| failed(kind, &step, &run)));
        let wishes = at_each_step(world, Fault::WishToCancel).into_iter();
        found.extend(wishes.filter_map(|(step, run)| cancelled(kind, &step, &run)));
    }
    let rows = left.iter().flat_map(|(at, failed, cancelled)| {
        [(*at, Stage::Failed, *failed), (*at, Stage::Cancelled, *cancelled)].into_iter().filter(|row| row.2 != NEVER)
    });
    let rows = rows.map(|(at, end, left)| (at, end, left.to_owned())).collect();
    assert_eq!(found, rows, "{kind}: what was left behind");
}

/// What the gates on record do not say: that there are any, and of each why it was judged so, and on what.
fn hollow(operation: &[operation::Event]) -> Vec<String> {
    let gates = fold::<Operation>(operation).evidence.gates;
    let says_nothing = gates.iter().filter(|gate| gate.reason.is_empty() || gate.evidence.is_empty());
    let hollow = says_nothing.map(|gate| gate.kind.clone()).collect();
    if gates.is_empty() { vec!["none at all".to_owned()] } else { hollow }
}

/// Where it stood, how it ended, and what was left behind.
type Found = (Stage, Stage, String);

fn failed<P: Play>(kind: Kind, step: &Step<P::Act>, run: &Run<P>) -> Found {
    let struck = run.struck.expect("it struck");
    assert_eq!((run.end.stage, run.end.after), (Stage::Failed, struck), "{kind}: it failed elsewhere: {step:?}");
    let failure = run.end.failure.as_ref().expect("a failure says why");
    assert!(!failure.code.is_empty() && !failure.message.is_empty(), "{kind}: {failure:?}");
    assert_eq!(failure.route_changed, struck.is_past_route_change(), "{kind}: {step:?}");
    (struck, Stage::Failed, run.world.left())
}

/// None where the machine has it carried on to its end.
fn cancelled<P: Play>(kind: Kind, step: &Step<P::Act>, run: &Run<P>) -> Option<Found> {
    let struck = run.struck.expect("it struck");
    let granted = run.end.stage == Stage::Cancelled;
    assert_eq!(granted, machine(kind).may_cancel(struck), "{kind}: a wish to cancel before {step:?}");
    assert!(!granted || run.end.after == struck, "{kind}: it was cancelled elsewhere: {step:?}");
    granted.then(|| (struck, Stage::Cancelled, run.world.left()))
}

#[test]
fn every_kind_succeeds_also_with_every_step_twice_and_ends_definitely_with_a_failure_at_each() {
    Kind::ALL.iter().copied().for_each(of);
}

fn of(kind: Kind) {
    match kind {
        Kind::Promotion => changes_owner(kind, Stage::Healthy, ["blue at 1", "green at 2"]),
        Kind::Rollback => changes_owner(kind, Stage::RolledBack, ["green at 2", "blue at 3"]),
        Kind::Deploy => deploys(),
        Kind::Scale => {
            let rows = [Requested, PolicyCheck, Scaling].map(|stage| (stage, "1 wanted", "1 wanted"));
            passes(
                kind,
                &[Runner::Obeys, Runner::Hangs].map(|runner| scaling_from(1, 3, runner)),
                Stage::Verified,
                &rows,
            );
        }
        Kind::Drain => {
            let rows =
                [(Requested, "0 told", "0 told"), (PolicyCheck, "0 told", "0 told"), (Draining, "1 told", NEVER)];
            passes(
                kind,
                &[Runner::Obeys, Runner::NeverStops].map(|runner| draining(2, 1, runner)),
                Stage::Verified,
                &rows,
            );
        }
        Kind::HostDrain => drains_a_host(),
        Kind::RegionEnablement => {
            let stages = [Requested, Provisioning, BindingServices, ReplicatingArtifacts];
            let rows = stages.map(|stage| (stage, "not enabled, 0 running", "not enabled, 0 running"));
            let runners = [Runner::Obeys, Runner::Hangs, Runner::Fails(Cause::RunnerCrash)];
            passes(kind, &runners.map(enabling), Stage::Eligible, &rows);
        }
        Kind::RegionFailover => {
            let rows = [
                (Requested, "lyon at 1", "lyon at 1"),
                (PolicyCheck, "lyon at 1", "lyon at 1"),
                (EdgePropagating, "bergen at 2", NEVER),
            ];
            let edges = [Edges::Obey, Edges::FormerUnaware, Edges::NewSilent, Edges::NoneThere];
            passes(kind, &edges.map(failing_over), Stage::Healthy, &rows);
        }
        Kind::Migration => {
            let rows = [
                (Requested, "0 on record", "0 on record"),
                (PolicyCheck, "0 on record", "0 on record"),
                (Migrating, "0 on record", NEVER),
            ];
            passes(kind, &[telling(Impact::Additive)], Stage::Verified, &rows);
        }
        Kind::ProviderBinding => changes_bindings::<ProviderBindings>(kind),
        Kind::RuntimeServiceBinding => changes_bindings::<RuntimeServices>(kind),
        Kind::Wake => wakes(),
        Kind::Sleep => {
            let rows = [
                (Requested, "awake at 1", "awake at 1"),
                (PolicyCheck, "awake at 1", "awake at 1"),
                (Sleeping, "asleep at 1", NEVER),
            ];
            passes(kind, &[Runner::Obeys, Runner::NeverStops].map(falling_asleep), Stage::Cold, &rows);
        }
    }
}

fn changes_owner(kind: Kind, good: Stage, [before, after]: [&'static str; 2]) {
    let troubles =
        [OfRoute::Nothing, OfRoute::AllocationsHang, OfRoute::NoHost, OfRoute::EdgesSilent, OfRoute::NoEdges];
    let rows = [(Requested, before, before), (PolicyCheck, before, before), (EdgePropagating, after, NEVER)];
    passes(kind, &troubles.map(|trouble| changing_owner(kind, trouble)), good, &rows);
}

fn deploys() {
    let nothing = "nothing, 0 promotions";
    let built = "a release, 0 promotions";
    for then in [Then::Promote, Then::Stay] {
        let rows = [
            (Queued, nothing, nothing),
            (Cloning, nothing, nothing),
            (Building, nothing, nothing),
            (Validating, built, built),
        ];
        passes(Kind::Deploy, &[deploying(then, Gates::Open)], Stage::PreviewReady, &rows);
        passes(Kind::Deploy, &[deploying(then, Gates::Closed("artifact"))], Stage::Blocked, &rows);
    }
}

fn drains_a_host() {
    let rows = [
        (Requested, "active", "active"),
        (Cordoned, "active", "active"),
        (Evacuating, "draining", NEVER),
        (ReplacementReady, "draining", NEVER),
        (Upgrading, "draining", NEVER),
        (Postcheck, "draining", NEVER),
    ];
    let hinders = [OfHost::ReplacementsHang, OfHost::SessionsHang, OfHost::NobodyConfirms, OfHost::SilentAfterwards];
    let worlds = [OfHost::Nothing].into_iter().chain(hinders).map(emptying).collect::<Vec<_>>();
    passes(Kind::HostDrain, &worlds, Stage::Uncordoned, &rows);
}

fn wakes() {
    let again = "asleep, the 2. time";
    let rows = [(WakeRequested, again, again), (Starting, again, again), (ReadinessWait, again, NEVER)];
    let troubles = [OfWake::None, OfWake::NeverReady, OfWake::AllocationsFail, OfWake::NoHost, OfWake::NoRoom];
    passes(Kind::Wake, &troubles.map(waking), Stage::Hot, &rows);
}

fn changes_bindings<N: Noun>(kind: Kind) {
    let (unproven, lost) =
        ("failed with credential 1, its backend free", "failed with credential 1, its backend taken");
    let kept = "verified with credential 1, its backend taken";
    let table = [
        (Change::Bind, unproven, unproven, unproven),
        (Change::Verify, lost, kept, lost),
        (Change::Rotate, kept, kept, kept),
        // What is let go of is asked for nothing, and cannot fail to answer.
        (Change::Unbind, kept, kept, NEVER),
    ];
    for (change, failed, cancelled, tried) in table {
        let rows = [(Requested, failed, cancelled), (PolicyCheck, failed, cancelled), (Binding, tried, NEVER)];
        let answers = [Answer::AtOnce, Answer::After(usize::MAX)];
        let worlds = answers.map(|answer| changing::<N>(change, answer));
        let obedient = if change == Change::Unbind { &worlds[..1] } else { &worlds[..] };
        passes(kind, obedient, Stage::Verified, &rows);
    }
}

/// What a broken kind does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sin {
    /// A step that comes again happens again.
    CountsAgain,
    /// A bad end is put on record, and nothing is given back.
    GivesNothingBack,
    /// It goes on to its next stage before it fails.
    FailsElsewhere,
    /// Nobody's wish ends it.
    HearsNoWish,
    /// It goes on without a word of what it was judged on.
    KeepsNoGates,
    /// It says how it was judged, and not on what.
    KeepsNoEvidence,
}

#[derive(Clone)]
struct Sinner<P> {
    world: P,
    sin: Sin,
}

impl<P: Play> Sinner<P> {
    fn tell(&mut self, command: operation::Command) -> bool {
        let events = fold::<Operation>(&*self.world.operation()).decide(command).unwrap_or_default();
        self.world.operation().extend(events);
        true
    }

    /// To the next stage of its machine, whichever it is.
    fn stumble(&mut self) {
        let operation = fold::<Operation>(&*self.world.operation());
        let machine = operation.requested.as_ref().expect("it was requested").machine();
        if let Some((_, stage)) = machine.steps.iter().find(|(from, _)| Some(*from) == operation.stage) {
            self.tell(operation::Command::Enter { stage: *stage, evidence: operation::Evidence::default() });
        }
    }
}

impl<P: Play> Play for Sinner<P> {
    type Act = P::Act;

    fn next(&self) -> Step<P::Act> {
        let mut world = self.world.clone();
        if self.sin == Sin::HearsNoWish {
            world.operation().retain(|event| !matches!(event, operation::Event::CancelRequested { .. }));
        }
        world.next()
    }

    fn commit(&mut self, step: &Step<P::Act>) -> bool {
        match (self.sin, step) {
            (Sin::CountsAgain, Step::Enter(..) | Step::Do(_)) => {
                let again = operation::Event::LateReportRecorded { attempt: Fence(0), report: "again".into() };
                self.world.operation().push(again);
                self.world.commit(step)
            }
            (Sin::GivesNothingBack, Step::Fail(failure)) => self.tell(operation::Command::Fail(failure.clone())),
            (Sin::GivesNothingBack, Step::Cancel) => self.tell(operation::Command::Cancel),
            (Sin::FailsElsewhere, Step::Fail(_)) => {
                self.stumble();
                self.world.commit(step)
            }
            (Sin::KeepsNoGates | Sin::KeepsNoEvidence, Step::Enter(stage, evidence)) => {
                let mut evidence = evidence.clone();
                evidence.gates.retain(|_| self.sin == Sin::KeepsNoEvidence);
                evidence.gates.iter_mut().for_each(|gate| gate.evidence.clear());
                self.world.commit(&Step::Enter(*stage, evidence))
            }
            (
                Sin::CountsAgain
                | Sin::GivesNothingBack
                | Sin::FailsElsewhere
                | Sin::HearsNoWish
                | Sin::KeepsNoGates
                | Sin::KeepsNoEvidence,
                Step::Enter(..) | Step::Do(_) | Step::Fail(_) | Step::Cancel | Step::Wait(_) | Step::Done,
            ) => self.world.commit(step),
        }
    }

    fn pass(&mut self) {
        self.world.pass();
    }

    fn outlast(&mut self) {
        self.world.outlast();
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.now()
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        self.world.operation()
    }

    fn lengths(&self) -> Vec<usize> {
        self.world.lengths()
    }

    fn left(&self) -> String {
        self.world.left()
    }
}

/// A scale operation with a sin goes through the three tests.
fn judged(sin: Sin) {
    let rows = [Requested, PolicyCheck, Scaling].map(|stage| (stage, "1 wanted", "1 wanted"));
    let worlds = [Runner::Obeys, Runner::Hangs].map(|runner| Sinner { world: scaling_from(1, 3, runner), sin });
    passes(Kind::Scale, &worlds, Stage::Verified, &rows);
}

#[test]
#[should_panic(expected = "a worker from long ago")]
fn a_step_that_happens_again_is_caught() {
    judged(Sin::CountsAgain);
}

#[test]
#[should_panic(expected = "what was left behind")]
fn a_bad_end_that_gives_nothing_back_is_caught() {
    judged(Sin::GivesNothingBack);
}

#[test]
#[should_panic(expected = "it ended elsewhere")]
fn a_failure_elsewhere_than_where_it_struck_is_caught() {
    judged(Sin::FailsElsewhere);
}

#[test]
#[should_panic(expected = "a wish to cancel")]
fn a_wish_to_cancel_that_nobody_hears_is_caught() {
    judged(Sin::HearsNoWish);
}

#[test]
#[should_panic(expected = "none at all")]
fn a_kind_without_gates_on_record_is_caught() {
    judged(Sin::KeepsNoGates);
}

#[test]
#[should_panic(expected = "the gates on record")]
fn a_gate_that_does_not_say_on_what_it_was_judged_is_caught() {
    judged(Sin::KeepsNoEvidence);
}

//! Whole drains in memory: each succeeds, also with every step taken twice, and ends definitely with a fault at every stage.
//! Two allocations run on HOST_1; HOST_2 has room. Trap: a fault that never fired proves nothing; the end says where it struck.

#![expect(clippy::wildcard_enum_match_arm, reason = "these tables are about a few stages and faults of many")]

mod moments;

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation,
    numbers::Epoch,
    operation::{self, Work},
    story::{BLUE, CELL_1, GREEN, HOST_1, LYON, THIRD, allocated, at, because as why, name, planned, ready, slug},
};
use std::collections::BTreeMap;
use uuid::Uuid;

const HOST_2: HostId = HostId(Uuid::from_u128(0x4058));
const DEADLINE: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The worker dies before the first step at this stage is in the log, once.
    LostAt(Stage),
    /// The log takes nothing at this stage until the deadline has passed.
    OutageAt(Stage),
    CancelAt(Stage),
    UncordonedAt(Stage),
    CordonedByHand,
    HeldByAnother,
    NoHeadroom,
    ReplacementsFail,
    ReplacementsHang,
    SessionsHang,
    NobodyConfirms,
    SilentAfterwards,
}

struct Memory {
    fault: Fault,
    twice: bool,
    now: i64,
    fired: u32,
    operation: Vec<operation::Event>,
    host: Vec<host::Event>,
    allocations: BTreeMap<AllocationId, Vec<allocation::Event>>,
    heard: bool,
}

fn id(n: u128) -> AllocationId {
    crate::story::allocation(n)
}

fn requested() -> Requested {
    Requested {
        id: THIRD,
        workspace: crate::ids::PLATFORM,
        region: LYON,
        cell: Some(CELL_1),
        reason: Some(why("a new kernel")),
        deadline: at(DEADLINE),
        work: Work::HostDrain(HostDrain { host: HOST_1 }),
    }
}

fn another() -> OperationId {
    OperationId(Uuid::from_u128(0x0f9))
}

impl Memory {
    fn of(fault: Fault, twice: bool) -> Self {
        let running = |n, of| vec![allocation::Event::Planned(planned(id(n), of, Epoch(1))), ready(of)];
        let created = host::Created { id: HOST_1, region: LYON, cell: CELL_1, slug: slug("host-1") };
        let mut host = vec![host::Event::Created(created)];
        let cordoned = |by| host::Event::Cordoned { reason: why("before"), by };
        match fault {
            Fault::CordonedByHand => host.push(cordoned(None)),
            Fault::HeldByAnother => host.push(cordoned(Some(another()))),
            _ => {}
        }
        Self {
            fault,
            twice,
            now: 0,
            fired: 0,
            operation: vec![operation::Event::Requested(requested())],
            host,
            allocations: [(id(1), running(1, BLUE)), (id(2), running(2, GREEN))].into(),
            heard: true,
        }
    }

    fn stage(&self) -> Stage {
        fold::<Operation>(&self.operation).stage.expect("it was requested")
    }

    fn host(&self) -> Host {
        fold(&self.host)
    }

    fn on(&self, host: HostId) -> Vec<Allocation> {
        let all = self.allocations.values().map(fold::<Allocation>);
        all.filter(|one| one.planned.as_ref().is_some_and(|p| p.host == host)).collect()
    }

    fn living(&self, host: HostId) -> Vec<Allocation> {
        self.on(host).into_iter().filter(|one| one.state.is_some_and(|state| !state.is_final())).collect()
    }

    fn next(&self) -> Step {
        let (operation, host) = (fold::<Operation>(&self.operation), self.host());
        let held = |host| u32::try_from(self.living(host).len()).expect("few");
        let standing = |host, state, capacity| Standing { host, state, capacity, held: held(host), heard: true };
        let room = if self.fault == Fault::NoHeadroom { 1 } else { 8 };
        let hosts =
            [standing(HOST_1, host.state.expect("it is there"), 8), standing(HOST_2, host::State::Active, room)];
        next(&World {
            now: at(self.now),
            drain: HostDrain { host: HOST_1 },
            operation: &operation,
            host: &host,
            heard_at: self.heard.then(|| at(self.now)),
            hosts: &hosts,
            allocations: &self.living(HOST_1),
            replacements: &self.on(HOST_2),
            sessions: &[],
            new_allocation: id(10 + self.allocations.len() as u128),
        })
    }

    fn run(&mut self) -> Stage {
        for _ in 0..600 {
            let stage = self.stage();
            let step = self.next();
            match step {
                Step::Done => return stage,
                Step::Wait(what) => {
                    assert!(self.now < DEADLINE, "it waits on at its deadline: {what}");
                    self.pass();
                }
                step => self.take(stage, &step),
            }
        }
        panic!("no end with {:?}: {:?}", self.fault, self.operation);
    }

    /// A second goes by, and everybody does one thing.
    fn pass(&mut self) {
        self.now += 1;
        let (fault, stage) = (self.fault, self.stage());
        for events in self.allocations.values_mut() {
            let one = fold::<Allocation>(&*events);
            let digest = one.planned.as_ref().expect("it was planned").artifact;
            let report = match one.state {
                Some(State::Planned) => allocation::Command::ReportPulling,
                Some(State::Pulling) if fault == Fault::ReplacementsHang => continue,
                Some(State::Pulling) => allocation::Command::ReportStarting { digest },
                Some(State::Starting) if fault == Fault::ReplacementsFail => {
                    allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None }
                }
                Some(State::Starting) => {
                    allocation::Command::ReportReady { digest, address: crate::story::ADDRESS.into() }
                }
                Some(State::Draining) if fault == Fault::SessionsHang => continue,
                Some(State::Draining) => allocation::Command::ReportStopped { sessions_ended: 0 },
                Some(State::Ready | State::Stopped | State::Failed) | None => continue,
            };
            events.extend(one.decide(report).expect("a report in order"));
        }
        if stage == Stage::Upgrading && fault != Fault::NobodyConfirms {
            let upgrade = host::Upgrade {
                by: THIRD,
                os: name("Debian 12.9"),
                runner: name("0.2.0"),
                note: why("rebooted"),
                at: at(self.now),
            };
            self.tell_host(host::Command::ConfirmUpgrade(upgrade));
            self.heard = fault != Fault::SilentAfterwards;
        }
    }

    fn tell_host(&mut self, command: host::Command) {
        let events = self.host().decide(command).expect("the host agrees");
        self.host.extend(events);
    }

    fn tell(&mut self, command: operation::Command) {
        let events = fold::<Operation>(&self.operation).decide(command).expect("the operation agrees");
        self.operation.extend(events);
    }

    fn take(&mut self, stage: Stage, step: &Step) {
        let once = [Fault::LostAt(stage), Fault::CancelAt(stage), Fault::UncordonedAt(stage)].contains(&self.fault);
        if once && self.fired == 0 {
            self.fired += 1;
            match self.fault {
                Fault::CancelAt(_) => self.tell(operation::Command::RequestCancel { reason: why("not now") }),
                Fault::UncordonedAt(_) => self.tell_host(host::Command::Uncordon { reason: why("needed"), by: None }),
                _ => {}
            }
            return;
        }
        if self.fault == Fault::OutageAt(stage) && self.now < DEADLINE {
            self.fired += 1;
            self.now += 5;
            return;
        }
        self.commit(step);
        if self.twice {
            let before =
                (self.operation.len(), self.host.len(), self.allocations.values().map(Vec::len).sum::<usize>());
            self.commit(step);
            let after = (self.operation.len(), self.host.len(), self.allocations.values().map(Vec::len).sum::<usize>());
            assert_eq!(before, after, "taken twice: {step:?}");
        }
    }

    /// As the driver does it: the host's part and the operation's in one append.
    fn commit(&mut self, step: &Step) {
        let enter = |stage, evidence: &Evidence| operation::Command::Enter { stage, evidence: evidence.clone() };
        let none = Evidence::default();
        match step {
            Step::Enter(stage, evidence) => self.tell(enter(*stage, evidence)),
            Step::Fail(failure) => self.tell(operation::Command::Fail(failure.clone())),
            Step::Cancel => self.tell(operation::Command::Cancel),
            Step::Do(act) => match act {
                Act::Plan(planned) => {
                    let events = self.allocations.entry(planned.id).or_default();
                    let more = fold::<Allocation>(&*events).decide(allocation::Command::Plan(planned.clone()));
                    events.extend(more.expect("a new one"));
                }
                Act::Drain(old) => {
                    let events = self.allocations.get_mut(old).expect("it is there");
                    let drain = allocation::Command::Drain { reason: "its host is drained".into(), deadline: None };
                    let more = fold::<Allocation>(&*events).decide(drain).expect("it may drain");
                    events.extend(more);
                }
                Act::Cordon(command) => {
                    self.tell_host(command.clone());
                    self.tell(enter(Stage::Cordoned, &none));
                }
                Act::Evacuate(command, evidence) => {
                    self.tell_host(command.clone());
                    self.tell(enter(Stage::Evacuating, evidence));
                }
                Act::Release(command) => {
                    self.tell_host(command.clone());
                    self.tell(enter(Stage::Uncordoned, &none));
                }
                Act::GiveUp(command, failure) => {
                    self.tell_host(command.clone());
                    self.tell(operation::Command::Fail(failure.clone()));
                }
                Act::Undo(command) => {
                    self.tell_host(command.clone());
                    self.tell(operation::Command::Cancel);
                }
            },
            Step::Wait(_) | Step::Done => {}
        }
    }

    fn code(&self) -> Option<String> {
        fold::<Operation>(&self.operation).failure.map(|failure| failure.code)
    }

    fn message(&self) -> String {
        fold::<Operation>(&self.operation).failure.map(|failure| failure.message).unwrap_or_default()
    }

    fn stages(&self) -> Vec<Stage> {
        let entered = self.operation.iter().filter_map(|event| match event {
            operation::Event::StageEntered { stage, .. } => Some(*stage),
            operation::Event::Requested(_)
            | operation::Event::Failed(_)
            | operation::Event::CancelRequested { .. }
            | operation::Event::Cancelled { .. }
            | operation::Event::LateReportRecorded { .. } => None,
        });
        entered.collect()
    }
}

const WAY: [Stage; 6] = [
    Stage::Cordoned,
    Stage::Evacuating,
    Stage::ReplacementReady,
    Stage::Upgrading,
    Stage::Postcheck,
    Stage::Uncordoned,
];

#[test]
fn a_drain_replaces_empties_and_takes_the_host_back() {
    let mut memory = Memory::of(Fault::Nothing, false);
    assert_eq!(memory.run(), Stage::Uncordoned);
    assert_eq!(memory.stages(), WAY);
    let gates = fold::<Operation>(&memory.operation).evidence.gates;
    let kinds = gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>();
    assert_eq!(kinds, ["quorum", "headroom", "sessions", "drift"], "what it was judged on");
    assert_eq!(memory.host().state, Some(host::State::Active));
    assert!(memory.living(HOST_1).is_empty(), "nothing runs there");
    let on_other = memory.living(HOST_2);
    assert_eq!(on_other.len(), 2);
    assert!(on_other.iter().all(|one| one.state == Some(State::Ready)));
    let mut stand_ins = on_other.iter().filter_map(|one| one.planned.as_ref()).collect::<Vec<_>>();
    stand_ins.sort_by_key(|planned| planned.replaces);
    let of = stand_ins.iter().map(|planned| (planned.replaces, planned.deployment)).collect::<Vec<_>>();
    assert_eq!(of, [(Some(id(1)), BLUE), (Some(id(2)), GREEN)], "each stands in for its own");
}

#[test]
fn a_drain_succeeds_with_every_step_taken_twice() {
    let mut memory = Memory::of(Fault::Nothing, true);
    assert_eq!((memory.run(), memory.stages()), (Stage::Uncordoned, WAY.to_vec()));
    assert_eq!(memory.living(HOST_2).len(), 2, "no replacement twice");
}

#[test]
fn a_worker_lost_at_any_stage_is_adopted_and_changes_nothing() {
    for stage in [Stage::Requested].into_iter().chain(WAY).filter(|stage| !stage.is_final()) {
        let mut memory = Memory::of(Fault::LostAt(stage), false);
        assert_eq!((memory.run(), memory.fired, memory.stages()), (Stage::Uncordoned, 1, WAY.to_vec()), "{stage}");
    }
}

/// What is left behind by an outage at every stage, until the deadline has passed.
#[test]
fn an_outage_at_any_stage_ends_definitely_and_says_what_is_left() {
    use host::State::{Active, Draining};
    let table = [
        (Stage::Evacuating, Stage::Failed, Some("REPLACEMENT_NOT_READY"), Draining, 2),
        (Stage::ReplacementReady, Stage::Failed, Some("NOT_EMPTY"), Draining, 2),
        (Stage::Upgrading, Stage::Failed, Some("UPGRADE_NOT_CONFIRMED"), Draining, 0),
        (Stage::Postcheck, Stage::Uncordoned, None, Active, 0),
    ];
    for (stage, end, code, state, left) in table {
        let mut memory = Memory::of(Fault::OutageAt(stage), false);
        assert_eq!(memory.run(), end, "{stage}");
        assert!(memory.fired > 0, "{stage}");
        assert_eq!((memory.code().as_deref(), memory.host().state), (code, Some(state)), "{stage}");
        assert_eq!(memory.living(HOST_1).len(), left, "{stage}");
    }
    // Before anything was moved, whoever comes too late finds out that sessions could no longer drain, or goes on.
    for stage in [Stage::Requested, Stage::Cordoned] {
        let mut memory = Memory::of(Fault::OutageAt(stage), false);
        assert_eq!(memory.run(), Stage::Failed, "{stage}");
        assert_eq!(memory.living(HOST_1).len(), 2, "{stage}");
    }
}

#[test]
fn a_drain_without_headroom_refuses_to_evacuate_and_undoes_its_cordon() {
    let mut memory = Memory::of(Fault::NoHeadroom, false);
    assert_eq!((memory.run(), memory.code().as_deref()), (Stage::Failed, Some("NO_HEADROOM")));
    assert_eq!(memory.stages(), [Stage::Cordoned]);
    assert_eq!((memory.host().state, memory.living(HOST_1).len()), (Some(host::State::Active), 2));
    assert!(memory.on(HOST_2).is_empty(), "nothing was started");
}

#[test]
fn whatever_goes_wrong_has_a_name_and_nothing_is_stopped_before_its_replacement_answers() {
    use host::State::{Cordoned, Draining};
    let table = [
        (Fault::HeldByAnother, "HELD_BY_DRAIN", Cordoned, 2),
        (Fault::ReplacementsFail, "REPLACEMENT_FAILED", Draining, 2),
        (Fault::ReplacementsHang, "REPLACEMENT_NOT_READY", Draining, 2),
        (Fault::SessionsHang, "NOT_EMPTY", Draining, 2),
        (Fault::NobodyConfirms, "UPGRADE_NOT_CONFIRMED", Draining, 0),
        (Fault::SilentAfterwards, "POSTCHECK_FAILED", Draining, 0),
    ];
    for (fault, code, state, left) in table {
        let mut memory = Memory::of(fault, false);
        assert_eq!((memory.run(), memory.code().as_deref()), (Stage::Failed, Some(code)), "{fault:?}");
        let kept = memory.message().contains("the host stays cordoned");
        assert_eq!(kept, fault != Fault::HeldByAnother, "what is left is said: {}", memory.message());
        assert_eq!(memory.message().contains("goes on serving"), code.starts_with("REPLACEMENT"), "{fault:?}");
        assert_eq!((memory.host().state, memory.living(HOST_1).len()), (Some(state), left), "{fault:?}");
    }
}

#[test]
fn a_cancel_has_a_definite_answer_at_every_stage() {
    for stage in [Stage::Requested, Stage::Cordoned] {
        let mut memory = Memory::of(Fault::CancelAt(stage), false);
        assert_eq!((memory.run(), memory.fired), (Stage::Cancelled, 1), "{stage}");
        assert_eq!(memory.host().state, Some(host::State::Active), "the cordon is undone at {stage}");
    }
    for stage in WAY {
        let operation = Operation { stage: Some(stage), requested: Some(requested()), ..Operation::default() };
        let answer = operation.decide(operation::Command::RequestCancel { reason: why("not now") });
        let expected = match stage {
            Stage::Cordoned => Ok(vec![operation::Event::CancelRequested { reason: why("not now") }]),
            Stage::Uncordoned => Err(operation::Rejection::Ended(stage)),
            _ => Err(operation::Rejection::TooLate(stage)),
        };
        assert_eq!(answer, expected, "{stage}");
    }
}

#[test]
fn a_cordon_set_by_hand_outlives_a_drain_that_refuses_but_not_one_that_succeeds() {
    let mut memory = Memory::of(Fault::CordonedByHand, false);
    assert_eq!((memory.run(), memory.host().state), (Stage::Uncordoned, Some(host::State::Active)));
}

#[test]
fn a_host_that_somebody_takes_back_ends_its_drain() {
    for stage in WAY.into_iter().filter(|stage| !stage.is_final()) {
        let mut memory = Memory::of(Fault::UncordonedAt(stage), false);
        assert_eq!((memory.run(), memory.code().as_deref()), (Stage::Failed, Some("UNCORDONED")), "{stage}");
        let message = memory.message();
        assert!(message.ends_with("; the drain ends here"), "nothing is said of a cordon that is gone: {message}");
    }
}

/// Whether this process manager stops something whose replacement does not answer.
fn stops_before_a_replacement_answers(next: impl Fn(&World<'_>) -> Step) -> bool {
    let operation = Operation { stage: Some(Stage::Evacuating), requested: Some(requested()), ..Operation::default() };
    let mut host = Memory::of(Fault::Nothing, false).host();
    (host.state, host.held_by) = (Some(host::State::Draining), Some(THIRD));
    let old = allocated(planned(id(1), BLUE, Epoch(1)), &[ready(BLUE)]);
    let fresh = Planned { replaces: Some(id(1)), host: HOST_2, ..planned(id(2), BLUE, Epoch(1)) };
    let world = World {
        now: at(1),
        drain: HostDrain { host: HOST_1 },
        operation: &operation,
        host: &host,
        heard_at: Some(at(1)),
        hosts: &[],
        allocations: &[old],
        replacements: &[allocated(fresh, &[])],
        sessions: &[],
        new_allocation: id(3),
    };
    !matches!(next(&world), Step::Wait(_))
}

#[test]
fn emptying_before_replacements_answer_is_caught() {
    assert!(!stops_before_a_replacement_answers(next));
    assert!(stops_before_a_replacement_answers(empty));
}

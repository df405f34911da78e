//! Whole drains in memory: what a good one comes to, and how each trouble and an outage at each step ends it. Two allocations run
//! on HOST_1; HOST_2 has room.

#![expect(clippy::wildcard_enum_match_arm, reason = "these tables are about a few stages and faults of many")]

mod meddled;
mod moments;

use super::*;
use crate::{
    aggregate::{Aggregate, fold},
    allocation,
    numbers::Epoch,
    operation::{self, Work},
    runs::{Fault, Play, Run, Times, at_each_step, run, succeeds},
    story::{BLUE, CELL_1, GREEN, HOST_1, LYON, THIRD, allocated, at, because as why, name, planned, ready, slug},
};
use std::collections::BTreeMap;
use uuid::Uuid;

const HOST_2: HostId = HostId(Uuid::from_u128(0x4058));
const DEADLINE: i64 = 60;

/// What the world does otherwise than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    CordonedByHand,
    HeldByAnother,
    NoHeadroom,
    ReplacementsFail,
    ReplacementsHang,
    SessionsHang,
    NobodyConfirms,
    SilentAfterwards,
}

/// The drain of HOST_1, in memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    trouble: Trouble,
    now: i64,
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

pub(crate) fn emptying(trouble: Trouble) -> Memory {
    let running = |n, of| vec![allocation::Event::Planned(planned(id(n), of, Epoch(1))), ready(of)];
    let created = host::Created { id: HOST_1, region: LYON, cell: CELL_1, slug: slug("host-1") };
    let mut host = vec![host::Event::Created(created)];
    let cordoned = |by| host::Event::Cordoned { reason: why("before"), by };
    match trouble {
        Trouble::CordonedByHand => host.push(cordoned(None)),
        Trouble::HeldByAnother => host.push(cordoned(Some(another()))),
        _ => {}
    }
    Memory {
        trouble,
        now: 0,
        operation: vec![operation::Event::Requested(requested())],
        host,
        allocations: [(id(1), running(1, BLUE)), (id(2), running(2, GREEN))].into(),
        heard: true,
    }
}

impl Memory {
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

    fn decided(&self, command: host::Command) -> Option<Vec<host::Event>> {
        self.host().decide(command).ok()
    }

    /// What happens to the operation and to the host, as the driver does it: in one append.
    fn judged(&self, step: &Step) -> Option<(Vec<operation::Event>, Vec<host::Event>)> {
        let enter = |stage, evidence| operation::Command::Enter { stage, evidence };
        let none = Evidence::default();
        let (command, host) = match step.clone() {
            Step::Enter(stage, evidence) => (enter(stage, evidence), None),
            Step::Fail(failure) => (operation::Command::Fail(failure), None),
            Step::Cancel => (operation::Command::Cancel, None),
            Step::Do(Act::Cordon(command)) => (enter(Stage::Cordoned, none), Some(command)),
            Step::Do(Act::Evacuate(command, evidence)) => (enter(Stage::Evacuating, evidence), Some(command)),
            Step::Do(Act::Release(command)) => (enter(Stage::Uncordoned, none), Some(command)),
            Step::Do(Act::GiveUp(command, failure)) => (operation::Command::Fail(failure), Some(command)),
            Step::Do(Act::Undo(command)) => (operation::Command::Cancel, Some(command)),
            Step::Do(Act::Plan(_) | Act::Drain(_)) | Step::Wait(_) | Step::Done => return None,
        };
        let operation = fold::<Operation>(&self.operation).decide(command).ok()?;
        Some((operation, host.map_or(Some(vec![]), |command| self.decided(command))?))
    }

    fn tell(&mut self, id: AllocationId, command: allocation::Command) -> Option<()> {
        let events = self.allocations.entry(id).or_default();
        let more = fold::<Allocation>(&*events).decide(command).ok()?;
        events.extend(more);
        Some(())
    }

    fn append(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::Do(Act::Plan(planned)) => self.tell(planned.id, allocation::Command::Plan(planned.clone())),
            Step::Do(Act::Drain(old)) => {
                let drain = allocation::Command::Drain { reason: "its host is drained".into(), deadline: None };
                self.tell(*old, drain)
            }
            Step::Do(_) | Step::Enter(..) | Step::Fail(_) | Step::Cancel | Step::Wait(_) | Step::Done => {
                let (operation, host) = self.judged(step)?;
                self.operation.extend(operation);
                self.host.extend(host);
                Some(())
            }
        }
    }

    fn report(&self, one: &Allocation) -> Option<allocation::Command> {
        let digest = one.planned.as_ref()?.artifact;
        Some(match (one.state?, self.trouble) {
            (State::Pulling, Trouble::ReplacementsHang)
            | (State::Draining, Trouble::SessionsHang)
            | (State::Ready | State::Stopped | State::Failed, _) => return None,
            (State::Planned, _) => allocation::Command::ReportPulling,
            (State::Pulling, _) => allocation::Command::ReportStarting { digest },
            (State::Starting, Trouble::ReplacementsFail) => {
                allocation::Command::ReportFailed { reason: "exit 1".into(), cause: None }
            }
            (State::Starting, _) => allocation::Command::ReportReady { digest, address: crate::story::ADDRESS.into() },
            (State::Draining, _) => allocation::Command::ReportStopped { sessions_ended: 0 },
        })
    }

    /// The operator's word, once the host is empty.
    fn confirm(&mut self) {
        let (os, runner, note) = (name("Debian 12.9"), name("0.2.0"), why("rebooted"));
        let upgrade = host::Upgrade { by: THIRD, os, runner, note, at: at(self.now) };
        let said = self.decided(host::Command::ConfirmUpgrade(upgrade)).expect("the host agrees");
        self.host.extend(said);
        self.heard = self.trouble != Trouble::SilentAfterwards;
    }

    /// Somebody lets the host take allocations again.
    fn lift(&mut self) {
        let lifted = self.decided(host::Command::Uncordon { reason: why("needed"), by: None }).unwrap_or_default();
        self.host.extend(lifted);
    }

    /// Somebody says that the host never comes back.
    fn retire(&mut self) {
        let command = host::Command::Retire { reason: why("its board burnt"), silence: host::Silence::default() };
        let retired = self.decided(command).expect("nobody hears it");
        self.host.extend(retired);
    }
}

impl Memory {
    /// What a process manager wants next here, or what else is asked of the world.
    fn asks<T>(&self, next: impl Fn(&World<'_>) -> T) -> T {
        let (operation, host) = (fold::<Operation>(&self.operation), self.host());
        let held = |host| u32::try_from(self.living(host).len()).expect("few");
        let standing = |host, state, capacity| Standing { host, state, capacity, held: held(host), heard: true };
        let room = if self.trouble == Trouble::NoHeadroom { 1 } else { 8 };
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
}

impl Play for Memory {
    type Act = Act;

    fn next(&self) -> Step {
        self.asks(next)
    }

    fn commit(&mut self, step: &Step) -> bool {
        self.append(step).is_some()
    }

    /// A second goes by, and everybody does one thing.
    fn pass(&mut self) {
        self.now += 1;
        for (id, one) in self.allocations.clone() {
            if let Some(report) = self.report(&fold(&one)) {
                self.tell(id, report).expect("a report in order");
            }
        }
        let stage = fold::<Operation>(&self.operation).stage;
        if stage == Some(Stage::Upgrading) && self.trouble != Trouble::NobodyConfirms {
            self.confirm();
        }
    }

    fn outlast(&mut self) {
        self.now = DEADLINE;
    }

    fn now(&self) -> DateTime<Utc> {
        at(self.now)
    }

    fn operation(&mut self) -> &mut Vec<operation::Event> {
        &mut self.operation
    }

    fn lengths(&self) -> Vec<usize> {
        let streams = [self.operation.len(), self.host.len()];
        streams.into_iter().chain(self.allocations.values().map(Vec::len)).collect()
    }

    fn left(&self) -> String {
        self.host().state.expect("it is there").to_string()
    }
}

fn ends(trouble: Trouble) -> Run<Memory> {
    run(emptying(trouble), Times::Twice, Fault::Nothing)
}

/// How it ended: the last stage before the end, the failure's code, the host and how many live on it.
fn told(run: &Run<Memory>) -> (Stage, Option<&str>, host::State, usize) {
    let code = run.end.failure.as_ref().map(|failure| failure.code.as_str());
    (run.end.after, code, run.world.host().state.expect("it is there"), run.world.living(HOST_1).len())
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
    let world = succeeds(&emptying(Trouble::Nothing), Stage::Uncordoned).world;
    let gates = fold::<Operation>(&world.operation).evidence.gates;
    let kinds = gates.iter().map(|gate| gate.kind.as_str()).collect::<Vec<_>>();
    assert_eq!(kinds, ["quorum", "headroom", "sessions", "drift"], "what it was judged on");
    assert_eq!(world.host().state, Some(host::State::Active));
    assert!(world.living(HOST_1).is_empty(), "nothing runs there");
    let on_other = world.living(HOST_2);
    assert_eq!(on_other.len(), 2);
    assert!(on_other.iter().all(|one| one.state == Some(State::Ready)));
    let mut stand_ins = on_other.iter().filter_map(|one| one.planned.as_ref()).collect::<Vec<_>>();
    stand_ins.sort_by_key(|planned| planned.replaces);
    let of = stand_ins.iter().map(|planned| (planned.replaces, planned.deployment)).collect::<Vec<_>>();
    assert_eq!(of, [(Some(id(1)), BLUE), (Some(id(2)), GREEN)], "each stands in for its own");
}

/// What is left behind by an outage at every step, until the deadline has passed.
#[test]
fn an_outage_at_any_step_ends_definitely_and_says_what_is_left() {
    use host::State::{Active, Draining};
    let found = at_each_step(&emptying(Trouble::Nothing), Fault::Outage);
    let ends = found.iter().map(|(_, run)| told(run)).collect::<Vec<_>>();
    let late = |stage| (stage, Some("DEADLINE_PASSED"), Active, 2);
    let moving = (Stage::Evacuating, Some("REPLACEMENT_NOT_READY"), Draining, 2);
    let stopping = |left| (Stage::ReplacementReady, Some("NOT_EMPTY"), Draining, left);
    let expected = [
        late(Stage::Requested),
        late(Stage::Cordoned),
        moving, // To plan the first,
        moving, // the second,
        moving, // and to say that both are ready.
        stopping(2),
        stopping(2),
        stopping(0),
        (Stage::Upgrading, Some("UPGRADE_NOT_CONFIRMED"), Draining, 0),
        (Stage::Postcheck, None, Active, 0),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn a_drain_without_headroom_refuses_to_evacuate_and_undoes_its_cordon() {
    let run = ends(Trouble::NoHeadroom);
    assert_eq!(told(&run), (Stage::Cordoned, Some("NO_HEADROOM"), host::State::Active, 2));
    assert!(run.world.on(HOST_2).is_empty(), "nothing was started");
}

#[test]
fn whatever_goes_wrong_has_a_name_and_nothing_is_stopped_before_its_replacement_answers() {
    use host::State::{Cordoned, Draining};
    let table = [
        (Trouble::HeldByAnother, Stage::Requested, "HELD_BY_DRAIN", Cordoned, 2),
        (Trouble::ReplacementsFail, Stage::Evacuating, "REPLACEMENT_FAILED", Draining, 2),
        (Trouble::ReplacementsHang, Stage::Evacuating, "REPLACEMENT_NOT_READY", Draining, 2),
        (Trouble::SessionsHang, Stage::ReplacementReady, "NOT_EMPTY", Draining, 2),
        (Trouble::NobodyConfirms, Stage::Upgrading, "UPGRADE_NOT_CONFIRMED", Draining, 0),
        (Trouble::SilentAfterwards, Stage::Postcheck, "POSTCHECK_FAILED", Draining, 0),
    ];
    for (trouble, stage, code, state, left) in table {
        let run = ends(trouble);
        assert_eq!(told(&run), (stage, Some(code), state, left), "{trouble:?}");
        let message = run.end.failure.expect("it failed").message;
        let kept = message.contains("the host stays cordoned");
        assert_eq!(kept, trouble != Trouble::HeldByAnother, "what is left is said: {message}");
        assert_eq!(message.contains("goes on serving"), code.starts_with("REPLACEMENT"), "{trouble:?}");
    }
}

#[test]
fn a_cancel_has_a_definite_answer_at_every_stage() {
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

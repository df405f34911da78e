//! Workers: they claim by lease, read and decide, and append what they decided at some later time, perhaps under a lease that
//! went to the other one. What they decide is the real process manager's; what an append asserts is what
//! `workers/src/promotion.rs` asserts. The trap: a worker that reads and appends in one step, between which nothing happens.

use crate::{
    book::NONE,
    laws::{Law, index, same_but_for_reports},
    platform::Platform,
    sins::Sin,
    state::{Course, Decided, Held, Lane, Mark, Read, State, Task, Work},
};
use rhone_domain::operation::{Operation, Stage};
use rhone_tests::rules::{Move, change_of};

impl Platform {
    /// The first worker that is idle gets the next lease. Whoever held it before does not know yet.
    pub(crate) fn claim(state: &mut State, lane: usize, slot: usize) -> Option<()> {
        let idle = state.tasks.iter().position(|task| *task == Task::Idle)?;
        let work = &mut state.lanes[lane].works[slot];
        work.fence += 1;
        let small = |n: usize| u8::try_from(n).expect("few lanes and slots");
        state.tasks[idle] = Task::On(Held { lane: small(lane), slot: small(slot), fence: work.fence, decided: None });
        Some(())
    }

    pub(crate) fn notice(state: &mut State, worker: usize) {
        state.tasks[worker] = Task::Idle;
    }

    /// Reads the world and asks what comes next; waiting changes nothing.
    pub(crate) fn decide(&self, state: &mut State, worker: usize) -> Option<()> {
        let Task::On(held) = state.tasks[worker] else { return None };
        let (lane, work) = (usize::from(held.lane), state.work(held));
        let question = self.question(state, lane, work.operation, usize::from(work.deployment), work.clock);
        let step = self.nouns.next(question);
        if step == NONE {
            return None;
        }
        let route = match &*self.nouns.moves.read(step) {
            Move::Done => {
                Self::notice(state, worker);
                return Some(());
            }
            Move::ChangeRoute(_) => question.route,
            Move::Enter(..) | Move::Plan(_) | Move::Fail(_) | Move::Cancel | Move::Wait(_) => NONE,
        };
        let decided = Some(Decided { step, route, read: Read::Current });
        state.tasks[worker] = Task::On(Held { decided, ..held });
        Some(())
    }

    /// Tries to append: a stale fence makes a late report of it, and what was judged on something that has moved is judged
    /// again.
    pub(crate) fn append(&self, state: &mut State, worker: usize) -> Option<()> {
        let Task::On(held) = state.tasks[worker] else { return None };
        let decided = held.decided?;
        let before = state.lanes[usize::from(held.lane)];
        let late = held.fence != state.work(held).fence;
        state.tasks[worker] = Task::On(Held { decided: None, ..held });
        if late && self.nouns.sin != Some(Sin::LateReportAccepted) {
            state.tasks[worker] = Task::Idle;
            state.marks.set(Mark::Late);
            let operation = self.nouns.record_late(state.work(held).operation, held.fence);
            self.operation_moved(state, held, operation);
        } else if decided.read == Read::Moved && self.nouns.sin != Some(Sin::NoCompareAndSwap) {
            state.marks.set(Mark::Conflict);
        } else {
            self.carry_out(state, held, decided)?;
            if state.work(held).course == Course::Ended {
                state.tasks[worker] = Task::Idle;
            }
        }
        if late {
            let holds = self.only_reported(held, before, state.lanes[usize::from(held.lane)]);
            state.broken.unless(holds, Law::Late);
        }
        Some(())
    }

    fn carry_out(&self, state: &mut State, held: Held, decided: Decided) -> Option<()> {
        let (lane, work) = (usize::from(held.lane), state.work(held));
        let step = self.nouns.moves.read(decided.step);
        match &*step {
            Move::Enter(..) | Move::Fail(_) | Move::Cancel => {
                let operation = self.nouns.tell(work.operation, decided.step);
                self.operation_moved(state, held, operation);
                self.look_at_the_end(state, held, &step);
            }
            Move::Plan(_) => {
                let of = usize::from(work.deployment);
                let place = state.lanes[lane].allocations[of].iter_mut().find(|page| **page == NONE)?;
                *place = self.nouns.ordered(decided.step, lane, of);
            }
            Move::ChangeRoute(_) => {
                let route = state.lanes[lane].route;
                let changed = self.nouns.change_route(work.operation, decided.step, decided.route, route);
                // A step that a rule refuses does not happen, and is asked for again.
                if let Some(changed) = changed {
                    let before = self.nouns.operations.read(work.operation);
                    self.take(state, lane, &changed.changed, Some(&before));
                    self.operation_moved(state, held, changed.operation);
                }
            }
            Move::Wait(_) | Move::Done => {}
        }
        Some(())
    }

    /// The operation has changed: whoever judged on it before will be refused.
    fn operation_moved(&self, state: &mut State, held: Held, operation: crate::book::Page) {
        let ended = self.nouns.operations.read(operation).stage.is_some_and(Stage::is_final);
        let work = &mut state.lanes[usize::from(held.lane)].works[usize::from(held.slot)];
        if work.operation == operation {
            return;
        }
        *work = Work { operation, course: if ended { Course::Ended } else { Course::Open }, ..*work };
        self.moved(state, |other, _| (other.lane, other.slot) == (held.lane, held.slot));
    }

    /// What ends are like, for whoever asks whether they can happen; and a good end must be true.
    fn look_at_the_end(&self, state: &mut State, held: Held, step: &Move) {
        match step {
            Move::Enter(end @ (Stage::Healthy | Stage::RolledBack), _) => {
                state.marks.set(if *end == Stage::Healthy { Mark::Healthy } else { Mark::RolledBack });
                if held.fence > 1 {
                    state.marks.set(Mark::Adopted);
                }
                let operation = self.nouns.operations.read(state.work(held).operation);
                let proven = state.served.iter().all(|edge| self.serves(edge[usize::from(held.lane)], &operation));
                state.broken.unless(proven, Law::Proven);
            }
            Move::Fail(failure) => match failure.code.as_str() {
                "SUPERSEDED" => state.marks.set(Mark::Superseded),
                "STALE_EPOCH" => state.marks.set(Mark::StaleEpoch),
                "DATABASE_BLOCKS_ROLLBACK" => state.marks.set(Mark::BehindMigration),
                _ => {}
            },
            _ => {}
        }
    }

    /// Whether an edge that serves this route serves what the operation has made of it.
    fn serves(&self, served: crate::book::Page, operation: &Operation) -> bool {
        let Some((environment, to, expected)) = change_of(operation) else { return false };
        let route = self.nouns.contents.read(served);
        let owner = route.owner.as_ref().map(|owner| index(owner.deployment));
        (route.environment, route.epoch, owner) == (environment, expected.next(), Some(index(to)))
    }

    /// Whether nothing in an environment has changed but which late reports are on record.
    fn only_reported(&self, held: Held, before: Lane, after: Lane) -> bool {
        let slot = usize::from(held.slot);
        let read = |lane: &Lane| self.nouns.operations.read(lane.works[slot].operation);
        let mut same = after;
        same.works[slot].operation = before.works[slot].operation;
        same == before && same_but_for_reports(&read(&before), &read(&after))
    }
}

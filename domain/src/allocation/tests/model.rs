//! An allocation against its naive model: a life that goes one way only, with the bytes it was ordered with.

use super::{ADDRESS, Allocation, BLUE_BYTES, Command, Digest, Event, GREEN_BYTES, Rejection, State, order};
use crate::{
    aggregate::Aggregate as _,
    allocation::{Closed, Planned},
    ids::EdgeId,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, changed_if, holds,
    },
    numbers::Generation,
    story::{allocation, at},
};
use proptest::prelude::*;
use uuid::Uuid;

const ELSEWHERE: &str = "127.0.0.1:7002";

#[derive(Clone, Copy, Debug)]
enum Act {
    Plan(u8),
    Pulling,
    Starting(Digest),
    Ready(Digest, &'static str),
    Restarted(u64),
    Drain,
    Stopped,
    Failed,
    Closed(u64),
}

/// Its life as one line: 1 planned, 2 pulling, 3 starting, 4 ready, 5 draining, 6 stopped, 7 failed; 0 not ordered yet.
#[derive(Debug, Default, PartialEq)]
struct Naive {
    which: u8,
    life: u8,
    generation: u64,
    address: Option<String>,
    verified: bool,
    restarts: u64,
    closed: u64,
}

impl Naive {
    fn ended(&self) -> bool {
        self.life >= 6
    }

    /// A report of the runner that it is on its way.
    fn on(&mut self, to: u8) -> Answer {
        if self.ended() {
            return Refused("INVALID_TRANSITION");
        }
        if to > self.life && to != self.life + 1 && to != 7 {
            return Refused("INVALID_TRANSITION");
        }
        let further = self.life < to;
        self.life = self.life.max(to);
        changed_if(further, AlreadySo)
    }

    fn ready(&mut self, address: &str) -> Answer {
        match self.life {
            6.. | 1 | 2 => return Refused("INVALID_TRANSITION"),
            5 => return AlreadySo,
            4 if self.address.as_deref() == Some(address) => return AlreadySo,
            _ => {}
        }
        self.generation += u64::from(self.address.as_deref().is_some_and(|before| before != address));
        (self.life, self.verified, self.address) = (4, true, Some(address.to_owned()));
        Changed
    }
}

impl Model for Naive {
    type Noun = Allocation;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let digest = prop_oneof![4 => Just(GREEN_BYTES), 1 => Just(BLUE_BYTES)];
        let address = prop_oneof![Just(ADDRESS), Just(ELSEWHERE)];
        prop_oneof![
            3 => Just(Act::Plan(1)),
            1 => Just(Act::Plan(2)),
            3 => Just(Act::Pulling),
            3 => digest.clone().prop_map(Act::Starting),
            5 => (digest, address).prop_map(|(digest, address)| Act::Ready(digest, address)),
            2 => (0_u64..4).prop_map(Act::Restarted),
            1 => Just(Act::Drain),
            1 => Just(Act::Stopped),
            1 => Just(Act::Failed),
            1 => (0_u64..4).prop_map(Act::Closed),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match (self.life, *act) {
            (0, Act::Plan(which)) => {
                (self.which, self.life, self.generation) = (which, 1, 1);
                Changed
            }
            (0, _) => Refused("NOT_FOUND"),
            (_, Act::Plan(which)) if which == self.which => AlreadySo,
            (_, Act::Plan(_)) => Refused("ALREADY_EXISTS"),
            (_, Act::Starting(digest) | Act::Ready(digest, _)) if digest != GREEN_BYTES => Refused("WRONG_DIGEST"),
            (_, Act::Pulling) => self.on(2),
            (_, Act::Starting(_)) => {
                let answer = self.on(3);
                self.verified |= answer == Changed;
                answer
            }
            (_, Act::Ready(_, address)) => self.ready(address),
            (life, Act::Restarted(times)) => {
                let newer = life < 6 && times > self.restarts;
                self.restarts = if newer { times } else { self.restarts };
                changed_if(newer, AlreadySo)
            }
            (_, Act::Closed(sessions)) => {
                let more = sessions > self.closed;
                self.closed = self.closed.max(sessions);
                changed_if(more, AlreadySo)
            }
            (5.., Act::Drain) | (6.., Act::Stopped | Act::Failed) => AlreadySo,
            (_, Act::Drain) => {
                (self.life, self.generation) = (5, self.generation + 1);
                Changed
            }
            (_, Act::Stopped) => self.on(6),
            (_, Act::Failed) => self.on(7),
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Plan(which) => Command::Plan(Planned { id: allocation(which.into()), ..order() }),
            Act::Pulling => Command::ReportPulling,
            Act::Starting(digest) => Command::ReportStarting { digest },
            Act::Ready(digest, address) => Command::ReportReady { digest, address: address.to_owned() },
            Act::Restarted(restarts) => Command::ReportRestarted { restarts, exit: "exit 1".into() },
            Act::Drain => Command::Drain { reason: "its time is over".into(), deadline: None },
            Act::Stopped => Command::ReportStopped { sessions_ended: 0 },
            Act::Failed => Command::ReportFailed { reason: "exit 1".into(), cause: None },
            Act::Closed(sessions) => Command::RecordClosed(closed(sessions)),
        }
    }

    fn seen(noun: &Allocation) -> Self {
        let lives = [
            State::Planned,
            State::Pulling,
            State::Starting,
            State::Ready,
            State::Draining,
            State::Stopped,
            State::Failed,
        ];
        let life = noun.state.map_or(0, |state| lives.iter().position(|one| *one == state).map_or(99, |n| n + 1));
        let which = noun.planned.as_ref().map_or(0, |planned| if planned.id == allocation(1) { 1 } else { 2 });
        Self {
            which,
            life: u8::try_from(life).expect("one of seven"),
            generation: noun.generation.0,
            address: noun.address.clone(),
            verified: noun.verified == Some(GREEN_BYTES),
            restarts: noun.restarts,
            closed: noun.sessions_closed(),
        }
    }
}

fn closed(sessions: u64) -> Closed {
    Closed { edge: EdgeId(Uuid::from_u128(1)), boot: Uuid::from_u128(2), deadline: at(30), sessions }
}

fn runs_other_bytes(noun: &Allocation, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::ReportReady { address, .. } = command else { return noun.decide(command) };
    noun.decide(Command::ReportReady { digest: GREEN_BYTES, address })
}

fn rises_from_the_dead(noun: &Allocation, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |n| n.state = n.state.map(|state| if state.is_final() { State::Planned } else { state }))
}

fn takes_work_while_draining(noun: &Allocation, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |n| {
        n.state = n.state.map(|state| if state == State::Draining { State::Starting } else { state });
    })
}

fn moves_in_the_same_generation(noun: &mut Allocation, event: &Event) {
    let before = noun.generation;
    noun.apply(event);
    if matches!(event, Event::Ready { .. }) {
        noun.generation = before;
    }
}

fn drains_in_the_same_generation(noun: &mut Allocation, event: &Event) {
    noun.apply(event);
    if matches!(event, Event::Draining { .. }) {
        noun.generation = Generation(1);
    }
}

fn forgets_restarts(noun: &mut Allocation, event: &Event) {
    if !matches!(event, Event::Restarted { .. }) {
        noun.apply(event);
    }
}

fn counts_what_is_said_again(noun: &mut Allocation, event: &Event) {
    let before = noun.sessions_closed();
    noun.apply(event);
    if let (Event::SessionsClosed(_), Some(one)) = (event, noun.closed.first_mut()) {
        one.sessions += before;
    }
}

#[test]
fn random_reports_find_the_allocation_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("RunsOtherBytes", Ways::deciding(runs_other_bytes)),
        ("RisesFromTheDead", Ways::deciding(rises_from_the_dead)),
        ("TakesWorkWhileDraining", Ways::deciding(takes_work_while_draining)),
        ("MovesInTheSameGeneration", Ways::applying(moves_in_the_same_generation)),
        ("DrainsInTheSameGeneration", Ways::applying(drains_in_the_same_generation)),
        ("ForgetsRestarts", Ways::applying(forgets_restarts)),
        ("CountsWhatIsSaidAgain", Ways::applying(counts_what_is_said_again)),
    ]);
}

//! A host against its naive model: whether it takes allocations, who holds its cordon, how many it may hold and for which drain
//! it was brought up to date.

use super::{
    Command, Event, Host, MOST_CAPACITY, Rejection, State, cordon, created, retire, retired, uncordon, upgrade,
};
use crate::{
    aggregate::Aggregate as _,
    host::USUAL_CAPACITY,
    ids::OperationId,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{FIRST, SECOND, because},
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Act {
    Create(u128),
    Cordon(Option<OperationId>),
    Uncordon(Option<OperationId>),
    Hold(u32),
    Drain(OperationId),
    Confirm(OperationId),
    /// After its own silence, and that of the others, in seconds.
    Retire(Option<i64>, Option<i64>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Life {
    which: u128,
    state: State,
    holder: Option<OperationId>,
    capacity: Option<u32>,
    upgraded: Option<OperationId>,
}

#[derive(Debug, Default, PartialEq)]
struct Naive(Option<Life>);

impl Life {
    fn tell(&mut self, act: &Act) -> Answer {
        let closed = self.state != State::Active;
        let another = |by: Option<OperationId>| closed && self.holder.is_some() && by.is_some() && self.holder != by;
        match *act {
            Act::Create(which) if which == self.which => return AlreadySo,
            Act::Create(_) => return Refused("ALREADY_EXISTS"),
            Act::Retire(..) if self.state == State::Retired => return AlreadySo,
            _ if self.state == State::Retired => return Refused("HOST_RETIRED"),
            Act::Retire(Some(..30), _) => return Refused("HOST_HEARD"),
            Act::Retire(Some(_), Some(30..)) => return Refused("NO_HOST_HEARD"),
            Act::Retire(..) => (self.state, self.holder) = (State::Retired, None),
            Act::Cordon(by) | Act::Uncordon(by) if another(by) => return Refused("HELD_BY_DRAIN"),
            Act::Cordon(_) if closed => return AlreadySo,
            Act::Cordon(by) => (self.state, self.holder) = (State::Cordoned, by),
            Act::Uncordon(None) if !closed => return Refused("NOT_CORDONED"),
            Act::Uncordon(Some(_)) if !closed => return AlreadySo,
            Act::Uncordon(Some(_)) if self.holder.is_none() => return Refused("HELD_BY_HAND"),
            Act::Uncordon(_) => (self.state, self.holder) = (State::Active, None),
            Act::Hold(many) if many > MOST_CAPACITY => return Refused("INVALID"),
            Act::Hold(many) if self.capacity == Some(many) => return AlreadySo,
            Act::Hold(many) => self.capacity = Some(many),
            Act::Drain(by) if another(Some(by)) => return Refused("HELD_BY_DRAIN"),
            Act::Drain(_) if !closed => return Refused("NOT_CORDONED"),
            Act::Drain(_) if self.state == State::Draining => return AlreadySo,
            Act::Drain(by) => (self.state, self.holder) = (State::Draining, Some(by)),
            Act::Confirm(by) if self.upgraded == Some(by) => return AlreadySo,
            Act::Confirm(by) if self.state != State::Draining || self.holder != Some(by) => {
                return Refused("NOT_DRAINING");
            }
            Act::Confirm(by) => self.upgraded = Some(by),
        }
        Changed
    }
}

impl Model for Naive {
    type Noun = Host;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let drain = || prop::sample::select(vec![FIRST, SECOND]);
        let anybody = || prop::option::of(drain());
        let silence = || prop::sample::select(vec![None, Some(0), Some(29), Some(30)]);
        prop_oneof![
            3 => (1..=2_u128).prop_map(Act::Create),
            3 => anybody().prop_map(Act::Cordon),
            3 => anybody().prop_map(Act::Uncordon),
            1 => prop::sample::select(vec![1, USUAL_CAPACITY, MOST_CAPACITY, MOST_CAPACITY + 1]).prop_map(Act::Hold),
            3 => drain().prop_map(Act::Drain),
            3 => drain().prop_map(Act::Confirm),
            1 => (silence(), silence()).prop_map(|(own, others)| Act::Retire(own, others)),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        match (&mut self.0, *act) {
            (Some(life), _) => life.tell(act),
            (None, Act::Create(which)) => {
                self.0 = Some(Life { which, state: State::Active, holder: None, capacity: None, upgraded: None });
                Changed
            }
            (None, _) => Refused("NOT_FOUND"),
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create(which) => Command::Create(created(which)),
            Act::Cordon(by) => cordon(by),
            Act::Uncordon(by) => uncordon(by),
            Act::Hold(allocations) => Command::SetCapacity { allocations },
            Act::Drain(by) => Command::BeginDrain { by },
            Act::Confirm(by) => Command::ConfirmUpgrade(upgrade(by)),
            Act::Retire(own, others) => retire(own, others),
        }
    }

    fn seen(noun: &Host) -> Self {
        Self(noun.created.as_ref().map(|created| Life {
            which: created.id.0.as_u128(),
            state: noun.state.expect("it has one since it was created"),
            holder: noun.held_by,
            capacity: noun.capacity,
            upgraded: noun.upgrade.as_ref().map(|upgrade| upgrade.by),
        }))
    }
}

fn carries_any_number(noun: &Host, command: Command) -> Result<Vec<Event>, Rejection> {
    match (&noun.created, command) {
        (Some(_), Command::SetCapacity { allocations }) => Ok(vec![Event::CapacitySet { allocations }]),
        (_, command) => noun.decide(command),
    }
}

/// Whoever drains takes a host that nobody has cordoned.
fn drains_what_is_active(noun: &Host, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.state, command) {
        (Some(State::Active), Command::BeginDrain { by }) => Ok(vec![Event::DrainBegun { by }]),
        (_, command) => noun.decide(command),
    }
}

/// A drain lifts what a person has set.
fn lifts_a_persons_cordon(noun: &Host, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.decide(command.clone()), command) {
        (Err(Rejection::HeldByHand), Command::Uncordon { by, .. }) => {
            Ok(vec![Event::Uncordoned { reason: because("it is mine"), by }])
        }
        (decided, _) => decided,
    }
}

fn keeps_its_holder(noun: &mut Host, event: &Event) {
    let holder = noun.held_by;
    noun.apply(event);
    if matches!(event, Event::Uncordoned { .. }) {
        noun.held_by = holder;
    }
}

#[test]
fn random_commands_find_the_host_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("CarriesAnyNumber", Ways::deciding(carries_any_number)),
        ("DrainsWhatIsActive", Ways::deciding(drains_what_is_active)),
        ("LiftsAPersonsCordon", Ways::deciding(lifts_a_persons_cordon)),
        ("ForgetsWhoHoldsIt", Ways::deciding(|noun, command| blind(noun, command, |n| n.held_by = None))),
        ("ConfirmsForAnybody", Ways::deciding(confirms_for_anybody)),
        ("KeepsItsHolder", Ways::applying(keeps_its_holder)),
        ("RetiresWhereNobodyIsHeard", Ways::deciding(retires_where_nobody_is_heard)),
        ("RetiresWhatIsHeard", Ways::deciding(retires_what_is_heard)),
        ("ComesBack", Ways::deciding(comes_back)),
    ]);
}

fn retires_what_is_heard(noun: &Host, command: Command) -> Result<Vec<Event>, Rejection> {
    match noun.decide(command) {
        Err(Rejection::Heard { .. }) => Ok(vec![retired()]),
        decided => decided,
    }
}

fn retires_where_nobody_is_heard(noun: &Host, command: Command) -> Result<Vec<Event>, Rejection> {
    match noun.decide(command) {
        Err(Rejection::NobodyHeard { .. }) => Ok(vec![retired()]),
        decided => decided,
    }
}

fn comes_back(noun: &Host, command: Command) -> Result<Vec<Event>, Rejection> {
    blind(noun, command, |n| n.state = n.state.map(|state| if state == State::Retired { State::Active } else { state }))
}

fn confirms_for_anybody(noun: &Host, command: Command) -> Result<Vec<Event>, Rejection> {
    match (noun.state, command) {
        (Some(State::Draining), Command::ConfirmUpgrade(upgrade)) => Ok(vec![Event::UpgradeConfirmed(upgrade)]),
        (_, command) => noun.decide(command),
    }
}

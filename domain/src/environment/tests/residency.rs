//! Residency and enabled regions: the cases by name, and random commands against a naive model.

use super::*;
use crate::{
    aggregate::Rejection as _,
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{BERGEN, FJORD, LYON, at, because, enabled, production},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A region of nobody.
const ELSEWHERE: RegionId = RegionId(Uuid::from_u128(0xe15e));

fn there() -> Vec<Event> {
    vec![Event::Created(production())]
}

fn then(events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    there().into_iter().chain(events).collect()
}

fn only(regions: &[RegionId]) -> Residency {
    Residency(regions.iter().copied().collect())
}

fn reside(regions: &[RegionId]) -> Command {
    Command::SetResidency { residency: only(regions), reason: because("the contract") }
}

fn resides(regions: &[RegionId]) -> Event {
    Event::ResidencySet { residency: only(regions), reason: because("the contract") }
}

fn disable(region: RegionId, serving: RegionId) -> Command {
    Command::DisableRegion { region, serving: Some(serving), reason: because("its lease ends"), at: at(9) }
}

#[test]
fn a_residency_that_leaves_out_where_the_environment_is_already_is_refused() {
    let leaves_out = |regions: &[RegionId], left_out| Rejection::LeavesOut { residency: only(regions), left_out };
    let home = leaves_out(&[BERGEN], [LYON].into());
    assert_eq!((home.code(), home.field()), ("RESIDENCY_VIOLATION", Some("regionIds")));
    assert_eq!(home.expected_and_actual(), Some((BERGEN.to_string(), LYON.to_string())));
    given::<Environment>(there()).when(reside(&[BERGEN])).then_rejected(&home);
    given::<Environment>(there()).when(reside(&[LYON, BERGEN])).then([resides(&[LYON, BERGEN])]);
    let there_too = || then([Event::RegionEnabled(enabled())]);
    given::<Environment>(there_too()).when(reside(&[LYON])).then_rejected(&leaves_out(&[LYON], [BERGEN].into()));
    given::<Environment>(there_too()).when(reside(&[LYON, BERGEN])).then([resides(&[LYON, BERGEN])]);
    given::<Environment>(then([resides(&[LYON])])).when(reside(&[])).then([resides(&[])]);
    given::<Environment>(then([resides(&[LYON])])).when(reside(&[LYON])).then([]);
}

#[test]
fn a_region_is_enabled_once_by_one_operation_and_never_beyond_the_residency() {
    let enable = || Command::EnableRegion(enabled());
    given::<Environment>([]).when(enable()).then_rejected(&Rejection::NotFound);
    given::<Environment>(there()).when(enable()).then([Event::RegionEnabled(enabled())]);
    given::<Environment>(then([Event::RegionEnabled(enabled())])).when(enable()).then([]);
    let other = Command::EnableRegion(Enabled { by: SECOND, ..enabled() });
    given::<Environment>(then([Event::RegionEnabled(enabled())]))
        .when(other)
        .then_rejected(&Rejection::AlreadyEnabled(BERGEN));
    let home = Command::EnableRegion(Enabled { region: LYON, ..enabled() });
    given::<Environment>(there()).when(home).then_rejected(&Rejection::Home(LYON));
    let outside = Rejection::OutsideResidency { residency: only(&[LYON]), region: BERGEN };
    assert_eq!((outside.code(), outside.field()), ("RESIDENCY_VIOLATION", Some("regionId")));
    given::<Environment>(then([resides(&[LYON])])).when(enable()).then_rejected(&outside);
}

#[test]
fn a_region_is_disabled_unless_the_traffic_is_there() {
    let both = || then([Event::RegionEnabled(enabled())]);
    let gone = Event::RegionDisabled { region: BERGEN, reason: because("its lease ends"), at: Some(at(9)) };
    given::<Environment>(both()).when(disable(BERGEN, LYON)).then([gone]);
    given::<Environment>(both()).when(disable(BERGEN, BERGEN)).then_rejected(&Rejection::TrafficThere(BERGEN));
    given::<Environment>(both()).when(disable(LYON, BERGEN)).then_rejected(&Rejection::Home(LYON));
    given::<Environment>(there()).when(disable(BERGEN, LYON)).then_rejected(&Rejection::NotEnabled(BERGEN));
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Reside(u8),
    Enable(RegionId, OperationId),
    Disable(RegionId, RegionId),
}

/// Whether it is there, where it may be, who enabled what, and what was disabled since.
#[derive(Debug, Default, PartialEq)]
struct Naive {
    open: bool,
    may: BTreeSet<RegionId>,
    by: BTreeMap<RegionId, OperationId>,
    was: BTreeMap<RegionId, OperationId>,
}

const REGIONS: [RegionId; 3] = [LYON, BERGEN, ELSEWHERE];

/// The regions of a number's bits.
fn chosen(bits: u8) -> BTreeSet<RegionId> {
    (0..3).filter(|bit| bits & (1 << bit) != 0).map(|bit| REGIONS[bit]).collect()
}

impl Model for Naive {
    type Noun = Environment;
    type Act = Act;

    fn act() -> BoxedStrategy<Act> {
        let region = || prop::sample::select(REGIONS.to_vec());
        let by = prop_oneof![Just(FIRST), Just(SECOND)];
        prop_oneof![
            1 => Just(Act::Create),
            2 => (0_u8..8).prop_map(Act::Reside),
            3 => (region(), by).prop_map(|(region, by)| Act::Enable(region, by)),
            2 => (region(), region()).prop_map(|(region, serving)| Act::Disable(region, serving)),
        ]
        .boxed()
    }

    fn tell(&mut self, act: &Act) -> Answer {
        let may = |naive: &Self, region| naive.may.is_empty() || naive.may.contains(&region);
        match *act {
            Act::Create if self.open => AlreadySo,
            Act::Create => {
                self.open = true;
                Changed
            }
            _ if !self.open => Refused("NOT_FOUND"),
            Act::Reside(bits) if chosen(bits) == self.may => AlreadySo,
            Act::Reside(bits) => {
                let now = chosen(bits);
                let is_in = |region: &RegionId| *region == LYON || self.by.contains_key(region);
                if !now.is_empty() && REGIONS.iter().any(|region| is_in(region) && !now.contains(region)) {
                    return Refused("RESIDENCY_VIOLATION");
                }
                self.may = now;
                Changed
            }
            Act::Enable(region, by) if self.by.get(&region) == Some(&by) => AlreadySo,
            Act::Enable(region, _) if !may(self, region) => Refused("RESIDENCY_VIOLATION"),
            Act::Enable(LYON, _) => Refused("HOME_REGION"),
            Act::Enable(region, _) if self.by.contains_key(&region) => Refused("REGION_ENABLED"),
            Act::Enable(region, by) => {
                self.by.insert(region, by);
                self.was.remove(&region);
                Changed
            }
            Act::Disable(region, serving) if region == serving => Refused("REGION_SERVES"),
            Act::Disable(LYON, _) => Refused("HOME_REGION"),
            Act::Disable(region, _) => match self.by.remove(&region) {
                None => Refused("REGION_NOT_ENABLED"),
                Some(by) => {
                    self.was.insert(region, by);
                    Changed
                }
            },
        }
    }

    fn command(act: &Act) -> Command {
        match *act {
            Act::Create => Command::Create(production()),
            Act::Reside(bits) => reside(&chosen(bits).into_iter().collect::<Vec<_>>()),
            Act::Enable(region, by) => Command::EnableRegion(Enabled { region, by, cell: FJORD, ..enabled() }),
            Act::Disable(region, serving) => disable(region, serving),
        }
    }

    fn seen(noun: &Environment) -> Self {
        Self {
            open: noun.created.is_some(),
            may: noun.residency.0.clone(),
            by: noun.regions.iter().map(|(region, enabled)| (*region, enabled.by)).collect(),
            was: noun.withdrawn.iter().map(|(region, withdrawn)| (*region, withdrawn.was.by)).collect(),
        }
    }
}

fn disables_under_traffic(noun: &Environment, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::DisableRegion { region, reason, at, .. } = command else { return noun.decide(command) };
    noun.decide(Command::DisableRegion { region, serving: None, reason, at })
}

fn keeps_what_was_disabled(noun: &mut Environment, event: &Event) {
    if !matches!(event, Event::RegionDisabled { .. }) {
        noun.apply(event);
    }
}

fn forgets_what_was_disabled(noun: &mut Environment, event: &Event) {
    noun.apply(event);
    noun.withdrawn.clear();
}

fn enables_home(noun: &Environment, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::EnableRegion(enabled) = command else { return noun.decide(command) };
    let home = noun.home() == Some(enabled.region);
    if home { Ok(vec![Event::RegionEnabled(enabled)]) } else { noun.decide(command) }
}

#[test]
fn random_commands_find_residency_and_regions_as_the_model_says_and_every_sin_is_caught() {
    holds::<Naive>(&[
        ("ResidencyIsIgnored", Ways::deciding(|noun, c| blind(noun, c, |n| n.residency = Residency::default()))),
        ("ResidencyForgetsEnabledRegions", Ways::deciding(|noun, c| blind(noun, c, |n| n.regions.clear()))),
        ("DisablesUnderTraffic", Ways::deciding(disables_under_traffic)),
        ("EnablesHome", Ways::deciding(enables_home)),
        ("KeepsWhatWasDisabled", Ways::applying(keeps_what_was_disabled)),
        ("ForgetsWhatWasDisabled", Ways::applying(forgets_what_was_disabled)),
    ]);
}

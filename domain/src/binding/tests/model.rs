//! The bindings of an environment against their naive model, of either noun: in each region one of a thing at a time, unless it
//! has failed or ended.

use super::{Credential, State};
use crate::{
    aggregate::Aggregate as _,
    binding::{Declared, Proof, Unproven},
    ids::{OperationId, RegionId},
    model::{
        Answer::{self, AlreadySo, Changed, Refused},
        Model, Ways, blind, holds,
    },
    story::{
        BERGEN, FIRST, LYON, SECOND, because,
        bindings::{binding_id, credential, declared, proof, unproven},
    },
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What is bound.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Thing {
    One,
    Another,
    /// Nothing can be made of that.
    Impossible,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Request(u128, Thing, RegionId),
    Verify(u128, OperationId),
    Fail(u128, OperationId),
    Disable(u128),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct One {
    thing: Thing,
    region: RegionId,
    state: State,
    proven: Option<OperationId>,
    unproven: Option<OperationId>,
}

type All = BTreeMap<u128, One>;

fn any_act() -> BoxedStrategy<Act> {
    let thing = prop_oneof![3 => Just(Thing::One), 3 => Just(Thing::Another), 1 => Just(Thing::Impossible)];
    let by = || prop::sample::select(vec![FIRST, SECOND]);
    let region = prop::sample::select(vec![LYON, BERGEN]);
    prop_oneof![
        4 => (1..=4_u128, thing, region).prop_map(|(id, thing, region)| Act::Request(id, thing, region)),
        3 => (1..=4_u128, by()).prop_map(|(id, by)| Act::Verify(id, by)),
        2 => (1..=4_u128, by()).prop_map(|(id, by)| Act::Fail(id, by)),
        1 => (1..=4_u128).prop_map(Act::Disable),
    ]
    .boxed()
}

fn request(all: &mut All, id: u128, thing: Thing, region: RegionId) -> Answer {
    let stands = |one: &One| matches!(one.state, State::Requested | State::Verified);
    match all.get(&id) {
        Some(same) if (same.thing, same.region) == (thing, region) => AlreadySo,
        Some(_) => Refused("ALREADY_EXISTS"),
        None if thing == Thing::Impossible => Refused("INVALID"),
        None if all.values().any(|one| stands(one) && (one.thing, one.region) == (thing, region)) => {
            Refused("ALREADY_BOUND")
        }
        None => {
            all.insert(id, One { thing, region, state: State::Requested, proven: None, unproven: None });
            Changed
        }
    }
}

fn tell(all: &mut All, act: Act) -> Answer {
    let (Act::Verify(id, _) | Act::Fail(id, _) | Act::Disable(id) | Act::Request(id, ..)) = act;
    match (act, all.get_mut(&id)) {
        (Act::Request(id, thing, region), _) => return request(all, id, thing, region),
        (_, None) => return Refused("NOT_FOUND"),
        (Act::Disable(_), Some(one)) if one.state == State::Disabled => return AlreadySo,
        (_, Some(one)) if one.state == State::Disabled => return Refused("BINDING_DISABLED"),
        (Act::Verify(_, by), Some(one)) if one.state == State::Verified && one.proven == Some(by) => return AlreadySo,
        (Act::Fail(_, by), Some(one)) if one.unproven == Some(by) => return AlreadySo,
        (Act::Verify(_, by), Some(one)) => {
            (one.state, one.proven, one.unproven) = (State::Verified, Some(by), None);
        }
        (Act::Fail(_, by), Some(one)) => (one.state, one.unproven) = (State::Failed, Some(by)),
        (Act::Disable(_), Some(one)) => one.state = State::Disabled,
    }
    Changed
}

/// The model of a noun, whose things are these.
macro_rules! model {
    ($name:ident, $state:ident, $one:expr, $another:expr, $impossible:expr) => {
        mod $name {
            use super::*;
            use crate::$name::{Command, Event, Rejection, What, $state};

            #[derive(Debug, Default, PartialEq)]
            struct Naive(All);

            fn what(thing: Thing) -> What {
                match thing {
                    Thing::One => $one,
                    Thing::Another => $another,
                    Thing::Impossible => $impossible,
                }
            }

            impl Model for Naive {
                type Noun = $state;
                type Act = Act;

                fn act() -> BoxedStrategy<Act> {
                    any_act()
                }

                fn tell(&mut self, act: &Act) -> Answer {
                    tell(&mut self.0, *act)
                }

                fn command(act: &Act) -> Command {
                    match *act {
                        Act::Request(id, thing, region) => {
                            Command::Request(Declared { id: binding_id(id), region, ..declared(what(thing)) })
                        }
                        Act::Verify(id, by) => {
                            let (proof, credential): (Proof, Option<Credential>) =
                                (Proof { by, ..proof() }, credential(1));
                            Command::Verify { binding: binding_id(id), proof, credential }
                        }
                        Act::Fail(id, by) => {
                            Command::Fail { binding: binding_id(id), unproven: Unproven { by, ..unproven() } }
                        }
                        Act::Disable(id) => Command::Disable { binding: binding_id(id), reason: because("moved") },
                    }
                }

                fn seen(noun: &$state) -> Self {
                    let id =
                        |bound: &crate::binding::Bound<What>| bound.declared.id.0.as_u128() - binding_id(0).0.as_u128();
                    let one = |bound: &crate::binding::Bound<What>| One {
                        thing: if bound.declared.what == what(Thing::One) { Thing::One } else { Thing::Another },
                        region: bound.declared.region,
                        state: bound.state,
                        proven: bound.proof.as_ref().map(|proof| proof.by),
                        unproven: bound.unproven.as_ref().map(|unproven| unproven.by),
                    };
                    Self(noun.bindings.values().map(|bound| (id(bound), one(bound))).collect())
                }
            }

            /// The trap of the noun: what is declared counts.
            fn counts_what_is_declared(noun: &mut $state, event: &Event) {
                noun.apply(event);
                if let Event::Requested(declared) = event
                    && let Some(bound) = noun.bindings.get_mut(&declared.id)
                {
                    bound.state = State::Verified;
                }
            }

            fn goes_on_counting_what_failed(noun: &mut $state, event: &Event) {
                if !matches!(event, Event::Failed { .. }) {
                    noun.apply(event);
                }
            }

            /// One in each region is one too many.
            fn forgets_the_region(noun: &$state, command: Command) -> Result<Vec<Event>, Rejection> {
                match command {
                    Command::Request(declared) if !noun.bindings.contains_key(&declared.id) => {
                        let mut other = noun.clone();
                        other.bindings.values_mut().for_each(|bound| bound.declared.region = declared.region);
                        other.decide(Command::Request(declared))
                    }
                    command => noun.decide(command),
                }
            }

            fn brings_back_what_has_ended(noun: &$state, command: Command) -> Result<Vec<Event>, Rejection> {
                blind(noun, command, |n| {
                    for bound in n.bindings.values_mut().filter(|bound| bound.state == State::Disabled) {
                        bound.state = State::Failed;
                    }
                })
            }

            #[test]
            fn random_commands_find_the_bindings_as_the_model_says_and_every_sin_is_caught() {
                holds::<Naive>(&[
                    ("CountsWhatIsDeclared", Ways::applying(counts_what_is_declared)),
                    ("GoesOnCountingWhatFailed", Ways::applying(goes_on_counting_what_failed)),
                    ("ForgetsTheRegion", Ways::deciding(forgets_the_region)),
                    ("BringsBackWhatHasEnded", Ways::deciding(brings_back_what_has_ended)),
                ]);
            }
        }
    };
}

model!(
    provider_binding,
    ProviderBindings,
    What { resource: crate::provider::Resource::Database, vendor: crate::provider::Vendor::Postgres },
    What { resource: crate::provider::Resource::Email, vendor: crate::provider::Vendor::Http },
    What { resource: crate::provider::Resource::Database, vendor: crate::provider::Vendor::Http }
);
model!(
    runtime_service_binding,
    RuntimeServices,
    What { service: crate::runtime_service::Service::Cache, backend: crate::runtime_service::Backend::Redis },
    What { service: crate::runtime_service::Service::Queue, backend: crate::runtime_service::Backend::Postgres },
    What { service: crate::runtime_service::Service::Broadcast, backend: crate::runtime_service::Backend::Postgres }
);

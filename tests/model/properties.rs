//! The properties by name: what never happens, and what must be able to happen, so that a model in which nothing happens
//! proves nothing. Read by the checker.

use crate::{
    laws::Law,
    platform::Platform,
    state::{Mark, State},
};
use stateright::Property;

/// Nine laws and eight things that can happen.
pub(crate) fn all() -> Vec<Property<Platform>> {
    vec![
        Property::always(name(Law::Epoch), |_, state: &State| !state.broken.has(Law::Epoch)),
        Property::always(name(Law::Asked), |_, state: &State| !state.broken.has(Law::Asked)),
        Property::always(name(Law::Ready), |_, state: &State| !state.broken.has(Law::Ready)),
        Property::always(name(Law::Held), |_, state: &State| !state.broken.has(Law::Held)),
        Property::always(name(Law::Database), |_, state: &State| !state.broken.has(Law::Database)),
        Property::always(name(Law::Late), |_, state: &State| !state.broken.has(Law::Late)),
        Property::always(name(Law::Edge), |_, state: &State| !state.broken.has(Law::Edge)),
        Property::always(name(Law::Winner), |_, state: &State| !state.broken.has(Law::Winner)),
        Property::always(name(Law::Proven), |_, state: &State| !state.broken.has(Law::Proven)),
        Property::sometimes("a promotion is healthy", |_, state: &State| state.marks.has(Mark::Healthy)),
        Property::sometimes("a rollback is done", |_, state: &State| state.marks.has(Mark::RolledBack)),
        Property::sometimes("a late report is recorded", |_, state: &State| state.marks.has(Mark::Late)),
        Property::sometimes("an operation is superseded", |_, state: &State| state.marks.has(Mark::Superseded)),
        Property::sometimes("an operation is adopted and ends well", |_, state: &State| state.marks.has(Mark::Adopted)),
        Property::sometimes("an operation comes too late for its epoch", |_, state: &State| {
            state.marks.has(Mark::StaleEpoch)
        }),
        Property::sometimes("a migration closes the way back", |_, state: &State| {
            state.marks.has(Mark::BehindMigration)
        }),
        Property::sometimes("an append finds that something moved", |_, state: &State| state.marks.has(Mark::Conflict)),
    ]
}

/// A law as it is told.
pub(crate) fn name(law: Law) -> &'static str {
    match law {
        Law::Epoch => "an epoch rises by one with each change of owner",
        Law::Asked => "the owner is changed only by the promotion or rollback that was asked for on this epoch",
        Law::Ready => "a new owner has an allocation of this environment that is ready with exactly its bytes",
        Law::Held => "no promotion passes a freeze or a pin",
        Law::Database => "no rollback goes back behind a destructive migration",
        Law::Late => "a late report changes nothing but what is on record of it",
        Law::Edge => "an edge never takes over a lower epoch and revision",
        Law::Winner => "at most one operation wins an epoch",
        Law::Proven => "a good end means that every edge serves the new owner",
    }
}

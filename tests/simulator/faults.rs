//! What went wrong where: for every stage of every kind of operation, how often a worker was lost there, an append came twice,
//! late or out of order, did not happen or was never answered, and a report came too late. The trap avoided: a fault that never
//! struck at a stage; what cannot strike is a row with its reason, and everything else must have struck in some life.

use crate::sins::Sinful;
use rhone_domain::{
    numbers::Version,
    operation::{Kind, Operation, Stage, machine},
};
use rhone_eventstore::Loaded;
use std::collections::BTreeMap;

/// What goes wrong with a worker's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The worker was lost between two steps.
    Crash,
    /// The same step was appended again.
    Duplicate,
    /// It was appended at another time than it was decided at.
    Delay,
    /// Somebody else had moved the operation on meanwhile.
    Reorder,
    /// The log took nothing.
    Outage,
    /// The log took it, and nobody was told.
    Unheard,
    /// Its worker had lost the lease: what it wanted to say is on record, and changed nothing.
    LateReport,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] =
        [Self::Crash, Self::Duplicate, Self::Delay, Self::Reorder, Self::Outage, Self::Unheard, Self::LateReport];
}

/// Where an operation stood when a worker decided its next step, and when that was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) kind: Kind,
    pub(crate) stage: Stage,
    pub(crate) version: Version,
    pub(crate) seconds: i64,
}

impl Moment {
    /// Of an operation as it was read; none before it was asked for.
    pub(crate) fn of(operation: &Loaded<Sinful<Operation>>, seconds: i64) -> Option<Self> {
        let state = &operation.state.0;
        let kind = state.requested.as_ref()?.kind();
        Some(Self { kind, stage: state.stage?, version: operation.version, seconds })
    }
}

/// How often what went wrong where.
pub(crate) type Faults = BTreeMap<(Kind, Stage, Fault), usize>;

/// Why a fault cannot strike at a stage; none where it can.
fn never(kind: Kind, stage: Stage) -> Option<&'static str> {
    match kind {
        Kind::Promotion | Kind::Rollback | Kind::RegionFailover => (stage == Stage::RouteCas)
            .then_some("no operation stands there: it is entered and left in the append that changes the route"),
        Kind::Deploy
        | Kind::Scale
        | Kind::Drain
        | Kind::HostDrain
        | Kind::RegionEnablement
        | Kind::Migration
        | Kind::ProviderBinding
        | Kind::RuntimeServiceBinding
        | Kind::Wake
        | Kind::Sleep => None,
    }
}

/// Prints the table of all lives, and says where what never struck.
pub(crate) fn missing<'a>(lives: impl Iterator<Item = &'a Faults>) -> Vec<String> {
    let mut all = Faults::new();
    for (at, often) in lives.flatten() {
        *all.entry(*at).or_default() += often;
    }
    let mut missing = Vec::new();
    println!("{:>40}: {:?}", "how often at each stage", Fault::ALL);
    for kind in Kind::ALL.iter().copied() {
        for stage in machine(kind).stages().into_iter().filter(|stage| !stage.is_final()) {
            let counts = Fault::ALL.map(|fault| all.get(&(kind, stage, fault)).copied().unwrap_or_default());
            let place = format!("{kind} at {stage}");
            match never(kind, stage) {
                Some(why) if counts.iter().all(|often| *often == 0) => println!("{place:>40}: {why}"),
                Some(why) => missing.push(format!("{place}: {counts:?}, and yet {why}")),
                None => {
                    println!("{place:>40}: {counts:?}");
                    let unseen = Fault::ALL.iter().zip(counts).filter(|(_, often)| *often == 0);
                    missing.extend(unseen.map(|(fault, _)| format!("{place}: {fault:?} never struck")));
                }
            }
        }
    }
    missing
}

//! The state of the model: small, without anything that decides nothing, and the same for worlds that differ in names only.
//! Writer: the shell. A page stands for a real aggregate in the books. The trap: a version number, which makes every life
//! another state; a decision remembers whether what it asserts has moved since, which is all that a version is asked for.

use crate::{
    book::{NONE, Page},
    laws::{Broken, Told},
};
use rhone_domain::operation::Kind;

/// Production and a preview.
pub(crate) const LANES: usize = 2;
/// Releases of the one app; their bytes differ.
pub(crate) const DEPLOYMENTS: usize = 3;
/// Operations of one environment that are open at once.
pub(crate) const SLOTS: usize = 2;
/// Allocations of one deployment in one environment.
pub(crate) const PLACES: usize = 2;
/// Workers.
pub(crate) const WORKERS: usize = 2;
/// Edges.
pub(crate) const EDGES: usize = 2;

/// The whole world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) lanes: [Lane; LANES],
    pub(crate) tasks: [Task; WORKERS],
    /// What each edge serves, by environment.
    pub(crate) served: [[Page; LANES]; EDGES],
    /// What the last step was, should anybody ask whether it can happen.
    pub(crate) marks: Marks,
    /// The laws that the last step broke.
    pub(crate) broken: Broken,
}

/// One environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) route: Page,
    pub(crate) migrations: Page,
    pub(crate) allocations: [[Page; PLACES]; DEPLOYMENTS],
    pub(crate) works: [Work; SLOTS],
    pub(crate) used: Used,
    pub(crate) told: Told,
}

/// How much of what the bounds allow has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Used {
    pub(crate) requests: u8,
    pub(crate) freezes: u8,
    pub(crate) migrations: u8,
    pub(crate) failures: u8,
    pub(crate) come_up: u8,
    pub(crate) deadlines: u8,
}

/// An operation, as long as anybody works on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Work {
    /// Its page; none: the slot is free.
    pub(crate) operation: Page,
    pub(crate) deployment: u8,
    /// The lease given out last.
    pub(crate) fence: u8,
    pub(crate) clock: Clock,
    pub(crate) course: Course,
}

/// Whether an operation's deadline has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Clock {
    #[default]
    InTime,
    Overdue,
}

/// Whether an operation has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Course {
    #[default]
    Open,
    Ended,
}

/// What a worker is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Task {
    Idle,
    On(Held),
}

/// An operation in a worker's hands, under a lease that it holds or believes to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Held {
    pub(crate) lane: u8,
    pub(crate) slot: u8,
    pub(crate) fence: u8,
    pub(crate) decided: Option<Decided>,
}

/// A step on its way to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Decided {
    /// The page of the move.
    pub(crate) step: Page,
    /// The route as it was read.
    pub(crate) route: Page,
    pub(crate) read: Read,
}

/// Whether anything that the append asserts has moved since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Read {
    Current,
    Moved,
}

/// What must be able to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    Healthy,
    RolledBack,
    Late,
    Superseded,
    Adopted,
    StaleEpoch,
    BehindMigration,
    Conflict,
}

/// Several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Marks(u8);

impl Marks {
    pub(crate) fn set(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u8;
    }

    pub(crate) fn has(self, mark: Mark) -> bool {
        self.0 & (1 << mark as u8) != 0
    }
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Somebody asks for a change of owner, on the epoch that is now.
    Ask {
        lane: usize,
        kind: Kind,
        deployment: usize,
    },
    /// An idle worker gets the lease: the first, or the next after its holder was lost.
    Claim {
        lane: usize,
        slot: usize,
    },
    /// A worker reads and decides.
    Decide {
        worker: usize,
    },
    /// It appends what it decided.
    Append {
        worker: usize,
    },
    /// A worker learns that its lease went to another.
    Notice {
        worker: usize,
    },
    /// An operation's deadline passes.
    Pass {
        lane: usize,
        slot: usize,
    },
    Freeze {
        lane: usize,
    },
    Unfreeze {
        lane: usize,
    },
    ReleasePin {
        lane: usize,
    },
    /// Somebody records a destructive migration.
    Migrate {
        lane: usize,
    },
    /// A planned allocation answers.
    Ready {
        lane: usize,
        deployment: usize,
        place: usize,
    },
    /// An allocation will not run, or no longer.
    Fail {
        lane: usize,
        deployment: usize,
        place: usize,
    },
    /// An allocation comes up that none of these operations has planned.
    ComeUp {
        lane: usize,
        deployment: usize,
    },
    /// An edge hears of a route: the newest, or what an edge holds already, which may be older.
    Hear {
        edge: usize,
        lane: usize,
        from: Source,
    },
}

/// From where an entry of the feed reaches an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Newest,
    HeldBy(usize),
}

impl Lane {
    /// The slot of the next request.
    pub(crate) fn free_slot(&self) -> Option<usize> {
        self.works.iter().position(|work| work.operation == NONE)
    }
}

impl State {
    /// The operation that a worker is at.
    pub(crate) fn work(&self, held: Held) -> Work {
        self.lanes[usize::from(held.lane)].works[usize::from(held.slot)]
    }

    /// The same for worlds that differ only in which worker and which edge it was.
    pub(crate) fn sort(&mut self) {
        self.tasks.sort_unstable();
        self.served.sort_unstable();
        for lane in &mut self.lanes {
            lane.allocations.iter_mut().for_each(|places| places.sort_unstable_by(|one, other| other.cmp(one)));
        }
    }
}

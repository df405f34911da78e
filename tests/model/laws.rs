//! The laws, told once more from what happened: a naive reader that knows no aggregate, one for each environment. Writer: the
//! shell, which reads every event to it. The trap: laws that ask the rules whether the rules were kept.

use rhone_domain::{
    aggregate::fold,
    ids::DeploymentId,
    operation::{Kind, Operation},
    route_owner::Event,
};
use rhone_tests::rules::{bytes, change_of, deployment, environment};

/// What must never stop being true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    Epoch,
    Asked,
    Ready,
    Held,
    Database,
    Late,
    Edge,
    Winner,
    Proven,
}

/// Laws that were broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Broken(u16);

impl Broken {
    pub(crate) fn any(self) -> bool {
        self.0 != 0
    }

    /// Notes what another look has found.
    pub(crate) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn has(self, law: Law) -> bool {
        self.0 & (1 << law as u16) != 0
    }

    /// Notes a law that does not hold.
    pub(crate) fn unless(&mut self, holds: bool, law: Law) {
        if !holds {
            self.0 |= 1 << law as u16;
        }
    }
}

/// What the events of an environment's route have said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    epoch: u8,
    owner: Option<u8>,
    hold: Hold,
    pin: Hold,
    /// When each deployment took the traffic last; 0: never.
    taken: [u8; 3],
    /// The epochs that an operation has won, one bit each.
    won: u32,
    /// At which epoch a destructive migration was recorded last.
    destroyed: Option<u8>,
}

/// Whether anything holds promotions back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Hold {
    #[default]
    Off,
    On,
}

/// On whose behalf a route changes, and what stands ready for it.
pub(crate) struct Beside<'a> {
    /// The operation whose append it is; none for a freeze and the like.
    pub(crate) operation: Option<&'a Operation>,
    /// Whether an allocation of this deployment answers in this environment with these bytes.
    pub(crate) ready: &'a dyn Fn(usize) -> bool,
}

impl Told {
    pub(crate) fn epoch(self) -> u8 {
        self.epoch
    }

    /// A destructive migration is on record.
    pub(crate) fn migrated(&mut self) {
        self.destroyed = Some(self.epoch);
    }

    /// Reads one event of the route of this environment.
    pub(crate) fn read(&mut self, lane: usize, event: &Event, beside: &Beside<'_>) -> Broken {
        let mut broken = Broken::default();
        match event {
            Event::Promoted { epoch, owner, .. } | Event::RolledBack { epoch, owner, .. } => {
                let kind = if matches!(event, Event::Promoted { .. }) { Kind::Promotion } else { Kind::Rollback };
                let to = index(owner.deployment);
                broken.unless(owner.artifact == bytes(to) && (beside.ready)(to), Law::Ready);
                let asked = asked_for(lane, beside.operation) == Some((kind, to, epoch.0));
                broken.unless(asked, Law::Asked);
                self.changed(kind, to, u8::try_from(epoch.0).expect("few epochs"), &mut broken);
            }
            Event::Pinned(_) => self.pin = Hold::On,
            Event::PinReleased { .. } => self.pin = Hold::Off,
            Event::Frozen { .. } => self.hold = Hold::On,
            Event::Unfrozen { .. } => self.hold = Hold::Off,
            _ => {}
        }
        broken
    }

    fn changed(&mut self, kind: Kind, to: usize, epoch: u8, broken: &mut Broken) {
        broken.unless(epoch == self.epoch + 1, Law::Epoch);
        broken.unless(self.won & (1 << epoch) == 0, Law::Winner);
        match kind {
            Kind::Rollback => {
                let behind = self.destroyed.is_some_and(|destroyed| destroyed >= self.taken[to]);
                broken.unless(!behind, Law::Database);
            }
            _ => broken.unless((self.hold, self.pin) == (Hold::Off, Hold::Off), Law::Held),
        }
        self.epoch = epoch;
        self.owner = u8::try_from(to).ok();
        self.taken[to] = epoch;
        self.won |= 1 << epoch;
    }
}

/// What an operation was asked for: its kind, to whom, and the epoch it would give the route, if it is about this one.
fn asked_for(lane: usize, operation: Option<&Operation>) -> Option<(Kind, usize, u64)> {
    let operation = operation?;
    let (of, to, expected) = change_of(operation)?;
    let kind = operation.requested.as_ref()?.kind();
    (of == environment(lane)).then(|| (kind, index(to), expected.0 + 1))
}

/// Whether two operations differ in nothing but the late reports on record.
pub(crate) fn same_but_for_reports(one: &Operation, other: &Operation) -> bool {
    let without = |operation: &Operation| Operation { late: fold::<Operation>(&[]).late, ..operation.clone() };
    without(one) == without(other)
}

/// Which of the deployments.
pub(crate) fn index(of: DeploymentId) -> usize {
    (0..3).find(|n| deployment(*n) == of).expect("one of three")
}

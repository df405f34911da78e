//! The machines of all operations, as data: where each kind begins, every transition it may take, and until when it may end
//! early. A transition that is not in the table is refused. Failed and cancelled have events of their own and may follow
//! wherever the operation has not ended. Trap: a stage that can be skipped, or entered twice.

use super::{Kind, Stage};
use crate::actor::Writer;

/// What one kind of operation goes through.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Which kind.
    pub kind: Kind,
    /// Its first stage.
    pub begins: Stage,
    /// Every transition it may take, each from and to.
    pub steps: &'static [(Stage, Stage)],
    /// The stages in which it may still be cancelled.
    pub cancellable: &'static [Stage],
    /// In which capacity its steps are written.
    pub writer: Writer,
}

use Stage::{
    Binding, BindingServices, Blocked, Building, Cloning, Cold, Cordoned, Draining, EdgePropagating, Eligible,
    Evacuating, Healthy, Hot, Migrating, PolicyCheck, Postcheck, PreviewReady, Provisioning, Queued, ReadinessWait,
    ReplacementReady, ReplicatingArtifacts, Requested, RolledBack, RouteCas, Scaling, Sleeping, Starting, Uncordoned,
    Upgrading, Validating, Verified, WakeRequested,
};

const BINDING: &[(Stage, Stage)] = &[(Requested, PolicyCheck), (PolicyCheck, Binding), (Binding, Verified)];

/// Every machine.
pub const MACHINES: &[Machine] = &[
    Machine {
        kind: Kind::Promotion,
        begins: Requested,
        steps: &[
            (Requested, PolicyCheck),
            (PolicyCheck, RouteCas),
            (RouteCas, EdgePropagating),
            (EdgePropagating, Healthy),
        ],
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Promotion,
    },
    Machine {
        kind: Kind::Rollback,
        begins: Requested,
        steps: &[
            (Requested, PolicyCheck),
            (PolicyCheck, RouteCas),
            (RouteCas, EdgePropagating),
            (EdgePropagating, RolledBack),
        ],
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Rollback,
    },
    Machine {
        kind: Kind::Deploy,
        begins: Queued,
        steps: &[
            (Queued, Cloning),
            (Cloning, Building),
            (Building, Validating),
            (Validating, PreviewReady),
            (Validating, Blocked),
        ],
        cancellable: &[Queued, Cloning, Building, Validating],
        writer: Writer::Pipeline,
    },
    Machine {
        kind: Kind::Scale,
        begins: Requested,
        steps: &[(Requested, PolicyCheck), (PolicyCheck, Scaling), (Scaling, Verified)],
        cancellable: &[Requested, PolicyCheck, Scaling],
        writer: Writer::Scheduler,
    },
    Machine {
        kind: Kind::Drain,
        begins: Requested,
        steps: &[(Requested, PolicyCheck), (PolicyCheck, Draining), (Draining, Verified)],
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Scheduler,
    },
    Machine {
        kind: Kind::HostDrain,
        begins: Requested,
        steps: &[
            (Requested, Cordoned),
            (Cordoned, Evacuating),
            (Evacuating, ReplacementReady),
            (ReplacementReady, Upgrading),
            (Upgrading, Postcheck),
            (Postcheck, Uncordoned),
        ],
        cancellable: &[Requested, Cordoned],
        writer: Writer::Platform,
    },
    Machine {
        kind: Kind::RegionEnablement,
        begins: Requested,
        steps: &[
            (Requested, Provisioning),
            (Provisioning, BindingServices),
            (BindingServices, ReplicatingArtifacts),
            (ReplicatingArtifacts, Eligible),
        ],
        cancellable: &[Requested, Provisioning, BindingServices, ReplicatingArtifacts],
        writer: Writer::Platform,
    },
    Machine {
        kind: Kind::RegionFailover,
        begins: Requested,
        steps: &[
            (Requested, PolicyCheck),
            (PolicyCheck, RouteCas),
            (RouteCas, EdgePropagating),
            (EdgePropagating, Healthy),
        ],
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Promotion,
    },
    Machine {
        kind: Kind::Migration,
        begins: Requested,
        steps: &[(Requested, PolicyCheck), (PolicyCheck, Migrating), (Migrating, Verified)],
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Pipeline,
    },
    Machine {
        kind: Kind::ProviderBinding,
        begins: Requested,
        steps: BINDING,
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Provider,
    },
    Machine {
        kind: Kind::RuntimeServiceBinding,
        begins: Requested,
        steps: BINDING,
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Provider,
    },
    Machine {
        kind: Kind::Wake,
        begins: WakeRequested,
        steps: &[(WakeRequested, Starting), (Starting, ReadinessWait), (ReadinessWait, Hot)],
        cancellable: &[WakeRequested, Starting],
        writer: Writer::Scheduler,
    },
    Machine {
        kind: Kind::Sleep,
        begins: Requested,
        steps: &[(Requested, PolicyCheck), (PolicyCheck, Sleeping), (Sleeping, Cold)],
        cancellable: &[Requested, PolicyCheck],
        writer: Writer::Scheduler,
    },
];

/// The machine of this kind.
pub fn machine(kind: Kind) -> &'static Machine {
    MACHINES.iter().find(|machine| machine.kind == kind).expect("a test holds that every kind has its machine")
}

impl Machine {
    /// Whether `to` may follow `from`.
    pub fn allows(&self, from: Stage, to: Stage) -> bool {
        self.steps.contains(&(from, to))
    }

    /// Whether it may be cancelled while it stands there.
    pub fn may_cancel(&self, at: Stage) -> bool {
        self.cancellable.contains(&at)
    }

    /// Every stage it can stand at, besides failed and cancelled, in order.
    pub fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![self.begins];
        for (_, to) in self.steps {
            if !stages.contains(to) {
                stages.push(*to);
            }
        }
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_machine() {
        for kind in Kind::ALL {
            assert_eq!(MACHINES.iter().filter(|machine| machine.kind == *kind).count(), 1, "{kind}");
        }
    }

    #[test]
    fn every_machine_leads_from_its_beginning_to_a_definite_end_and_nowhere_else() {
        for machine in MACHINES {
            for stage in machine.stages() {
                let onward = machine.steps.iter().filter(|(from, _)| *from == stage).count();
                assert_eq!(onward == 0, stage.is_final(), "{} at {stage}", machine.kind);
                assert!(!machine.may_cancel(stage) || !stage.is_final(), "{} at {stage}", machine.kind);
                assert!(machine.begins == stage || machine.steps.iter().any(|(_, to)| *to == stage));
            }
        }
    }

    #[test]
    fn no_operation_is_cancelled_once_its_route_has_changed() {
        for machine in MACHINES {
            assert!(machine.cancellable.iter().all(|stage| !stage.is_past_route_change()), "{}", machine.kind);
        }
    }
}

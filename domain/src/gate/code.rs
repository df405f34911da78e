//! The codes with which gates close: one closed list, for whoever must tell a closed gate from something that broke. Trap: a
//! second list elsewhere that a new gate is missing from; a gate's own refusal takes its code from here and nowhere else.

/// The enumeration, its list and its texts, from one table.
macro_rules! codes {
    ($($(#[$meaning:meta])* $code:ident = $text:literal,)+) => {
        /// Why a gate is closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$meaning])* $code,)+ }

        impl Code {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// As callers read it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)+ }
            }
        }
    };
}

codes! {
    /// Not exactly these bytes were validated.
    NotValidated = "NOT_VALIDATED",
    /// A file that is generated is not what was generated.
    GeneratedStale = "GENERATED_STALE",
    /// Somebody has to take it upon themselves.
    NeedsAcknowledgement = "NEEDS_ACKNOWLEDGEMENT",
    /// A declared migration has not run.
    MigrationPending = "MIGRATION_PENDING",
    /// Something else ran under a migration's name.
    MigrationMismatch = "MIGRATION_MISMATCH",
    /// The database does not go back.
    DatabaseBlocksRollback = "DATABASE_BLOCKS_ROLLBACK",
    /// An outside resource is not proven.
    ProviderMissing = "PROVIDER_MISSING",
    /// A runtime service is not proven.
    RuntimeServiceMissing = "RUNTIME_SERVICE_MISSING",
    /// What serves shares a runtime service, and would lose it.
    RuntimeServiceNeeded = "RUNTIME_SERVICE_NEEDED",
    /// A required variable is not set.
    VariablesMissing = "VARIABLES_MISSING",
    /// Too few others approved.
    ApprovalMissing = "APPROVAL_MISSING",
    /// Too few allocations were ready when the time was over.
    AllocationNotReady = "ALLOCATION_NOT_READY",
    /// Sessions would get something else than was said.
    SessionFateDiffers = "SESSION_FATE_DIFFERS",
    /// What it is about is not there.
    NotFound = "NOT_FOUND",
    /// The cell belongs to another region.
    CellElsewhere = "CELL_ELSEWHERE",
    /// Nobody owns the traffic.
    NoOwner = "NO_OWNER",
    /// Nobody said where the data is.
    DataTopologyUndeclared = "DATA_TOPOLOGY_UNDECLARED",
    /// The data is said not to be there.
    DataNotReplicated = "DATA_NOT_REPLICATED",
    /// What was to be drained has ended.
    NothingToDrain = "NOTHING_TO_DRAIN",
    /// Too few would be left.
    ReplacementNotReady = "REPLACEMENT_NOT_READY",
    /// No such migration is declared.
    MigrationNotDeclared = "MIGRATION_NOT_DECLARED",
    /// It is used.
    InUse = "IN_USE",
    /// Another operation has not ended.
    OperationRunning = "OPERATION_RUNNING",
    // What a noun words, and its gate passes on.
    /// The route has changed.
    StaleEpoch = "STALE_EPOCH",
    /// Promotions are frozen.
    Frozen = "FROZEN",
    /// A rollback pinned the route.
    Pinned = "PINNED",
    /// These bytes are quarantined.
    Quarantined = "QUARANTINED",
    /// There is nothing to roll back to.
    NeverOwned = "NEVER_OWNED",
    /// It owns the traffic already.
    IsOwner = "IS_OWNER",
    /// There is no traffic to move.
    NothingToMove = "NOTHING_TO_MOVE",
    /// The traffic is there already.
    IsThere = "IS_THERE",
    /// It sleeps.
    Asleep = "ASLEEP",
    /// There is nothing to put to sleep.
    NothingToSleep = "NOTHING_TO_SLEEP",
    /// It may not be in this region.
    ResidencyViolation = "RESIDENCY_VIOLATION",
    /// The region is its home.
    HomeRegion = "HOME_REGION",
    /// The region is enabled already.
    RegionEnabled = "REGION_ENABLED",
    /// The region is not enabled.
    RegionNotEnabled = "REGION_NOT_ENABLED",
    /// Another number is wanted by now.
    StaleReplicas = "STALE_REPLICAS",
    /// Too few hosts are heard.
    NoQuorum = "NO_QUORUM",
    /// The other hosts have no room.
    NoHeadroom = "NO_HEADROOM",
    /// Sessions may live on for too long.
    SessionsPinned = "SESSIONS_PINNED",
    /// What runs is not what was ordered.
    HostDrifted = "HOST_DRIFTED",
}

impl Code {
    /// The gate's code of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    //! The list is whole.
    use super::*;
    use crate::{
        aggregate::Rejection,
        environment::{self, Replicas, Residency},
        host_drain::headroom::Missing,
        ids::AllocationId,
        migrations,
        numbers::{Epoch, SleepGeneration},
        route_owner,
        story::{BLUE, BLUE_BYTES, GREEN_BYTES, LYON, because},
        text::MigrationName,
    };

    /// What the rules say that gates ask: `may_promote`, `may_roll_back`, `may_move`, `may_sleep`.
    fn of_routes() -> Vec<route_owner::Rejection> {
        use route_owner::Rejection as R;
        vec![
            R::NotFound,
            R::StaleEpoch { expected: Epoch(1), actual: Epoch(2) },
            R::Frozen { reason: because("sale") },
            R::Pinned { deployment: BLUE, reason: because("broken") },
            R::Quarantined { digest: GREEN_BYTES, reason: because("broken") },
            R::NeverOwned { deployment: BLUE },
            R::IsOwner { deployment: BLUE },
            R::NothingToMove,
            R::IsThere { region: LYON },
            R::Asleep { generation: SleepGeneration(3) },
            R::NothingToSleep,
        ]
    }

    /// `may_be_in`, `may_enable`, and the number that a scale was decided on.
    fn of_environments() -> Vec<environment::Rejection> {
        use environment::Rejection as R;
        vec![
            R::OutsideResidency { residency: Residency::default(), region: LYON },
            R::Home(LYON),
            R::AlreadyEnabled(LYON),
            R::NotEnabled(LYON),
            R::StaleReplicas { expected: Replicas(2), actual: Replicas(3) },
        ]
    }

    fn of_hosts() -> Vec<Missing> {
        let allocation = AllocationId(uuid::Uuid::from_u128(7));
        vec![
            Missing::Quorum { heard: 1, hosts: 3 },
            Missing::Headroom { needed: 2, free: 1 },
            Missing::Sessions { allocation, open: 4, seconds: 60, left: 30 },
            Missing::Drift { what: "another digest runs".into() },
        ]
    }

    fn passed_on() -> Vec<&'static str> {
        let id = MigrationName::parse("id", "0001_orders").expect("a name");
        let other = migrations::Rejection::OtherBytes { id, expected: BLUE_BYTES, actual: GREEN_BYTES };
        let routes = of_routes().iter().map(Rejection::code).collect::<Vec<_>>();
        let environments = of_environments().iter().map(Rejection::code).collect::<Vec<_>>();
        let hosts = of_hosts().iter().map(Missing::code).collect::<Vec<_>>();
        [routes, environments, hosts, vec![other.code()]].concat()
    }

    #[test]
    fn what_a_noun_says_to_a_gate_is_a_code_of_a_gate() {
        let missing = |known: &[Code]| {
            let known: Vec<_> = known.iter().map(|code| code.as_str()).collect();
            passed_on().into_iter().filter(|code| !known.contains(code)).collect::<Vec<_>>()
        };
        assert_eq!(missing(Code::ALL), Vec::<&str>::new());
        assert_eq!(missing(&[Code::Pinned, Code::Quarantined, Code::NotValidated]).len(), passed_on().len() - 2);
    }

    #[test]
    fn every_code_has_a_name_of_its_own() {
        for code in Code::ALL {
            assert_eq!(Code::named(code.as_str()), Some(*code));
        }
        assert_eq!(Code::named("ALLOCATION_FAILED"), None, "what broke is no gate");
    }
}

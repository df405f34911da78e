//! The codes with which gates close: one closed list, for whoever must tell a closed gate from something that broke. Trap: a
//! second list elsewhere that a new gate is missing from; a gate's own refusal takes its code from here and nowhere else.

/// The enumeration, its list and its texts, from one table: what each means, its name, and what mends it.
macro_rules! codes {
    ($(#[doc = $meaning:literal] $code:ident = $text:literal, mended: $mended:literal;)+) => {
        /// Why a gate is closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $meaning] $code,)+ }

        impl Code {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// As callers read it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)+ }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)+ }.trim()
            }

            /// What has to be done for it to be open.
            pub const fn mended_by(self) -> &'static str {
                match self { $(Self::$code => $mended,)+ }
            }
        }
    };
}

codes! {
    /// Not exactly these bytes were validated.
    NotValidated = "NOT_VALIDATED", mended: "create a deployment of exactly these bytes, and promote that one";
    /// A file that is generated is not what was generated.
    GeneratedStale = "GENERATED_STALE", mended: "generate the files again, commit them and deploy that";
    /// Somebody has to take it upon themselves.
    NeedsAcknowledgement = "NEEDS_ACKNOWLEDGEMENT", mended: "name the gate, with a reason, under `acknowledgements`";
    /// A declared migration has not run.
    MigrationPending = "MIGRATION_PENDING", mended: "run the migration and put it on record: `migrationRecord`";
    /// Something else ran under a migration's name.
    MigrationMismatch = "MIGRATION_MISMATCH", mended: "deploy what declares the bytes that ran, or give the migration a name of its own";
    /// The database does not go back.
    DatabaseBlocksRollback = "DATABASE_BLOCKS_ROLLBACK", mended: "promote what works with the database as it is, or restore the data: `migrationRestore`";
    /// An outside resource is not proven.
    ProviderMissing = "PROVIDER_MISSING", mended: "attach it: `providerBindingCreate`; or prove it again: `providerBindingVerify`";
    /// A runtime service is not proven.
    RuntimeServiceMissing = "RUNTIME_SERVICE_MISSING", mended: "attach it: `runtimeServiceBindingCreate`; or prove it again: `runtimeServiceBindingVerify`";
    /// What serves shares a runtime service, and would lose it.
    RuntimeServiceNeeded = "RUNTIME_SERVICE_NEEDED", mended: "let the environment be served by one allocation first: `environmentScale`";
    /// A required variable is not set.
    VariablesMissing = "VARIABLES_MISSING", mended: "set them: `environmentVariablesSet`";
    /// Too few others approved.
    ApprovalMissing = "APPROVAL_MISSING", mended: "let others approve it: `promotionApprove`";
    /// Too few allocations were ready when the time was over.
    AllocationNotReady = "ALLOCATION_NOT_READY", mended: "see why they did not become ready in their logs, and ask again";
    /// Sessions would get something else than was said.
    SessionFateDiffers = "SESSION_FATE_DIFFERS", mended: "say under `sessions` what they really get";
    /// What it is about is not there.
    NotFound = "NOT_FOUND", mended: "name one that is there";
    /// The cell belongs to another region.
    CellElsewhere = "CELL_ELSEWHERE", mended: "name a cell of that region";
    /// Nobody owns the traffic.
    NoOwner = "NO_OWNER", mended: "promote a deployment first: `deploymentPromote`";
    /// Nobody said where the data is.
    DataTopologyUndeclared = "DATA_TOPOLOGY_UNDECLARED", mended: "say it under `dataTopology`";
    /// The data is said not to be there.
    DataNotReplicated = "DATA_NOT_REPLICATED", mended: "bring the data there, and say how under `dataTopology`";
    /// What was to be drained has ended.
    NothingToDrain = "NOTHING_TO_DRAIN", mended: "nothing is left to be done";
    /// Too few would be left.
    ReplacementNotReady = "REPLACEMENT_NOT_READY", mended: "wait until others are ready; it is judged again";
    /// No such migration is declared.
    MigrationNotDeclared = "MIGRATION_NOT_DECLARED", mended: "declare it under `[[migrations]]` in `rhone.toml`, and deploy that";
    /// It is used.
    InUse = "IN_USE", mended: "wait until its sessions and requests have ended";
    /// Another operation has not ended.
    OperationRunning = "OPERATION_RUNNING", mended: "wait for its end, or cancel it: `operationCancel`";
    // What a noun words, and its gate passes on.
    /// The route has changed.
    StaleEpoch = "STALE_EPOCH", mended: "look at the route again, and decide on the epoch that it has";
    /// Promotions are frozen.
    Frozen = "FROZEN", mended: "let promotions go on: `environmentUnfreeze`";
    /// A rollback pinned the route.
    Pinned = "PINNED", mended: "let go of the pin: `environmentPinRelease`";
    /// These bytes are quarantined.
    Quarantined = "QUARANTINED", mended: "promote other bytes, or let these back in: `environmentQuarantineLift`";
    /// There is nothing to roll back to.
    NeverOwned = "NEVER_OWNED", mended: "promote it: `deploymentPromote`";
    /// It owns the traffic already.
    IsOwner = "IS_OWNER", mended: "nothing is left to be done";
    /// There is no traffic to move.
    NothingToMove = "NOTHING_TO_MOVE", mended: "promote a deployment first: `deploymentPromote`";
    /// The traffic is there already.
    IsThere = "IS_THERE", mended: "nothing is left to be done";
    /// It sleeps.
    Asleep = "ASLEEP", mended: "nothing is left to be done; what wakes it is a request, or `environmentWake`";
    /// There is nothing to put to sleep.
    NothingToSleep = "NOTHING_TO_SLEEP", mended: "promote a deployment first: `deploymentPromote`";
    /// It may not be in this region.
    ResidencyViolation = "RESIDENCY_VIOLATION", mended: "name a region of the residency, or set another one: `environmentResidencySet`";
    /// The region is its home.
    HomeRegion = "HOME_REGION", mended: "name another region";
    /// The region is enabled already.
    RegionEnabled = "REGION_ENABLED", mended: "nothing is left to be done";
    /// The region is not enabled.
    RegionNotEnabled = "REGION_NOT_ENABLED", mended: "enable it: `environmentRegionEnable`";
    /// Another number is wanted by now.
    StaleReplicas = "STALE_REPLICAS", mended: "look at the environment again, and decide on the number that it has";
    /// Too few hosts are heard.
    NoQuorum = "NO_QUORUM", mended: "bring the other hosts of the cell back, and ask again";
    /// The other hosts have no room.
    NoHeadroom = "NO_HEADROOM", mended: "add a host to the cell, or let one hold more: `hostCapacitySet`";
    /// Sessions may live on for too long.
    SessionsPinned = "SESSIONS_PINNED", mended: "wait until they have ended, or give it longer: `timeoutSeconds`";
    /// What runs is not what was ordered.
    HostDrifted = "HOST_DRIFTED", mended: "let its runner report, and run what was ordered; then ask again";
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
    fn every_code_says_in_a_sentence_what_it_means_and_what_mends_it() {
        for code in Code::ALL {
            let (meaning, mended) = (code.meaning(), code.mended_by());
            assert!(meaning.ends_with('.') && !mended.is_empty() && !mended.ends_with('.'), "{}", code.as_str());
        }
    }

    #[test]
    fn every_code_has_a_name_of_its_own() {
        for code in Code::ALL {
            assert_eq!(Code::named(code.as_str()), Some(*code));
        }
        assert_eq!(Code::named("ALLOCATION_FAILED"), None, "what broke is no gate");
    }
}

//! The codes of refusals, as the schema lists them. The rules say theirs as text (`Rejection::code`), for what the log keeps outlives
//! this list; here each has its value, so that a client's compiler knows them. The trap: a rule with a code that is not listed;
//! in a debug build, and so in every test, that ends the process.

use async_graphql::{Enum, resolver_utils::EnumType as _};

/// Why a request was refused. Values are added and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub(crate) enum RefusalCode {
    AllocationNotReady,
    AlreadyBound,
    AlreadyExists,
    ApprovalMissing,
    Asleep,
    BindingDisabled,
    BroadcastIsTruth,
    CellElsewhere,
    DataNotReplicated,
    DataTopologyUndeclared,
    DatabaseBlocksRollback,
    DeploymentFailed,
    /// Not for this caller, whatever a rule would say: the mutation answers with an error of this code.
    Forbidden,
    Frozen,
    GeneratedStale,
    GrantMissing,
    HeldByDrain,
    HeldByHand,
    HomeRegion,
    HostCordoned,
    HostDrifted,
    HostFull,
    HostHeard,
    HostNotAttached,
    HostReserved,
    HostRetired,
    IdempotencyKeyReused,
    InUse,
    Invalid,
    InvalidTransition,
    InvitationGone,
    InvitationTooLong,
    IsOwner,
    IsThere,
    LastOwner,
    MemberExists,
    MigrationImpactMismatch,
    MigrationMismatch,
    MigrationNotDeclared,
    MigrationNotRecorded,
    MigrationPending,
    NameTaken,
    NeedsAcknowledgement,
    NeverOwned,
    NoHeadroom,
    NoHostHeard,
    NoInvitation,
    NoMember,
    NoOwner,
    NoQuorum,
    NoSession,
    NoSupport,
    NoToken,
    NotAsleep,
    NotCordoned,
    NotDraining,
    NotForAMachine,
    NotFound,
    NotFrozen,
    NotHeld,
    NotPinned,
    NotQuarantined,
    NotValidated,
    NotYoursToGive,
    NothingToDrain,
    NothingToMove,
    NothingToSleep,
    OperationEnded,
    OperationRunning,
    PassesRightsOn,
    Pinned,
    ProviderMissing,
    Quarantined,
    ReasonMissing,
    ReferenceMissing,
    RegionEnabled,
    RegionNotEnabled,
    RegionServes,
    ReplacementNotReady,
    ResidencyViolation,
    RouteChanged,
    RuntimeServiceMissing,
    RuntimeServiceNeeded,
    SealedForAnotherSet,
    SessionFateDiffers,
    SessionsPinned,
    SetTooLarge,
    SharedDatabase,
    SourceUnknown,
    StaleEpoch,
    StaleReplicas,
    StaleSet,
    StaleSleep,
    StaleVersion,
    SupportTooLong,
    TokenLifetime,
    TokenNarrowed,
    TokenOutlivesMaker,
    TokenWider,
    TooLate,
    TooManyCredentials,
    TooManyHosts,
    TooManyInvitations,
    TooManyVariables,
    ValueTooLong,
    VariablesMissing,
    WorkspaceWide,
    WrongDigest,
    WrongWriter,
    /// A rule that is younger than this list: see the message.
    Other,
}

impl RefusalCode {
    /// The value of a rule's code.
    pub(crate) fn of(code: &str) -> Self {
        let listed = Self::items().iter().find(|item| item.name == code);
        debug_assert!(listed.is_some(), "the refusal {code} is not listed in {}", file!());
        listed.map_or(Self::Other, |item| item.value)
    }
}

#[cfg(test)]
mod tests {
    //! What a noun can say no with is listed.
    use super::*;
    use rhone_domain::gate;

    #[test]
    fn every_refusal_of_the_catalogue_has_its_value() {
        // How an operation ended is no refusal of what was asked.
        let (refusals, _) =
            include_str!("../../../domain/refusals.md").split_once("\n## Bad ends\n").expect("two parts");
        let rows = refusals.lines().filter_map(|row| row.split('`').nth(1));
        let codes = rows.filter(|code| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
        let mut count = 0;
        for code in codes {
            assert_ne!(RefusalCode::of(code), RefusalCode::Other, "{code}");
            count += 1;
        }
        assert!(count > 80, "only {count} codes were found");
    }

    #[test]
    fn every_code_of_a_gate_has_its_value() {
        for code in gate::Code::ALL {
            assert_ne!(RefusalCode::of(code.as_str()), RefusalCode::Other, "{code:?}");
        }
    }

    #[test]
    #[should_panic(expected = "is not listed")]
    fn a_code_that_is_not_listed_ends_a_test() {
        let _ = RefusalCode::of("NO_SUCH_RULE");
    }
}

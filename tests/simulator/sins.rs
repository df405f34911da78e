//! The planted bugs: nouns, process manager, log, edge and projection as they are, and with one named sin each. The real
//! dispatcher runs them; no line of the programs knows of it.

use rhone_domain::{
    actor::Writer,
    aggregate::{Aggregate, Rejection as _},
    allocation::{self, Allocation},
    artifact::Artifact,
    backend::{self, Backend},
    cell::Cell as Place,
    deployment::Deployment,
    envelope::StreamId,
    environment::{self, Environment},
    host::Host,
    migrations::Migrations,
    operation::{self, Operation, Stage},
    provider_binding::ProviderBindings,
    region::Region,
    route_owner::{self, Pin, RouteOwner},
    runtime_service_binding::RuntimeServices,
};
use rhone_eventstore::{Inline, NewEvent};
use rhone_projections::inline::AuthorityRows;
use rhone_tests::rules::{because, bytes};
use serde_json::Value;
use std::{any::Any, cell::Cell};

macro_rules! sins {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What may be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sin { $($(#[$doc])* $name,)* }

        impl Sin {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

sins! {
    /// Any epoch will do.
    NoCompareAndSwap,
    /// A pin stops nobody.
    PinIgnored,
    /// A freeze stops nobody.
    FreezeIgnored,
    /// Quarantined bytes come back.
    QuarantineIgnored,
    /// A new owner under the old epoch.
    EpochNotRaised,
    /// A rollback holds nothing in place.
    RollbackWithoutPin,
    /// A rollback leaves the broken bytes welcome.
    RollbackWithoutQuarantine,
    /// A rollback to what never owned the traffic.
    RollbackToStranger,
    /// A late report ends an operation well.
    LateReportBelieved,
    /// An operation is cancelled after the route has changed.
    CancelledTooLate,
    /// Healthy without an edge that served it.
    HealthyWithoutProof,
    /// Deadlines never pass.
    DeadlineIgnored,
    /// Bytes that nobody validated are promoted.
    UnvalidatedPromoted,
    /// A preview's allocation counts for production.
    PreviewAllocationCounts,
    /// An allocation counts that runs with other variables.
    SetIgnored,
    /// An allocation that does not answer yet counts.
    UnreadyAllocationCounts,
    /// A runner may run other bytes than ordered.
    OtherBytesRun,
    /// A worker that lost its lease goes on writing.
    FenceIgnored,
    /// What was judged but not written may have changed.
    AssertionsIgnored,
    /// A request that is sent twice happens twice.
    KeyIgnored,
    /// The route changes, and its operation does not hear of it.
    HalfAppend,
    /// The feed loses every third entry.
    FeedEntryLost,
    /// An edge takes whatever arrives last.
    EdgeTakesOlder,
    /// An edge takes the bus for a database: what comes after a gap is applied as if nothing were missing.
    GapIgnored,
    /// An edge that was away begins where the feed is now, as if it had never been away.
    AssumedOnline,
    /// An edge routes to whatever is healthy.
    EdgeFollowsHealth,
    /// The scheduler drains the owner's allocation.
    SchedulerLeads,
    /// A projection moves its checkpoint before its rows.
    CheckpointFirst,
    /// A builder that lost its lease hands in what it built all the same.
    LateBuildTaken,
    /// A build that was cancelled or overdue goes on when its report comes at last.
    BuildAfterItsEnd,
    /// The promotion of a release is asked for in an append of its own.
    PromotionAskedApart,
    /// Every worker counts its own deploys only.
    DeploysCountedByEach,
    /// Whoever adopts an operation goes on under the fence of whoever was lost.
    AdoptedUnderOneFence,
    /// A deploy asks no gate before its promotion.
    DeployAsksNoGate,
    /// The release is on record before its deploy says that it was built.
    ReleaseBeforeItsStage,
    /// No gate is told what the artifact needs.
    NeedIgnored,
    /// A binding counts from the moment it is asked for.
    DeclaredCounts,
    /// A worker that lost its lease takes its probe for proof all the same.
    LateProbeTaken,
    /// What answers a probe is taken for the answer to another one.
    AnswerOfAnotherProbe,
    /// A probe proves whatever credential the binding has when it comes back.
    ProofOfAnotherCredential,
    /// Another resource may answer than the one that was bound.
    AnotherResourceTaken,
    /// Nobody looks at who else uses a database.
    SharedByAccident,
    /// An operation on a binding ends well, and nothing is proven.
    EndsWithoutProof,
    /// A probe fails, and its binding does not hear of it.
    FailedProbeForgotten,
    /// A cordon keeps nobody away.
    CordonIgnored,
    /// A host that is full takes one more.
    CapacityIgnored,
    /// An allocation that is on its way counts for the number that is wanted.
    ScaledOnPaper,
    /// A scale ends badly and gives nothing back.
    NumberKept,
    /// Several allocations need nothing that they share.
    ScaleNeedsNothing,
    /// Any number will do to scale from.
    ScaleOnAnyNumber,
    /// The owner's allocations are drained without others that are ready.
    DrainedToNothing,
    /// A drain ends well while what it told still runs.
    DrainEndsAtOnce,
    /// An environment sleeps, and its route does not.
    SleepsInNameOnly,
    /// Whoever sleeps owns nothing any more.
    SleepForgetsOwner,
    /// What somebody still uses goes to sleep.
    BusyIgnored,
    /// Everybody who comes to a sleeping route asks for a wake of their own.
    WakeStampede,
    /// A route serves before anything of it answers.
    WokenTooEarly,
    /// A wake ends well, and names nothing that answered.
    WakeNamesNobody,
    /// A wake comes to nothing, and nobody may ask again.
    FailedWakeForgotten,
    /// A migration ended well, and is not on record.
    MigrationNotRecorded,
    /// No change of owner looks at the database.
    DatabaseForgotten,
    /// Whoever put a migration on record has acknowledged every promotion that counts on it.
    RecordAcknowledges,
    /// What has not run yet is acknowledged, and nobody refuses that.
    AcknowledgedInAdvance,
    /// A region needs nothing to be fit.
    RegionNeedsNothing,
    /// A region is fit as soon as its proof was ordered.
    RegionEnabledUnproven,
    /// A proof goes on running when its operation has ended badly.
    ProofLeft,
    /// An edge goes on serving what another region serves.
    FormerRegionServes,
    /// A failover is healthy before the former region has given it up.
    FormerEdgesForgotten,
    /// What runs in the former region counts for the new one.
    FormerPlaceCounts,
    /// A drain that refused leaves its cordon.
    CordonLeft,
    /// A replacement counts from the moment it is ordered.
    EvacuatedOnPaper,
    /// A host has as much room as a drain needs.
    RoomInvented,
}

thread_local! {
    static COMMITTED: Cell<Option<Sin>> = const { Cell::new(None) };
}

/// Runs this thread's world with a sin, or without one.
pub(crate) fn commit(sin: Option<Sin>) {
    COMMITTED.set(sin);
}

/// Whether this sin is committed here.
pub(crate) fn committed(sin: Sin) -> bool {
    COMMITTED.get() == Some(sin)
}

/// How a noun sins: by default not at all.
pub(crate) trait Sinner: Aggregate {
    fn decide_with_sin(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Rejection> {
        self.decide(command)
    }

    fn apply_with_sin(&mut self, event: &Self::Event) {
        self.apply(event);
    }
}

/// A noun whose decide and apply pass through its sins.
#[derive(Clone, Debug)]
pub(crate) struct Sinful<A>(pub(crate) A);

impl<A: Aggregate> Default for Sinful<A> {
    fn default() -> Self {
        Self(A::default())
    }
}

impl<A: Sinner> Aggregate for Sinful<A> {
    const CATEGORY: &'static str = A::CATEGORY;
    type Command = A::Command;
    type Event = A::Event;
    type Rejection = A::Rejection;

    fn decide(&self, command: A::Command) -> Result<Vec<A::Event>, A::Rejection> {
        self.0.decide_with_sin(command)
    }

    fn apply(&mut self, event: &A::Event) {
        self.0.apply_with_sin(event);
    }

    fn writer(&self, command: &A::Command) -> Option<Writer> {
        self.0.writer(command)
    }
}

impl Sinner for Artifact {}

impl Sinner for Deployment {}

impl Sinner for Region {}

impl Sinner for Place {}

impl Sinner for Host {}

impl Sinner for Migrations {}

impl Sinner for Environment {
    fn decide_with_sin(&self, mut command: environment::Command) -> Result<Vec<environment::Event>, Self::Rejection> {
        if let environment::Command::Scale { expected, .. } = &mut command
            && committed(Sin::ScaleOnAnyNumber)
        {
            *expected = self.replicas;
        }
        self.decide(command)
    }
}

impl Sinner for ProviderBindings {}

impl Sinner for RuntimeServices {}

impl Sinner for Backend {
    fn decide_with_sin(&self, command: backend::Command) -> Result<Vec<backend::Event>, Self::Rejection> {
        if committed(Sin::SharedByAccident) { Self::default().decide(command) } else { self.decide(command) }
    }
}

impl Sinner for RouteOwner {
    fn decide_with_sin(&self, mut command: route_owner::Command) -> Result<Vec<route_owner::Event>, Self::Rejection> {
        use route_owner::{Command, Event};
        let mut other = self.clone();
        if committed(Sin::PinIgnored) {
            other.pin = None;
        }
        if committed(Sin::FreezeIgnored) {
            other.frozen = None;
        }
        if committed(Sin::QuarantineIgnored) && matches!(command, Command::Promote(_) | Command::RollBack { .. }) {
            other.quarantined.clear();
        }
        if let Command::Promote(change) | Command::RollBack { change, .. } = &mut command
            && committed(Sin::NoCompareAndSwap)
        {
            change.expected = self.epoch;
        }
        if let Command::RollBack { change, .. } = &command
            && committed(Sin::RollbackToStranger)
        {
            other.former.insert(change.owner.deployment, change.owner.clone());
        }
        let released =
            matches!(command, Command::ReleasePin { .. } | Command::Unfreeze { .. } | Command::Freeze { .. });
        let mut events = if released { self.decide(command)? } else { other.decide(command)? };
        events.retain(|event| match event {
            Event::Pinned(Pin { .. }) => !committed(Sin::RollbackWithoutPin),
            Event::Quarantined { .. } => !committed(Sin::RollbackWithoutQuarantine),
            _ => true,
        });
        Ok(events)
    }

    fn apply_with_sin(&mut self, event: &route_owner::Event) {
        let epoch = self.epoch;
        self.apply(event);
        if committed(Sin::EpochNotRaised) {
            self.epoch = epoch;
        }
        if committed(Sin::SleepForgetsOwner) && matches!(event, route_owner::Event::Slept { .. }) {
            self.owner = None;
        }
    }
}

impl Sinner for Operation {
    fn decide_with_sin(&self, command: operation::Command) -> Result<Vec<operation::Event>, Self::Rejection> {
        use operation::{Command, Event};
        match (self.decide(command.clone()), command) {
            (Err(refused), Command::RequestCancel { reason })
                if committed(Sin::CancelledTooLate) && refused.code() == "ROUTE_CHANGED" =>
            {
                Ok(vec![Event::CancelRequested { reason: reason.clone() }, Event::Cancelled { reason }])
            }
            (Err(_), Command::Enter { stage: stage @ (Stage::Building | Stage::Validating), evidence })
                if committed(Sin::BuildAfterItsEnd) && matches!(self.stage, Some(Stage::Cancelled | Stage::Failed)) =>
            {
                Ok(vec![Event::StageEntered { stage, evidence }])
            }
            (decided, _) => decided,
        }
    }

    fn apply_with_sin(&mut self, event: &operation::Event) {
        self.apply(event);
        if committed(Sin::LateReportBelieved) && matches!(event, operation::Event::LateReportRecorded { .. }) {
            self.stage = Some(Stage::Healthy);
        }
    }
}

impl Sinner for Allocation {
    fn decide_with_sin(&self, mut command: allocation::Command) -> Result<Vec<allocation::Event>, Self::Rejection> {
        use allocation::Command;
        let mut other = self.clone();
        if let (Command::ReportStarting { digest } | Command::ReportReady { digest, .. }, Some(planned)) =
            (&mut command, &mut other.planned)
            && committed(Sin::OtherBytesRun)
        {
            planned.artifact = *digest;
        }
        other.decide(command)
    }
}

/// The real authority rows, made of the nouns within.
pub(crate) struct Rows;

impl Inline for Rows {
    fn rows(&self, stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value> {
        fn of<A: Sinner>(stream: &StreamId, state: &dyn Any, events: &[NewEvent]) -> Vec<Value> {
            let Sinful(noun) = state.downcast_ref::<Sinful<A>>().expect("the simulator loads every noun with its sins");
            AuthorityRows.rows(stream, noun, events)
        }
        match stream.category() {
            RouteOwner::CATEGORY => of::<RouteOwner>(stream, state, events),
            Operation::CATEGORY => of::<Operation>(stream, state, events),
            Allocation::CATEGORY => of::<Allocation>(stream, state, events),
            Host::CATEGORY => of::<Host>(stream, state, events),
            _ => Vec::new(),
        }
    }
}

/// A deployment as the process manager sees it.
pub(crate) fn deployment_as_seen(mut deployment: Deployment, n: usize) -> Deployment {
    if committed(Sin::UnvalidatedPromoted) {
        deployment.failed = None;
        deployment.validated = rhone_tests::rules::validated(n, bytes(n)).validated;
    }
    deployment
}

/// A reason for everything that users do here.
pub(crate) fn reason() -> rhone_domain::text::Reason {
    because("a user said so")
}

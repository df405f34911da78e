//! The planted bugs of the model: its shell around the rules with one named sin each, and the law that must be found broken.
//! No line of the programs knows of it.

use crate::laws::Law;

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sin {
    /// An append does not ask whether what it was judged on has moved.
    NoCompareAndSwap,
    /// What a worker without the lease wants to say is taken for a step.
    LateReportAccepted,
    /// A pin stops nobody.
    PinIgnored,
    /// What the state gate says goes for the database too.
    DatabaseGateMerged,
    /// A preview's allocation counts for production.
    PreviewAllocationCounts,
}

impl Sin {
    /// Each with the law that it breaks.
    pub(crate) const ALL: [(Self, Law); 5] = [
        (Self::NoCompareAndSwap, Law::Winner),
        (Self::LateReportAccepted, Law::Late),
        (Self::PinIgnored, Law::Held),
        (Self::DatabaseGateMerged, Law::Database),
        (Self::PreviewAllocationCounts, Law::Ready),
    ];
}

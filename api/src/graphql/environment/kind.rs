//! What an environment is for, as the schema says it. The trap avoided: a kind that the domain has and the schema does not; the
//! compiler compares the two.

use async_graphql::Enum;
use rhone_domain::environment;

/// What an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "environment::Kind")]
pub(crate) enum EnvironmentKind {
    /// Every deploy is shown here first.
    Preview,
    /// Rehearsal.
    Staging,
    /// The real thing.
    Production,
}

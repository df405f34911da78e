//! What lists can be narrowed to, and in which order they come: the newest first where things pile up. The cursor is the row's
//! own id, so a page is the same page whatever is added meanwhile.

use super::{
    artifact::digest,
    deployment::DeploymentStatus,
    environment::EnvironmentKind,
    operation::OperationKind,
    operation_stages::OperationStage,
    time::{self, Time},
};
use crate::fault::Fault;
use async_graphql::{Enum, InputObject};
use rhone_domain::{environment, ids::EnvironmentId, text::Slug};
use rhone_projections::{authority::operations, catalogue, deployments, keyset::Towards};

/// The longest text that is looked for.
const LONGEST: usize = 100;

/// In which order a list comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub(crate) enum ListOrder {
    /// The last that was created comes first.
    #[default]
    NewestFirst,
    /// The first that was created comes first.
    OldestFirst,
}

impl ListOrder {
    /// Which way along the ids, if the list is read from its beginning.
    pub(crate) fn forward(self) -> Towards {
        match self {
            Self::NewestFirst => Towards::Older,
            Self::OldestFirst => Towards::Newer,
        }
    }
}

/// Which deployments; what is left out does not matter, and all that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub(crate) struct DeploymentFilterInput {
    status: Option<DeploymentStatus>,
    /// `sha256:` and 64 hex digits.
    artifact_digest: Option<String>,
    /// Created at this time or later.
    created_since: Option<Time>,
    /// Created before this time.
    created_before: Option<Time>,
}

impl DeploymentFilterInput {
    pub(crate) fn read(self) -> Result<deployments::Filter, Fault> {
        let since = time::read("createdSince", self.created_since)?;
        let before = time::read("createdBefore", self.created_before)?;
        if since.zip(before).is_some_and(|(since, before)| since >= before) {
            return Err(Fault::bad_input("createdBefore", "must be after createdSince"));
        }
        Ok(deployments::Filter {
            status: self.status.map(|status| match status {
                DeploymentStatus::Created => "created",
                DeploymentStatus::Validated => "validated",
                DeploymentStatus::Failed => "failed",
            }),
            digest: self
                .artifact_digest
                .map(|text| digest("artifactDigest", &text))
                .transpose()?
                .map(|of| of.to_string()),
            since,
            before,
        })
    }
}

/// Which operations; what is left out does not matter, and all that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub(crate) struct OperationFilterInput {
    kind: Option<OperationKind>,
    stage: Option<OperationStage>,
    /// Whether they have ended.
    ended: Option<bool>,
}

impl OperationFilterInput {
    pub(crate) fn read(self, environment: Option<EnvironmentId>) -> operations::Filter {
        operations::Filter {
            environment,
            kind: self.kind.map(Into::into),
            stage: self.stage.map(Into::into),
            ended: self.ended,
        }
    }
}

/// Environments of a kind.
pub(crate) fn of_kind(kind: Option<EnvironmentKind>) -> catalogue::Filter {
    let purpose = kind.map(|kind| environment::Kind::from(kind).to_string());
    catalogue::Filter { purpose, ..catalogue::Filter::default() }
}

/// Those whose name or slug holds a text.
pub(crate) fn named(field: &'static str, text: Option<String>) -> Result<catalogue::Filter, Fault> {
    if text.as_ref().is_some_and(|text| text.trim().is_empty() || text.len() > LONGEST || text.contains('\0')) {
        return Err(Fault::bad_input(field, "must be 1 to 100 characters"));
    }
    Ok(catalogue::Filter { named: text, ..catalogue::Filter::default() })
}

/// Of those that a filter lets through, the one with a slug.
pub(crate) fn with_slug(filter: catalogue::Filter, slug: Option<String>) -> Result<catalogue::Filter, Fault> {
    let slug = slug.map(|text| Slug::parse("slug", &text)).transpose();
    let slug = slug.map_err(|invalid| Fault::bad_input("slug", invalid.rule))?;
    Ok(catalogue::Filter { slug: slug.map(|slug| slug.as_str().to_owned()), ..filter })
}

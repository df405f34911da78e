//! The questions as they are sent, and which fields are asked of which thing. The trap avoided: an answer that grows with the
//! tenant; lists are asked for in pages.

/// Of an operation.
pub(crate) const OPERATION: &str = "id kind stage ended requestedBy { actor actorKind actorName } createdAt endedAt \
     environment { id } deployment { id } artifactDigest reason \
     expectedRouteEpoch epoch gates { kind state reason evidence } healthyDigest \
     edges { edge appliedSeq allocationId digest } \
     deploy { deploymentId repository reference image fetched { commit attempt tookMs } \
     built { digest plan sandbox size files attempt tookMs } promotion { id stage } } failure { code message expected actual routeChanged } cancelReason \
     deadline version";

/// Of a deployment.
pub(crate) const DEPLOYMENT: &str = "id artifactDigest status checks failureReason source { repository commit } createdAt \
     createdBy { actor actorKind actorName } version";

/// Of a route owner.
pub(crate) const ROUTE_OWNER: &str = "epoch revision version deploymentId artifactDigest operationId since hosts frozen \
     pin { deploymentId operationId reason } quarantined { digest reason } drain { deploymentId deadline } \
     formerDeploymentIds";

/// Of an environment.
pub(crate) const ENVIRONMENT: &str = "id slug kind drainSeconds standbySeconds createdAt version \
     routeOwner { epoch revision deploymentId artifactDigest hosts frozen pin { deploymentId operationId reason } \
     quarantined { digest reason } formerDeploymentIds } \
     regionStandings { regionId standing disabledReason disabledAt }";

/// Of an app, with where it comes from.
pub(crate) const APP_SOURCE: &str = "id slug name createdAt version source { repository reference }";

/// Of an app's source credentials; their secrets are never answered.
pub(crate) const SOURCE_CREDENTIALS: &str = "id version sourceCredentials { host username generation setAt }";

/// Of an environment's variables; values of plain ones only are ever answered.
pub(crate) const VARIABLES: &str = "id variables { key kind digest set updatedAt value }";

/// Of an allocation.
pub(crate) const ALLOCATION: &str = "id state artifactDigest verifiedDigest hostId regionId cellId restarts lastExit failureCause failureReason \
     deployment { id }";

/// Of a line of a timeline.
const TIMELINE: &str = "position eventId stream version type schemaVersion actor actorName actorKind onBehalfOf writer correlation \
     causation traceId reason summary payload occurredAt recordedAt";

pub(crate) const APP: &str = "query($id: ID!) { app(id: $id) { id slug name createdAt version \
     source { repository reference } project { id workspace { id } } } }";

pub(crate) const FOLLOW: &str = "subscription($id: ID!, $after: String) { operation(id: $id, after: $after) { __typename \
     ... on OperationProgress { cursor type stage ended summary occurredAt } ... on Resync { reason } } }";

pub(crate) const REPLAY: &str = "query($stream: ID!, $at: MomentInput) { replay(stream: $stream, at: $at) { \
     stream version state stateHash recordedAt } }";

pub(crate) const DIFFERENCE: &str = "query($stream: ID!, $at: MomentInput, $from: MomentInput!) { \
     replay(stream: $stream, at: $at) { stream version stateHash difference(from: $from) { path before after } } }";

pub(crate) const APP_REPLAY: &str = "query($id: ID!, $at: MomentInput, $after: String) { app(id: $id) { replay(at: $at) { \
     streams(first: 50, after: $after) { nodes { stream version state stateHash recordedAt } \
     pageInfo { hasNextPage endCursor } } } } }";

pub(crate) const APP_STATES: &str =
    "query($id: ID!, $at: MomentInput) { app(id: $id) { replay(at: $at) { statesHash } } }";

pub(crate) const APP_DIFFERENCES: &str = "query($id: ID!, $at: MomentInput, $from: MomentInput!, $after: String) { \
     app(id: $id) { replay(at: $at) { differences(from: $from, first: 50, after: $after) { \
     nodes { stream before after changes { path before after } } pageInfo { hasNextPage endCursor } } } } }";

pub(crate) const SUPPORT_BUNDLE: &str = "query($correlation: String!) { supportBundle(correlation: $correlation) { \
     correlation bundle digest } }";

pub(crate) fn explain() -> String {
    format!(
        "query($id: ID!) {{ operation(id: $id) {{ {OPERATION} }} causationTree(operationId: $id) {{ truncated \
         nodes {{ depth entry {{ {TIMELINE} kind command lateEvidence {{ attempt report }} }} }} }} }}"
    )
}

pub(crate) fn why() -> String {
    format!(
        "query($stream: ID!, $path: String!, $at: MomentInput) {{ why(stream: $stream, path: $path, at: $at) {{ \
         stream path value before command actor requestedBy {{ actor actorKind actorName }} entry {{ {TIMELINE} }} \
         operation {{ id kind stage reason }} causes {{ eventId type summary actor actorName occurredAt }} }} }}"
    )
}

pub(crate) fn steps() -> String {
    format!(
        "query($stream: ID!, $at: MomentInput, $after: String) {{ replay(stream: $stream, at: $at) {{ \
         steps(first: 50, after: $after) {{ nodes {{ entry {{ {TIMELINE} }} command changes {{ path before after }} \
         refusedBefore {{ {TIMELINE} refusal {{ command code message expected actual }} }} }} \
         pageInfo {{ hasNextPage endCursor }} }} refusedSince {{ {TIMELINE} }} }} }}"
    )
}

pub(crate) fn app_steps() -> String {
    format!(
        "query($id: ID!, $at: MomentInput, $after: String) {{ app(id: $id) {{ replay(at: $at) {{ \
         steps(first: 50, after: $after) {{ nodes {{ accepted command changes {{ path before after }} \
         entry {{ {TIMELINE} refusal {{ command code message expected actual }} }} }} \
         pageInfo {{ hasNextPage endCursor }} }} }} }} }}"
    )
}

pub(crate) fn environment() -> String {
    format!("query($id: ID!) {{ environment(id: $id) {{ {ENVIRONMENT} allocations {{ {ALLOCATION} }} }} }}")
}

pub(crate) fn source_credentials() -> String {
    format!("query($id: ID!) {{ app(id: $id) {{ {SOURCE_CREDENTIALS} }} }}")
}

pub(crate) fn variables() -> String {
    format!("query($id: ID!) {{ environment(id: $id) {{ {VARIABLES} }} }}")
}

/// What a change of a route would come to.
const ROUTE_CHANGE: &str = "deploymentId artifactDigest allowed routeEpoch gates { kind state reason evidence } \
     toAcknowledge impact { word }";

pub(crate) fn promotion() -> String {
    format!(
        "query($id: ID!, $deployment: ID!) {{ environment(id: $id) {{ id slug kind \
         promotion(deploymentId: $deployment) {{ {ROUTE_CHANGE} }} }} }}"
    )
}

pub(crate) fn rollback() -> String {
    format!("query($id: ID!) {{ environment(id: $id) {{ id slug kind rollbackPlan {{ {ROUTE_CHANGE} }} }} }}")
}

pub(crate) fn route() -> String {
    format!(
        "query($id: ID!) {{ environment(id: $id) {{ id slug kind app {{ id slug }} \
         routeOwner {{ {ROUTE_OWNER} region {{ id slug }} cell {{ id slug }} }} allocations {{ {ALLOCATION} }} }} }}"
    )
}

pub(crate) const PLACE: &str = "query($id: ID!) { environment(id: $id) { id slug kind \
     app { id slug source { repository reference } } } }";

/// Of an app, where it comes from, and which operations of its failed and were blocked last.
pub(crate) const STATUS: &str = "query($id: ID!) { app(id: $id) { id slug source { repository reference } \
     failed: operations(filter: { stage: FAILED }, first: 1) { nodes { id kind endedAt \
     requestedBy { actor actorName } environment { id } deployment { id } failure { code message } } } \
     blocked: operations(filter: { stage: BLOCKED }, first: 1) { nodes { id kind endedAt \
     requestedBy { actor actorName } environment { id } deployment { id } gates { kind state reason } } } } }";

/// A page of what is on its way for an app.
pub(crate) const UNDER_WAY: &str = "query($id: ID!, $after: String) { app(id: $id) { \
     operations(filter: { ended: false }, first: 100, after: $after) { nodes { id kind stage ended environment { id } \
     deployment { id } failure { code message } } pageInfo { hasNextPage endCursor } } } }";

pub(crate) const OPERATIONS: &str = "query($id: ID!, $environment: ID, $filter: OperationFilterInput, $first: Int) { \
     app(id: $id) { operations(environmentId: $environment, filter: $filter, first: $first) { nodes { \
     id kind stage ended environment { id } deployment { id } epoch deadline failure { code message } } } } }";

pub(crate) fn deployment() -> String {
    format!("query($id: ID!) {{ deployment(id: $id) {{ {DEPLOYMENT} app {{ id slug }} }} }}")
}

pub(crate) fn operation() -> String {
    format!("query($id: ID!) {{ operation(id: $id) {{ {OPERATION} stages {{ stage enteredAt tookMs attempt }} }} }}")
}

pub(crate) fn timeline() -> String {
    format!(
        "query($id: ID!, $first: Int, $after: String, $environment: ID, $position: String) {{ app(id: $id) {{ \
         timeline(first: $first, after: $after, environmentId: $environment, atLeastPosition: $position) {{ \
         nodes {{ {TIMELINE} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
    )
}

pub(crate) const MEMBERS: &str = "query($id: ID!, $first: Int, $after: String) { workspace(id: $id) { \
     members(first: $first, after: $after) { nodes { actor actorName role } pageInfo { hasNextPage endCursor } } } }";
pub(crate) const INVITATIONS: &str = "query($id: ID!, $first: Int, $after: String) { workspace(id: $id) { \
     invitations(first: $first, after: $after) { nodes { id role invitedBy createdAt expiresAt } \
     pageInfo { hasNextPage endCursor } } } }";
/// Who asks.
pub(crate) const VIEWER: &str = "{ viewer { actor tokenId onBehalfOf account { provider login name } } }";

#[cfg(test)]
mod tests {
    //! A list is asked for to its end.
    use super::*;

    /// Whether it asks for so many of a list, and not whether there are more.
    fn cuts(document: &str) -> bool {
        let lists = document.matches("(first: ").count() + document.matches(" first: ").count();
        let pages = lists - document.matches("first: 1)").count();
        document.matches("pageInfo { hasNextPage").count() < pages
    }

    #[test]
    fn what_shows_a_thing_does_not_end_with_the_first_page_of_a_list() {
        let documents = [APP, STATUS, UNDER_WAY, APP_REPLAY, APP_DIFFERENCES, MEMBERS, INVITATIONS].map(str::to_owned);
        for document in documents.into_iter().chain([environment(), route(), steps(), app_steps(), timeline()]) {
            assert!(!cuts(&document), "{document}");
        }
        // The sin: the first twenty environments, as if there were no others.
        assert!(cuts("query($id: ID!) { app(id: $id) { environments(first: 20) { nodes { id } } } }"));
    }
}

//! The questions of a console, one list of rows each. The trap avoided: a question of so many rounds that a batch which is cut in
//! two here and there hides, or seems, a statement for each row; each asks for one thing.

/// What a console asks for, and where its rows are.
pub(super) const QUESTIONS: &[(&str, &str, &str)] = &[
    ("workspaces", "workspaces(first: $n) { nodes { id slug name version } }", "/workspaces/nodes"),
    (
        "projects with their apps",
        "workspace(id: $workspace) { projects(first: $n) { nodes { id slug workspace { name } apps(first: 2) { nodes { id slug } } } } }",
        "/workspace/projects/nodes",
    ),
    (
        "apps with environments, last deployment and last operation",
        "project(id: $project) { apps(first: $n) { nodes { id slug version sourceCredentials { host } \
         project { slug workspace { slug } } \
         environments(first: 2) { nodes { id kind } } deployments(first: 1) { nodes { id status } } \
         operations(first: 1) { nodes { id kind stage } } } } }",
        "/project/apps/nodes",
    ),
    (
        "environments with their owners",
        "app(id: $app) { environments(first: $n) { nodes { id slug kind app { slug } region { slug } cell { slug } \
         routeOwner { epoch revision hosts region { slug } deployment { id status artifact { digest size } } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their settings",
        "app(id: $app) { environments(first: $n) { nodes { id replicas sleepAfterSeconds approvalsRequired residency \
         regions { regionId } regionStandings { regionId standing } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments and their life",
        "app(id: $app) { environments(first: $n) { nodes { id lifecycle } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their allocations",
        "app(id: $app) { environments(first: $n) { nodes { id allocations { id state } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what is bound",
        "app(id: $app) { environments(first: $n) { nodes { id providerBindings { resource binding { state } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with services and migrations",
        "app(id: $app) { environments(first: $n) { nodes { id runtimeServiceBindings { service } migrations { migrationId } } } }",
        "/app/environments/nodes",
    ),
    (
        "deployments",
        "app(id: $app) { deployments(first: $n, filter: { status: VALIDATED }) { nodes { id status app { slug } artifact { digest size } \
         createdBy { actor actorName } } } }",
        "/app/deployments/nodes",
    ),
    (
        "operations",
        "app(id: $app) { operations(first: $n) { nodes { id kind stage environment { slug kind app { slug } } \
         deployment { id artifact { digest } } gates { kind state } failure { code } createdAt endedAt \
         requestedBy { actor actorName } } } }",
        "/app/operations/nodes",
    ),
    (
        "apps with their timelines, line by line and by operation",
        "project(id: $project) { apps(first: $n) { nodes { id timeline(first: 2) { nodes { type summary } } \
         operationTimeline(first: 2) { nodes { request { type } events { type } } } } } }",
        "/project/apps/nodes",
    ),
    (
        "environments with what a promotion to them would come to",
        "app(id: $app) { environments(first: $n) { nodes { id promotion(deploymentId: $deployment) { allowed code gates { kind state } \
         variables { currentSet } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what a rollback of them would come to",
        "app(id: $app) { environments(first: $n) { nodes { id rollbackPlan { allowed deploymentId } } } }",
        "/app/environments/nodes",
    ),
    (
        "deployments with what their promotion would come to",
        "app(id: $app) { deployments(first: $n) { nodes { id promotion(environmentId: $environment) { allowed gates { kind } } } } }",
        "/app/deployments/nodes",
    ),
    (
        "deployments with what a rollback to them would come to",
        "app(id: $app) { deployments(first: $n) { nodes { id rollbackPlan(environmentId: $environment) { allowed gates { kind } } } } }",
        "/app/deployments/nodes",
    ),
    (
        "environments with the gates of their scale",
        "app(id: $app) { environments(first: $n) { nodes { id scalePlan(replicas: 2) { allowed gates { kind } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what of them may be many",
        "app(id: $app) { environments(first: $n) { nodes { id scaleReadiness(replicas: 2) { allowed } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with whether they may be put to sleep",
        "app(id: $app) { environments(first: $n) { nodes { id sleepReadiness { allowed code gates { kind } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with the gates of a failover and of a region",
        "app(id: $app) { environments(first: $n) { nodes { id failover(regionId: $region) { allowed } \
         regionReadiness(regionId: $region, cellId: $cell) { allowed } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their variables and values",
        "app(id: $app) { environments(first: $n) { nodes { id variables { key value } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with the sets of their variables",
        "app(id: $app) { environments(first: $n) { nodes { id variableSets { set keys } \
         variableDifference(deploymentId: $deployment) { currentSet } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what the caller may do",
        "app(id: $app) { environments(first: $n) { nodes { id viewerGrants affordances { freeze { allowed } wake { code } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their operations and deployments",
        "app(id: $app) { environments(first: $n) { nodes { id operations(first: 2) { nodes { id cancellable { allowed } } } \
         deployments(first: 2) { nodes { id } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with their logs",
        "app(id: $app) { environments(first: $n) { nodes { id logs(first: 1) { nodes { text } } } } }",
        "/app/environments/nodes",
    ),
    (
        "deployments with their logs",
        "app(id: $app) { deployments(first: $n) { nodes { id logs(first: 1) { nodes { text } } } } }",
        "/app/deployments/nodes",
    ),
    (
        "operations with everything",
        "app(id: $app) { operations(first: $n) { nodes { id cancellable { allowed code } environment { slug routeOwner { epoch } } \
         deployment { id } logs(first: 1) { nodes { text } } } } }",
        "/app/operations/nodes",
    ),
    (
        "a workspace's operations",
        "workspace(id: $workspace) { operations(first: $n) { nodes { id environment { slug } } } }",
        "/workspace/operations/nodes",
    ),
    (
        "a workspace's deployments",
        "workspace(id: $workspace) { deployments(first: $n) { nodes { id app { slug } } } }",
        "/workspace/deployments/nodes",
    ),
    (
        "projects with their operations and deployments",
        "workspace(id: $workspace) { projects(first: $n) { nodes { id viewerGrants operations(first: 1) { nodes { id } } \
         deployments(first: 1) { nodes { id } } } } }",
        "/workspace/projects/nodes",
    ),
    (
        "environments with why they are there",
        "app(id: $app) { environments(first: $n) { nodes { id why(field: EXISTENCE) { value command causes { summary } operation { id } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what changed",
        "app(id: $app) { environments(first: $n) { nodes { id \
         changes(from: \"2026-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\") { field operation { id } } } } }",
        "/app/environments/nodes",
    ),
    (
        "workspaces with their people",
        "workspaces(first: $n) { nodes { id viewerGrants members(first: 2) { nodes { actor } } invitations(first: 2) { nodes { id } } \
         support { id } } }",
        "/workspaces/nodes",
    ),
    (
        "workspaces with their lists",
        "workspaces(first: $n) { nodes { id operations(first: 1) { nodes { id } } deployments(first: 1) { nodes { id } } } }",
        "/workspaces/nodes",
    ),
    (
        "timeline",
        "app(id: $app) { timeline(first: $n) { nodes { position type summary actor actorName payload \
         requestedBy { actor actorName } } } }",
        "/app/timeline/nodes",
    ),
    (
        "apps with all that belongs to them as it was, the way there and what differs",
        "project(id: $project) { apps(first: $n) { nodes { id replay(at: { time: \"2100-01-01T00:00:00Z\" }) { \
         streams(first: 2) { nodes { stream stateHash } } steps(last: 2) { nodes { accepted command changes { path } } } \
         differences(from: { time: \"2001-01-01T00:00:00Z\" }, first: 2) { nodes { stream changes { path } } } } } } }",
        "/project/apps/nodes",
    ),
    (
        "apps with the digest of all that they were",
        "project(id: $project) { apps(first: $n) { nodes { id replay { statesHash } } } }",
        "/project/apps/nodes",
    ),
    (
        "regions with cells and hosts, and which of those may be given up",
        "regions(first: $n) { nodes { id slug version cells(first: 1) { nodes { id slug hosts(first: 1) { nodes { \
         id slug state capacity heldBy retirable { allowed code } affordances { cordon { allowed } } } } } } } }",
        "/regions/nodes",
    ),
    (
        "regions with hosts, and whether those may be emptied",
        "regions(first: $n) { nodes { id cells(first: 1) { nodes { hosts(first: 1) { nodes { \
         id drainReadiness { allowed code gates { kind } } } } } } } }",
        "/regions/nodes",
    ),
    (
        "regions with the edges that live there",
        "regions(first: $n) { nodes { id liveEdges { edge mode } } }",
        "/regions/nodes",
    ),
    (
        "the caller's tokens",
        "viewer { tokens(first: $n) { nodes { tokenId name grants createdAt } } }",
        "/viewer/tokens/nodes",
    ),
    (
        "the caller's tokens, and what may be done with them",
        "viewer { tokens(first: $n) { nodes { tokenId affordances { rotate { code } revoke { code } } } } }",
        "/viewer/tokens/nodes",
    ),
    (
        "what concerns the caller alone",
        "viewer { timeline(first: $n) { nodes { position type summary actor actorName requestedBy { actorName } } } }",
        "/viewer/timeline/nodes",
    ),
    (
        "workspaces with what the caller may do there",
        "workspaces(first: $n) { nodes { id affordances { projectCreate { allowed } } } }",
        "/workspaces/nodes",
    ),
    (
        "workspaces with what the caller may do with their members",
        "workspaces(first: $n) { nodes { id members(first: 2) { nodes { version affordances { remove { code } } } } } }",
        "/workspaces/nodes",
    ),
    (
        "workspaces with what the caller may do with their invitations",
        "workspaces(first: $n) { nodes { id invitations(first: 2) { nodes { version affordances { revoke { code } } } } } }",
        "/workspaces/nodes",
    ),
    (
        "workspaces with what the caller may do with times of support",
        "workspaces(first: $n) { nodes { id support { version affordances { end { code } } } } }",
        "/workspaces/nodes",
    ),
    (
        "apps with what the caller may do with their credentials",
        "project(id: $project) { apps(first: $n) { nodes { id sourceCredentials { affordances { remove { code } } } } } }",
        "/project/apps/nodes",
    ),
    (
        "workspaces with their artifacts",
        "workspaces(first: $n) { nodes { id artifacts(first: 2) { nodes { id digest size createdAt } } } }",
        "/workspaces/nodes",
    ),
    (
        "regions with cells, and what may be done with both",
        "regions(first: $n) { nodes { id affordances { cellCreate { code } } cells(first: 1) { nodes { \
         id affordances { hostCreate { code } } } } } }",
        "/regions/nodes",
    ),
    (
        "environments with what the caller may do with what runs",
        "app(id: $app) { environments(first: $n) { nodes { id allocations { version affordances { drain { code } } } } } }",
        "/app/environments/nodes",
    ),
    (
        "environments with what the caller may do with what is bound, and its versions",
        "app(id: $app) { environments(first: $n) { nodes { id migrationsVersion providerBindings { version \
         affordances { verify { code } } } runtimeServiceBindings { version affordances { disable { code } } } } } }",
        "/app/environments/nodes",
    ),
];

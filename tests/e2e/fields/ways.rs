//! How each object is reached. The trap avoided: an object that is there for nobody; who should see it must be shown one.

/// How an object is reached: `$` is where its fields are asked for.
pub(crate) fn way(object: &str) -> Option<&'static str> {
    Some(match object {
        "Workspace" => "workspace(id: \"workspaceId\") $",
        "Project" => "project(id: \"projectId\") $",
        "App" => "app(id: \"appId\") $",
        "AppSource" => "app(id: \"appId\") { source $ }",
        "SourceCredential" => "app(id: \"appId\") { sourceCredentials $ }",
        "Environment" => "environment(id: \"environmentId\") $",
        "Deployment" => "deployment(id: \"deploymentId\") $",
        "DeploymentSource" => "deployment(id: \"deploymentId\") { source $ }",
        "Artifact" => "deployment(id: \"deploymentId\") { artifact $ }",
        "Operation" => "operation(id: \"operationId\") $",
        "Requester" => "operation(id: \"operationId\") { requestedBy $ }",
        "OperationFailure" => "operation(id: \"failedId\") { failure $ }",
        "DeployProgress" => "operation(id: \"builtId\") { deploy $ }",
        "FetchedSource" => "operation(id: \"builtId\") { deploy { fetched $ } }",
        "BuiltArtifact" => "operation(id: \"builtId\") { deploy { built $ } }",
        "EdgeAnswer" => "operation(id: \"operationId\") { edges $ }",
        "EnteredStage" => "operation(id: \"operationId\") { stages $ }",
        "Gate" => "operation(id: \"operationId\") { gates $ }",
        "RouteOwner" => "environment(id: \"environmentId\") { routeOwner $ }",
        "Pin" => "environment(id: \"environmentId\") { routeOwner { pin $ } }",
        "Quarantine" => "environment(id: \"environmentId\") { routeOwner { quarantined $ } }",
        "DrainingOwner" => "environment(id: \"environmentId\") { routeOwner { drain $ } }",
        "Allocation" => "environment(id: \"environmentId\") { allocations(ended: true) $ }",
        "LogLine" => "app(id: \"appId\") { logs(first: 1) { nodes $ } }",
        "RecordedMigration" => "environment(id: \"productionId\") { migrations $ }",
        "EnabledRegion" => "environment(id: \"environmentId\") { regions $ }",
        "RegionStanding" => "environment(id: \"environmentId\") { regionStandings $ }",
        "ProviderBinding" => "environment(id: \"environmentId\") { providerBindings $ }",
        "RuntimeServiceBinding" => "environment(id: \"environmentId\") { runtimeServiceBindings $ }",
        "Binding" => "environment(id: \"environmentId\") { providerBindings { binding $ } }",
        "Variable" => "environment(id: \"environmentId\") { variables $ }",
        "VariableSet" => "environment(id: \"environmentId\") { variableSets $ }",
        "VariableDifference" => {
            "environment(id: \"environmentId\") { variableDifference(deploymentId: \"deploymentId\") $ }"
        }
        "VariableChange" => {
            "environment(id: \"environmentId\") { variableDifference(deploymentId: \"deploymentId\") { removed $ } }"
        }
        "RouteChangePlan" => "environment(id: \"environmentId\") { promotion(deploymentId: \"deploymentId\") $ }",
        "RouteChangeImpact" => {
            "environment(id: \"environmentId\") { promotion(deploymentId: \"deploymentId\") { impact $ } }"
        }
        "Affordance" => "environment(id: \"environmentId\") { affordances { freeze $ } }",
        "FailoverPlan" => "environment(id: \"environmentId\") { failover(regionId: \"regionId\") $ }",
        "RegionReadiness" => {
            "environment(id: \"environmentId\") { regionReadiness(regionId: \"regionId\", cellId: \"cellId\") $ }"
        }
        "ScalePlan" => "environment(id: \"environmentId\") { scalePlan(replicas: 1) $ }",
        "Readiness" => "environment(id: \"environmentId\") { sleepReadiness $ }",
        "ScaleReadiness" => "environment(id: \"environmentId\") { scaleReadiness(replicas: 1) $ }",
        "MissingService" => "environment(id: \"environmentId\") { scaleReadiness(replicas: 2) { missing $ } }",
        "PresentService" => "environment(id: \"environmentId\") { scaleReadiness(replicas: 2) { present $ } }",
        "TimelineEntry" => "app(id: \"appId\") { timeline(first: 1) { nodes $ } }",
        "PageInfo" => "app(id: \"appId\") { timeline(first: 1) { pageInfo $ } }",
        "OperationLine" => "app(id: \"appId\") { operationTimeline(first: 1) { nodes $ } }",
        "RefusedAttempt" => {
            "app(id: \"appId\") { timeline(first: 1, filter: { kind: REFUSAL }) { nodes { refusal $ } } }"
        }
        "LateEvidence" => {
            "app(id: \"appId\") { timeline(first: 1, filter: { kind: LATE_EVIDENCE }) { nodes { lateEvidence $ } } }"
        }
        "CausationTree" => "causationTree(operationId: \"operationId\") $",
        "CausationNode" => "causationTree(operationId: \"operationId\") { nodes $ }",
        "Replay" => "replay(stream: \"environmentId\") $",
        "ReplayStep" => "replay(stream: \"environmentId\") { steps(first: 1) { nodes $ } }",
        "AppReplay" => "app(id: \"appId\") { replay $ }",
        "AppStep" => "app(id: \"appId\") { replay { steps(first: 1) { nodes $ } } }",
        "StreamDifference" => {
            "app(id: \"appId\") { replay { differences(from: { time: \"2001-01-01T00:00:00Z\" }, first: 1) { nodes $ } } }"
        }
        "StreamDifferenceEdge" => {
            "app(id: \"appId\") { replay { differences(from: { time: \"2001-01-01T00:00:00Z\" }, first: 1) { edges $ } } }"
        }
        "StateChange" => "replay(stream: \"environmentId\") { steps(first: 1) { nodes { changes $ } } }",
        "SupportBundle" => "supportBundle(correlation: \"correlation\") $",
        "Why" => "environment(id: \"environmentId\") { why(field: REPLICAS) $ }",
        "EnvironmentChange" => {
            "environment(id: \"environmentId\") { changes(from: \"2026-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\") $ }"
        }
        "Account" => "viewer { account $ }",
        "ApiToken" => "viewer { tokens(first: 1) { nodes $ } }",
        "Session" => "viewer { sessions $ }",
        "EndedSession" => "viewer { endedSessions $ }",
        "RateLimit" => "rateLimit $",
        "Member" => "workspace(id: \"workspaceId\") { members(first: 5) { nodes $ } }",
        "CustomGrants" => "workspace(id: \"workspaceId\") { members(first: 5) { nodes { customGrants $ } } }",
        "Invitation" => "workspace(id: \"workspaceId\") { invitations(first: 1) { nodes $ } }",
        "SupportAccess" => "workspace(id: \"workspaceId\") { support $ }",
        "Region" => "regions(first: 1) { nodes $ }",
        "Cell" => "regions(last: 3) { nodes { cells(first: 1) { nodes $ } } }",
        // Other tests open regions, which have none; the platform of the tests has its own by an id that no time made.
        "Edge" => "regions(last: 3) { nodes { liveEdges $ } }",
        // By the cell that has one: another test may open a region at any time.
        "Host" => "node(id: \"cellId\") { ... on Cell { hosts(first: 1) { nodes $ } } }",
        "HostEdge" => "node(id: \"cellId\") { ... on Cell { hosts(first: 1) { edges $ } } }",
        "StateClass" => "stateTaxonomy $",
        "NounDescription" => "objectModel $",
        "AuthorizationRow" => "authorizationTable $",
        "Viewer" => "viewer $",
        _ => return way_to_affordances(object),
    })
}

fn way_to_affordances(object: &str) -> Option<&'static str> {
    Some(match object {
        "AppAffordances" => "app(id: \"appId\") { affordances $ }",
        "EnvironmentAffordances" => "environment(id: \"environmentId\") { affordances $ }",
        "AllocationAffordances" => "environment(id: \"environmentId\") { allocations(ended: true) { affordances $ } }",
        "BindingAffordances" => "environment(id: \"environmentId\") { providerBindings { affordances $ } }",
        "ProjectAffordances" => "project(id: \"projectId\") { affordances $ }",
        "WorkspaceAffordances" => "workspace(id: \"workspaceId\") { affordances $ }",
        "MemberAffordances" => "workspace(id: \"workspaceId\") { members(first: 5) { nodes { affordances $ } } }",
        "InvitationAffordances" => {
            "workspace(id: \"workspaceId\") { invitations(first: 1) { nodes { affordances $ } } }"
        }
        "SupportAccessAffordances" => "workspace(id: \"workspaceId\") { support { affordances $ } }",
        "ApiTokenAffordances" => "viewer { tokens(first: 1) { nodes { affordances $ } } }",
        "RegionAffordances" => "regions(first: 1) { nodes { affordances $ } }",
        "RegionStandingAffordances" => "environment(id: \"environmentId\") { regionStandings { affordances $ } }",
        "CellAffordances" => "node(id: \"cellId\") { ... on Cell { affordances $ } }",
        "SourceCredentialAffordances" => "app(id: \"appId\") { sourceCredentials { affordances $ } }",
        "HostAffordances" => "node(id: \"cellId\") { ... on Cell { hosts(first: 1) { nodes { affordances $ } } } }",
        _ => return None,
    })
}

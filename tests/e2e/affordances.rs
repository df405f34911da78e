//! What the caller is told that they may do, by everybody who could try it, against what the mutation itself says on a dry run:
//! the same answer and the same code. The trap avoided: a button that is offered to somebody who is then told GRANT_MISSING.

mod alone;
pub(crate) mod regions;

use crate::roles::{Who, callers, table};
use futures_util::future::join_all;
use rhone_tests::{
    artifacts::Version,
    database::uuid,
    graphql::{Client, unique},
    inputs::{Owner, unknown_id},
    platform::Platform,
    schema::{Output, Schema},
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// Something that is told, and the mutation that it is about.
struct Told {
    /// What to ask, up to the affordance: `$` is where its fields are asked for.
    question: String,
    mutation: &'static str,
    input: Value,
}

impl Told {
    fn new(question: impl Into<String>, mutation: &'static str, input: Value) -> Self {
        Self { question: question.into(), mutation, input }
    }
}

/// What is told of a plan besides what every affordance says.
const SAID: &str = "{ allowed code missingGrant }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_offered_is_accepted_and_what_is_refused_is_refused_with_the_same_code() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let green = owner.tenant.deploy(Version::Green).await;
    let waiting = waiting(&owner).await;
    let credential = json!({ "appId": owner.tenant.app, "host": "git.example.com", "username": "bot",
        "secret": "a secret of the tests" });
    owner.tenant.client.done("appSourceCredentialSet", "__typename", credential).await;
    let query = "query($id: ID!) { environment(id: $id) { routeOwner { epoch } } }";
    let route = owner.tenant.client.data(query, json!({ "id": owner.tenant.preview.id })).await;
    let told = told(&owner, &green.id, &waiting, &route["environment"]["routeOwner"]["epoch"]);
    let callers = callers(platform, &owner, &table(&owner.tenant.client).await).await;
    let (mut cells, mut yes, mut wrong) = (0, 0, Vec::new());
    let preview = json!({ "environmentId": owner.tenant.preview.id, "reason": "a sale" });
    for mutation in [None, Some("environmentFreeze"), Some("environmentUnfreeze")] {
        if let Some(mutation) = mutation {
            owner.tenant.client.done(mutation, "__typename", preview.clone()).await;
        }
        for (who, client) in callers.iter().filter(|(who, _)| who.belongs()) {
            for one in &told {
                let (mut said, mut is) = (offered(client, one).await, tried(client, one).await);
                let agree = |said: &Value, is: &Value| said["allowed"] == is["allowed"] && said["code"] == is["code"];
                if !agree(&said, &is) {
                    // The promotion that waits may have ended in between.
                    (said, is) = (offered(client, one).await, tried(client, one).await);
                }
                if !agree(&said, &is) {
                    wrong.push(format!("{} by {who:?}, after {mutation:?}: told {said}, is {is}", one.question));
                }
                if is["code"] == "GRANT_MISSING" && said["missingGrant"] != is["missingGrant"] {
                    wrong.push(format!("{} by {who:?}: {said} names another grant than {is}", one.question));
                }
                yes += usize::from(is["allowed"] == true);
                cells += 1;
            }
        }
    }
    eprintln!("affordances: {}/{cells} as the mutation says, {yes} of them yes", cells - wrong.len());
    assert!(cells >= 3 * 7 * 18 && yes >= 60 && cells - yes >= 60, "{yes} of {cells}");
    assert!(wrong.is_empty(), "{} of {cells}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_grants_on_an_object_are_those_that_the_viewer_has_there() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let tenant = &owner.tenant;
    let query = "query($w: ID!, $p: ID!, $a: ID!, $e: ID!) { workspace(id: $w) { viewerGrants } project(id: $p) { viewerGrants } \
        app(id: $a) { viewerGrants } environment(id: $e) { viewerGrants } \
        viewer { w: grants(workspaceId: $w) p: grants(workspaceId: $w, projectId: $p) e: grants(workspaceId: $w, environmentId: $e) } }";
    let ids = json!({ "w": tenant.workspace, "p": tenant.project, "a": tenant.app, "e": tenant.production.id });
    for (who, client) in callers(platform, &owner, &table(&tenant.client).await).await {
        if !who.belongs() {
            continue;
        }
        let seen = client.data(query, ids.clone()).await;
        let held = |place: &str| &seen[place]["viewerGrants"];
        assert_eq!(held("workspace"), &seen["viewer"]["w"], "{who:?}");
        assert_eq!((held("project"), held("app")), (&seen["viewer"]["p"], &seen["viewer"]["p"]), "{who:?}");
        assert_eq!(held("environment"), &seen["viewer"]["e"], "{who:?}");
        assert_eq!(held("workspace") == &json!([]), who == Who::Reading, "{who:?}: {seen:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_reached_is_said_and_nothing_older_is_shown() {
    let platform = Platform::shared().await;
    let owner = Owner::new(platform).await;
    let client = &owner.tenant.client;
    let input = json!({ "appId": owner.tenant.app, "artifactDigest": owner.good_value("artifactDigest") });
    let made = client.done("deploymentCreate", "__typename", input).await;
    let position = text(&made["position"]);
    // All that the question leads to is awaited, not its root alone.
    let query =
        "query($app: ID!, $at: String) { app(id: $app, atLeastPosition: $at) { deployments { nodes { id } } } }";
    let seen = client.data(query, json!({ "app": owner.tenant.app, "at": position })).await;
    assert_eq!(seen["app"]["deployments"]["nodes"].as_array().map(Vec::len), Some(2), "{seen:#}");
    // In a transaction that there will not be.
    let mut parts = position.rsplitn(3, '-');
    let mut part = || parts.next().expect("a position ends with transaction and place");
    let (place, transaction, life) = (part(), part(), part());
    let never = format!("{life}-{}-{place}", transaction.parse::<u64>().expect("a number") + 1_000_000_000);
    let roots = Schema::checked_in().objects["Query"].iter().filter(|root| !OF_NOW.contains(&root.name.as_str()));
    let lines = "{ timeline(first: 1, atLeastPosition: $at) { nodes { type } } }";
    let lines = [format!("app(id: \"{}\") {lines}", owner.tenant.app), format!("viewer {lines}")];
    let asked: Vec<String> = roots.map(|root| at_position(&owner, root)).chain(lines).collect();
    let never = &never;
    let answers = asked.iter().map(|asked| async move {
        (asked, client.ask(&format!("query($at: String) {{ {asked} }}"), json!({ "at": never })).await)
    });
    for (asked, answer) in join_all(answers).await {
        let details = &answer["errors"][0]["extensions"];
        assert_eq!(
            (&details["code"], &details["rule"]),
            (&json!("CONFLICT"), &json!("NOT_REACHED")),
            "{asked}: {answer}"
        );
    }
}

/// What waits for nothing: the program's own words, a budget of this process, and who asks (whose timeline takes a position).
const OF_NOW: [&str; 5] = ["stateTaxonomy", "objectModel", "authorizationTable", "rateLimit", "viewer"];

/// A question of the schema, with what it must be given, as of `$at`.
fn at_position(owner: &Owner, root: &Output) -> String {
    let id = |field: &str| text(&owner.good_value(field));
    let given = match root.name.as_str() {
        "workspaces" | "regions" => String::new(),
        "node" => format!("id: \"{}\", ", owner.tenant.app),
        "artifact" => format!("id: \"{}\", ", unknown_id("art_")),
        "causationTree" => format!("operationId: \"{}\", ", id("operationId")),
        "replay" => format!("stream: \"{}\", ", id("environmentId")),
        "why" => format!("stream: \"{}\", path: \"/created\", ", id("environmentId")),
        "supportBundle" => format!("correlation: \"{}\", ", uuid(&id("operationId"))),
        noun => format!("id: \"{}\", ", id(&format!("{noun}Id"))),
    };
    format!("{}({given}atLeastPosition: $at) {{ __typename }}", root.name)
}

/// A promotion that has begun, where there is no host to run it: it waits until its deadline.
pub(crate) async fn waiting(owner: &Owner) -> String {
    let client = &owner.tenant.client;
    let input = json!({ "slug": unique("r"), "name": "Far away" });
    let region = text(&client.done("regionCreate", "region { id }", input).await["region"]["id"]);
    let input = json!({ "regionId": region, "slug": unique("c") });
    let cell = text(&client.done("cellCreate", "cell { id }", input).await["cell"]["id"]);
    let input =
        json!({ "appId": owner.tenant.app, "slug": "lonely", "kind": "PREVIEW", "regionId": region, "cellId": cell });
    let made = client.done("environmentCreate", "environment { id }", input).await;
    let input = json!({ "appId": owner.tenant.app, "artifactDigest": owner.good_value("artifactDigest"),
        "environmentId": made["environment"]["id"] });
    let operation = text(&client.done("deploymentCreate", "__typename", input).await["operation"]["id"]);
    until("the promotion waits", PATIENCE, async || {
        owner.tenant.operation(&operation).await.filter(|seen| seen["stage"] == "POLICY_CHECK")
    })
    .await;
    operation
}

fn told(owner: &Owner, green: &str, waiting: &str, epoch: &Value) -> Vec<Told> {
    let (preview, production) = (owner.tenant.preview.id.as_str(), owner.tenant.production.id.as_str());
    let blue = owner.id("deploymentId").expect("there is one");
    let (region, cell) = (text(&owner.good_value("regionId")), text(&owner.good_value("cellId")));
    let in_preview = |question: &str| format!("environment(id: \"{preview}\") {{ {question} }}");
    let with = |more: Value| {
        let mut input = json!({ "environmentId": preview });
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        input
    };
    let because = json!({ "reason": "because of a test" });
    let mut told = vec![
        Told::new(
            format!("environment(id: \"{production}\") {{ promotion(deploymentId: \"{green}\") $ }}"),
            "deploymentPromote",
            json!({ "environmentId": production, "deploymentId": green }),
        ),
        Told::new(
            in_preview(&format!("promotion(deploymentId: \"{blue}\") $")),
            "deploymentPromote",
            with(json!({ "deploymentId": blue })),
        ),
        Told::new(
            format!("deployment(id: \"{blue}\") {{ promotion(environmentId: \"{production}\") $ }}"),
            "deploymentPromote",
            json!({ "environmentId": production, "deploymentId": blue }),
        ),
        Told::new(
            format!("deployment(id: \"{blue}\") {{ rollbackPlan(environmentId: \"{preview}\") $ }}"),
            "environmentRollBack",
            with(json!({ "deploymentId": blue, "reason": "because of a test" })),
        ),
        Told::new(
            in_preview("rollbackPlan $"),
            "environmentRollBack",
            with(json!({ "deploymentId": blue, "reason": "because of a test" })),
        ),
        Told::new(in_preview("scalePlan(replicas: 1) $"), "environmentScale", with(json!({ "replicas": 1 }))),
        Told::new(in_preview("sleepReadiness $"), "environmentSleep", with(because.clone())),
        Told::new(
            in_preview(&format!("regionReadiness(regionId: \"{region}\", cellId: \"{cell}\") $")),
            "environmentRegionEnable",
            with(json!({ "regionId": region, "cellId": cell })),
        ),
        Told::new(
            in_preview(&format!("failover(regionId: \"{region}\") $")),
            "environmentFailover",
            with(json!({ "regionId": region, "sessions": "START_FRESH", "reason": "because of a test",
                "acknowledgements": [{ "gate": "sessions", "reason": "because of a test" }] })),
        ),
    ];
    for operation in [waiting, owner.id("operationId").expect("there is one")] {
        let input = json!({ "operationId": operation, "reason": "because of a test" });
        told.push(Told::new(format!("operation(id: \"{operation}\") {{ cancellable $ }}"), "operationCancel", input));
    }
    let digest = owner.good_value("artifactDigest");
    let never = json!({ "digest": digest, "reason": "because of a test" });
    let host = json!({ "host": "offered.example.com" });
    let exactly = json!({ "deploymentId": blue, "artifactDigest": digest, "expectedRouteEpoch": epoch });
    let app = owner.tenant.app.as_str();
    let source = json!({ "appId": app, "repository": "https://git.example.com/acme/shop" });
    for (field, mutation, input) in
        [("sourceSet", "appSourceSet", source), ("sourceRemove", "appSourceRemove", json!({ "appId": app }))]
    {
        told.push(Told::new(format!("app(id: \"{app}\") {{ affordances {{ {field} $ }} }}"), mutation, input));
    }
    told.extend(of_places(owner));
    told.extend(alone::of_members(owner));
    let variables = json!({ "variables": [{ "key": "GREETING", "value": "hello" }] });
    let url = "postgres://user:password@169.254.169.254/shop";
    let service = json!({ "service": "SESSION_STORE", "backend": "POSTGRES", "url": url });
    let resource = json!({ "resource": "EMAIL", "vendor": "HTTP", "url": "https://mail.example.com" });
    let commit = json!({ "repository": "https://git.example.com/acme/shop", "reference": "main" });
    let image = json!({ "image": "registry.example.com/acme/shop", "imageDigest": digest });
    for (field, mutation, more) in [
        ("deploymentBuild", "deploymentBuild", &commit),
        ("deploymentImport", "deploymentImport", &image),
        ("freeze", "environmentFreeze", &because),
        ("unfreeze", "environmentUnfreeze", &because),
        ("pinRelease", "environmentPinRelease", &because),
        ("quarantineLift", "environmentQuarantineLift", &never),
        ("hostAttach", "environmentHostAttach", &host),
        ("hostDetach", "environmentHostDetach", &json!({ "host": owner.tenant.preview.host })),
        ("providerBindingCreate", "providerBindingCreate", &resource),
        ("runtimeServiceBindingCreate", "runtimeServiceBindingCreate", &service),
        ("promotionApprove", "promotionApprove", &exactly),
        ("wake", "environmentWake", &because),
        ("sleepPolicySet", "environmentSleepPolicySet", &json!({ "sleepAfterSeconds": 900 })),
        ("drainPolicySet", "environmentDrainPolicySet", &json!({ "drainSeconds": 30 })),
        ("policySet", "environmentPolicySet", &json!({ "approvalsRequired": 0, "reason": "because of a test" })),
        ("residencySet", "environmentResidencySet", &json!({ "regionIds": [], "reason": "because of a test" })),
        ("variablesSet", "environmentVariablesSet", &variables),
    ] {
        told.push(Told::new(in_preview(&format!("affordances {{ {field} $ }}")), mutation, with(more.clone())));
    }
    told
}

/// What is told of workspaces, projects, apps, and of what stands in them.
fn of_places(owner: &Owner) -> Vec<Told> {
    let id = |field: &str| text(&owner.good_value(field));
    let (workspace, project, app) = (id("workspaceId"), id("projectId"), id("appId"));
    let (preview, because) = (id("environmentId"), "because of a test");
    let allocation = id("allocationId");
    let (slug, name) = (unique("offered"), "Offered");
    let repository = "https://git.example.com/acme/shop";
    let in_workspace = |field: &str, mutation, mut input: Value| {
        input["workspaceId"] = json!(workspace);
        Told::new(format!("workspace(id: \"{workspace}\") {{ affordances {{ {field} $ }} }}"), mutation, input)
    };
    let in_project = |field: &str, mutation, input| {
        Told::new(format!("project(id: \"{project}\") {{ affordances {{ {field} $ }} }}"), mutation, input)
    };
    let of_app = |field: &str, mutation, mut input: Value| {
        input["appId"] = json!(app);
        Told::new(format!("app(id: \"{app}\") {{ affordances {{ {field} $ }} }}"), mutation, input)
    };
    let of_credential = |field: &str, mutation, mut input: Value| {
        input["appId"] = json!(app);
        let question = format!("app(id: \"{app}\") {{ sourceCredentials {{ affordances {{ {field} $ }} }} }}");
        Told::new(question, mutation, input)
    };
    let mut told = vec![
        in_workspace("projectCreate", "projectCreate", json!({ "slug": slug, "name": name })),
        in_workspace("memberAdd", "memberAdd", json!({ "memberId": id("memberId"), "role": "MEMBER" })),
        in_workspace("memberInvite", "memberInvite", json!({ "role": "MEMBER" })),
        in_workspace("supportAccessGrant", "supportAccessGrant", json!({ "reason": because, "seconds": 60 })),
        in_project("appCreate", "appCreate", json!({ "projectId": project, "slug": slug, "name": name })),
        in_project("appImport", "appImport", json!({ "projectId": project, "slug": slug, "repository": repository })),
        of_app(
            "environmentCreate",
            "environmentCreate",
            json!({ "slug": slug, "kind": "PREVIEW",
            "regionId": id("regionId"), "cellId": id("cellId") }),
        ),
        of_app("deploymentCreate", "deploymentCreate", json!({ "artifactDigest": id("artifactDigest") })),
        of_app(
            "sourceCredentialSet",
            "appSourceCredentialSet",
            json!({ "host": "git.example.com",
            "username": "bot", "secret": "a secret of the tests" }),
        ),
        of_app("sourceCredentialRemove", "appSourceCredentialRemove", json!({ "host": "git.example.com" })),
        of_credential("remove", "appSourceCredentialRemove", json!({ "host": "git.example.com" })),
        of_credential(
            "set",
            "appSourceCredentialSet",
            json!({ "host": "git.example.com",
            "username": "bot", "secret": "a secret of the tests" }),
        ),
        Told::new(
            format!("workspace(id: \"{workspace}\") {{ support {{ affordances {{ end $ }} }} }}"),
            "supportAccessEnd",
            json!({ "workspaceId": workspace, "accessId": id("accessId") }),
        ),
        Told::new(
            format!(
                "workspace(id: \"{workspace}\") {{ invitations(first: 1) {{ nodes {{ affordances {{ revoke $ }} }} }} }}"
            ),
            "invitationRevoke",
            json!({ "workspaceId": workspace, "invitationId": id("invitationId") }),
        ),
        Told::new(
            format!("node(id: \"{allocation}\") {{ ... on Allocation {{ affordances {{ drain $ }} }} }}"),
            "allocationDrain",
            json!({ "allocationId": allocation }),
        ),
    ];
    for (noun, list) in [("providerBinding", "providerBindings"), ("runtimeServiceBinding", "runtimeServiceBindings")] {
        let of = json!({ "environmentId": preview, (format!("{noun}Id")): id(&format!("{noun}Id")) });
        for (word, mutation, more) in binding_mutations(noun) {
            let mut input = of.clone();
            input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
            let question = format!("environment(id: \"{preview}\") {{ {list} {{ affordances {{ {word} $ }} }} }}");
            told.push(Told::new(question, mutation, input));
        }
    }
    told
}

fn binding_mutations(noun: &str) -> [(&'static str, &'static str, Value); 3] {
    let url = json!({ "url": "postgres://another:password@169.254.169.254/shop" });
    let because = json!({ "reason": "because of a test" });
    if noun == "providerBinding" {
        return [
            ("verify", "providerBindingVerify", json!({})),
            ("rotate", "providerBindingRotate", url),
            ("disable", "providerBindingDisable", because),
        ];
    }
    [
        ("verify", "runtimeServiceBindingVerify", json!({})),
        ("rotate", "runtimeServiceBindingRotate", url),
        ("disable", "runtimeServiceBindingDisable", because),
    ]
}

/// What is told: the innermost object of the answer.
async fn offered(client: &Client, told: &Told) -> Value {
    let mut said = client.data(&format!("{{ {} }}", told.question.replace('$', SAID)), json!({})).await;
    while said.get("allowed").is_none() {
        let inner = said.as_object().and_then(|fields| fields.values().next()).or_else(|| said.get(0));
        said = inner.unwrap_or_else(|| panic!("{}: {said} tells nothing", told.question)).clone();
    }
    said
}

/// What is so, in the same words.
async fn tried(client: &Client, told: &Told) -> Value {
    let mut input = told.input.clone();
    input["dryRun"] = json!(true);
    let payload = client.mutate(told.mutation, "__typename", input).await;
    let refusal = &payload["userErrors"][0];
    json!({ "allowed": refusal.is_null(), "code": refusal["code"], "missingGrant": refusal["expected"] })
}

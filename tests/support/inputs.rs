//! One good input for every mutation, and what can be wrong with each field. A mutation without a good input, or a field
//! without bad ones, fails the tests that go by this table. The trap avoided: a new mutation that nobody tried to fool.

use crate::{
    artifacts::{self, Version},
    database::{Person, make_operator, person},
    graphql::unique,
    platform::Platform,
    schema::Field,
    story::{Tenant, text},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// Somebody who may do everything, with one of everything.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Who.
    pub person: Person,
    /// What is theirs.
    pub tenant: Tenant,
    digest: String,
    deployment: String,
    operation: String,
    allocation: String,
    provider_binding: String,
    runtime_service_binding: String,
    region: String,
    cell: String,
    host: String,
    access: String,
    invitation: String,
}

impl Owner {
    /// Somebody new.
    pub async fn new(platform: &Platform) -> Self {
        let person = person(platform).await;
        make_operator(platform, person.actor).await;
        let tenant = Tenant::open(platform, person.client.clone()).await;
        let digest = artifacts::push(&tenant.client, &tenant.workspace, Version::Blue).await;
        let input = json!({ "appId": tenant.app, "artifactDigest": digest, "environmentId": tenant.preview.id });
        let made = tenant.client.done("deploymentCreate", "deployment { id }", input).await;
        let operation = text(&made["operation"]["id"]);
        let input = json!({ "workspaceId": tenant.workspace, "reason": "a test", "seconds": 600 });
        let access = tenant.client.done("supportAccessGrant", "supportAccess { id }", input).await;
        let input = json!({ "workspaceId": tenant.workspace, "role": "MEMBER" });
        let invitation = tenant.client.done("memberInvite", "invitation { id }", input).await;
        tenant.succeeds(&operation).await;
        let allocation = text(&tenant.allocations(&tenant.preview).await[0]["id"]);
        let (provider_binding, runtime_service_binding) = bound(&tenant).await;
        let ids = platform.report().ids;
        Self {
            person,
            tenant,
            digest,
            deployment: text(&made["deployment"]["id"]),
            operation,
            allocation,
            provider_binding,
            runtime_service_binding,
            region: format!("reg_{}", ids.region.simple()),
            cell: format!("cell_{}", ids.cell.simple()),
            host: format!("host_{}", ids.host.simple()),
            access: text(&access["supportAccess"]["id"]),
            invitation: text(&invitation["invitation"]["id"]),
        }
    }

    /// Their id for this field; none for a field that is no id of a tenant's thing.
    pub fn id(&self, field: &str) -> Option<&str> {
        Some(match field {
            "workspaceId" => &self.tenant.workspace,
            "projectId" => &self.tenant.project,
            "appId" => &self.tenant.app,
            "environmentId" => &self.tenant.preview.id,
            "deploymentId" => &self.deployment,
            "operationId" => &self.operation,
            "allocationId" => &self.allocation,
            "providerBindingId" => &self.provider_binding,
            "runtimeServiceBindingId" => &self.runtime_service_binding,
            _ => return None,
        })
    }

    /// One good value for a field of this name.
    pub fn good_value(&self, field: &str) -> Value {
        if let Some(id) = self.id(field) {
            return json!(id);
        }
        match field {
            "variables" => json!([{ "key": "GREETING", "value": "hello", "kind": "PLAIN" }]),
            "key" => json!("GREETING"),
            "regionIds" => json!([self.region]),
            "dataTopology" => json!("REPLICATED"),
            "regionId" => json!(self.region),
            "cellId" => json!(self.cell),
            "hostId" => json!(self.host),
            "url" => json!(DATABASE),
            "resource" => json!("DATABASE"),
            "vendor" | "backend" => json!("POSTGRES"),
            "service" => json!("SESSION_STORE"),
            "repository" => json!("https://git.example.com/acme/shop.git"),
            "reference" => json!("main"),
            "image" => json!("registry.example.com/acme/shop"),
            "slug" => json!(unique("s")),
            "name" => json!("A name"),
            "contactEmail" => json!("ada@example.org"),
            "kind" => json!("STAGING"),
            "capacity" => json!(256),
            "timeoutSeconds" => json!(600),
            "osVersion" | "runnerVersion" | "note" => json!("1.2.3"),
            "drainSeconds" => json!(10),
            "standbySeconds" => json!(100),
            "sleepAfterSeconds" => json!(900),
            "artifactDigest" | "digest" | "imageDigest" => json!(self.digest),
            "expectedVersion" | "expectedRouteEpoch" | "replicas" | "expectedReplicas" => json!(1),
            "approvalsRequired" | "expectedSet" => json!(0),
            "migrationId" => json!("0001_orders"),
            "sessions" => json!("START_FRESH"),
            "evidence" => json!("the migration tool said so"),
            "acknowledgements" => json!([{ "gate": "vango_state", "reason": "because of a test" }]),
            "reason" | "sharedBecause" => json!("because of a test"),
            "username" => json!("deploy-bot"),
            "host" => json!(format!("{}.test", unique("h"))),
            "accessId" => json!(self.access),
            "invitationId" => json!(self.invitation),
            "secret" => json!(format!("rhone_inv_{}", "x".repeat(43))),
            "memberId" => json!("00000000-0000-7000-8000-00000000000b"),
            "role" => json!("MEMBER"),
            "grants" => json!(["roll_back"]),
            "seconds" | "expiresInSeconds" => json!(60),
            "tokenId" | "sessionId" => json!("00000000-0000-7000-8000-000000000009"),
            "idempotencyKey" => json!(unique("key")),
            "dryRun" => json!(false),
            other => panic!("the field `{other}` has no good value in {}", file!()),
        }
    }

    /// An input that breaks no rule of form.
    pub fn good_input(&self, fields: &[Field]) -> Value {
        let mut input = json!({});
        // What was decided on is another number each time.
        let manner = ["idempotencyKey", "dryRun", "expectedVersion"];
        for field in fields.iter().filter(|field| !manner.contains(&field.name.as_str())) {
            input[&field.name] = self.good_value(&field.name);
        }
        input
    }
}

/// Where no probe may reach, so that nothing ever comes of it.
const DATABASE: &str = "postgres://user:password@169.254.169.254/shop";

/// One binding of each noun.
async fn bound(tenant: &Tenant) -> (String, String) {
    let environment = tenant.preview.id.as_str();
    let input = json!({ "environmentId": environment, "resource": "DATABASE", "vendor": "POSTGRES", "url": DATABASE });
    let resource = tenant.client.done("providerBindingCreate", "__typename", input).await;
    let input =
        json!({ "environmentId": environment, "service": "SESSION_STORE", "backend": "POSTGRES", "url": DATABASE });
    let service = tenant.client.done("runtimeServiceBindingCreate", "__typename", input).await;
    // Nothing is under way there any more when a test begins: what is refused for that is refused for another reason.
    for asked in [resource, service] {
        tenant.ends(&text(&asked["operation"]["id"])).await;
    }
    let query = "query($id: ID!) { environment(id: $id) { providerBindings { binding { id } }
        runtimeServiceBindings { binding { id } } } }";
    let look = async || {
        let made = tenant.client.data(query, json!({ "id": environment })).await["environment"].clone();
        made.is_object().then_some(made)
    };
    let made = until("the environment can be read", PATIENCE, look).await;
    let id = |noun: &str| text(&made[noun][0]["binding"]["id"]);
    (id("providerBindings"), id("runtimeServiceBindings"))
}

/// A text larger than any field takes, and smaller than any body.
fn oversized() -> String {
    "x".repeat(20_000)
}

/// An id of this prefix that nobody was given.
pub fn unknown_id(like: &str) -> String {
    let prefix = like.split_once('_').map_or("", |(prefix, _)| prefix);
    format!("{prefix}_0190000000007000800000000000dead")
}

/// What can be wrong with a field, each with a word for it.
pub fn bad_values(field: &Field) -> Vec<(&'static str, Value)> {
    let mut bad = match field.kind.trim_end_matches('!') {
        "ID" => bad_id(),
        "Int" => vec![
            ("text", json!("one")),
            ("negative", json!(-1)),
            ("fraction", json!(1.5)),
            ("beyond 64 bits", json!(1e30)),
        ],
        "[AcknowledgementInput!]" => vec![
            ("text", json!("yes")),
            ("of no gate", json!([{ "gate": "artifact", "reason": "why not" }])),
            ("without a gate", json!([{ "reason": "why not" }])),
            ("without a reason", json!([{ "gate": "database", "reason": "" }])),
            ("null within", json!([null])),
            ("too many", json!(vec![json!({ "gate": "database", "reason": "why not" }); 3])),
        ],
        "Boolean" => vec![("text", json!("yes")), ("number", json!(1))],
        "[EnvironmentVariableInput!]" => bad_variables(),
        "SessionFate" => vec![("unknown", json!("TELEPORT")), ("empty", json!("")), ("number", json!(7))],
        "EnvironmentKind" => vec![("unknown", json!("HUGE")), ("empty", json!("")), ("number", json!(7))],
        "MemberRole" => vec![("unknown", json!("KING")), ("empty", json!("")), ("number", json!(7))],
        "[ID!]" => vec![
            ("malformed", json!(["nonsense"])),
            ("of another kind", json!(["zzz_0190000000007000800000000000dead"])),
            ("null within", json!([null])),
            ("too many", json!(vec![unknown_id("reg_x"); 33])),
        ],
        "[String!]" => vec![("unknown", json!(["fly"])), ("empty", json!([""])), ("a number", json!([7]))],
        "DataTopology" | "ProviderResource" | "ProviderVendor" | "RuntimeService" | "RuntimeServiceBackend" => {
            vec![("unknown", json!("HUGE")), ("empty", json!("")), ("number", json!(7))]
        }
        "String" | "HiddenText" => [bad_text(field), all_text()].concat(),
        other => panic!("no bad values are known for the type `{other}` in {}", file!()),
    };
    if field.name == "approvalsRequired" {
        bad.push(("more than a team has", json!(11)));
    }
    if ["drainSeconds", "standbySeconds", "seconds", "sleepAfterSeconds", "expiresInSeconds"]
        .contains(&field.name.as_str())
    {
        bad.push(("for ever", json!(4_000_000_000_000_u64)));
    }
    if !field.optional {
        bad.push(("null", Value::Null));
    }
    bad
}

/// Lists of variables, each with one that is wrong.
fn bad_variables() -> Vec<(&'static str, Value)> {
    let with = |key: &str, value: Value| json!([{ "key": "FINE", "value": "fine" }, { "key": key, "value": value }]);
    vec![
        ("text", json!("GREETING=hello")),
        ("nothing", json!([])),
        ("a malformed key", with("lower", json!("x"))),
        ("an empty key", with("", json!("x"))),
        ("a key of the platform's", with("PORT", json!("x"))),
        ("another key of the platform's", with("RHONE_REGION", json!("x"))),
        ("a key that is too long", with(&"K".repeat(256), json!("x"))),
        ("a key twice", with("FINE", json!("x"))),
        ("a NUL", with("OTHER", json!("a\u{0}b"))),
        ("a number", with("OTHER", json!(7))),
        ("an object", with("OTHER", json!({ "a": 1 }))),
        ("a value that is too long", with("OTHER", json!("x".repeat(40_000)))),
        ("an unknown kind", json!([{ "key": "FINE", "value": "fine", "kind": "OPEN" }])),
    ]
}

fn bad_id() -> Vec<(&'static str, Value)> {
    vec![
        ("empty", json!("")),
        ("malformed", json!("nonsense")),
        ("of another kind", json!("zzz_0190000000007000800000000000dead")),
        ("cut off", json!("app_01900000000070008000")),
        ("not hexadecimal", json!("app_zzzz000000007000800000000000dead")),
        ("NUL", json!("app_019000000000700080000000000\u{0}dead")),
        ("oversized", json!(oversized())),
        ("a list", json!([7])),
    ]
}

fn all_text() -> Vec<(&'static str, Value)> {
    vec![
        ("empty", json!("")),
        ("NUL", json!("a\u{0}b")),
        ("oversized", json!(oversized())),
        ("a number", json!(7)),
        ("an object", json!({ "a": 1 })),
    ]
}

fn bad_text(field: &Field) -> Vec<(&'static str, Value)> {
    let digits = "0".repeat(63);
    let of = |values: Vec<String>| values.into_iter().map(|value| ("malformed", json!(value))).collect();
    let plain = |values: &[&str]| of(values.iter().map(|value| (*value).to_owned()).collect());
    match field.name.as_str() {
        // Neither an app's hostname nor an invitation.
        "host" if field.of.starts_with("AppSourceCredential") => {
            plain(&["a..test", "a b.test", "http://a.test", "a.test/x", "u@a.test", "a.test:0", "169.254.169.254"])
        }
        "secret" if field.of.starts_with("AppSourceCredential") => of(vec!["two\nlines".into(), "s".repeat(6_145)]),
        "username" => of(vec!["two words".into(), "größe".into(), "a:b".into(), "u".repeat(256)]),
        "slug" => of(vec![
            "ab".into(),
            "-abc".into(),
            "abc-".into(),
            "a--b".into(),
            "UPPER".into(),
            "größe".into(),
            "a b".into(),
            "a".repeat(64),
        ]),
        "name" | "osVersion" | "runnerVersion" => of(vec!["   ".into(), "two\nlines".into(), "n".repeat(101)]),
        "repository" => plain(&[
            "shop",
            "ext::sh -c id",
            "--upload-pack=id",
            "https://user:password@git.example.com/shop",
            "http://169.254.169.254/latest",
            "ssh://git@git.example.com/shop",
        ]),
        "reference" => plain(&["--force", "a b", "a..b", "a:b", "größe", "a@{1}"]),
        "image" => {
            plain(&["shop", "registry.example.com/Shop", "registry.example.com/shop:1", "https://r.example.com/a"])
        }
        "migrationId" => of(vec!["two words".into(), "größe".into(), "a/b".into(), "m".repeat(201)]),
        "evidence" => of(vec!["   ".into(), "two\nlines".into(), "e".repeat(2001)]),
        "url" => plain(&["nonsense", "mysql://user@db.example.org/shop", "postgres://db.example.org"]),
        "reason" | "note" | "sharedBecause" => of(vec!["   ".into(), "two\nlines".into(), "r".repeat(501)]),
        "contactEmail" => {
            of(vec!["nobody".into(), "a b@example.org".into(), format!("{}@example.org", "e".repeat(300))])
        }
        "host" => {
            plain(&["localhost", "a..test", "-a.test", "1.2.3.4", "a.test:80", "*.a.test", "a b.test", "http://a.test"])
        }
        "artifactDigest" | "digest" | "imageDigest" => of(vec![
            "sha256:".into(),
            format!("sha256:{digits}"),
            format!("sha256:{digits}z"),
            format!("sha256:{digits}A"),
            format!("md5:{digits}0"),
            format!("{digits}0"),
        ]),
        "idempotencyKey" => of(vec!["two words".into(), "schlüssel".into(), "k".repeat(256)]),
        "key" => {
            of(vec!["lower".into(), "A-B".into(), "PORT".into(), "RHONE_X".into(), "K".repeat(256), "NOT_SET".into()])
        }
        "secret" => {
            of(vec!["nonsense".into(), format!("rhone_inv_{}", "x".repeat(42)), format!("rhone_{}", "x".repeat(43))])
        }
        "tokenId" | "memberId" | "sessionId" => plain(&["nonsense", "00000000-0000-7000-8000-00000000000g"]),
        other => panic!("no bad values are known for the text `{other}` in {}", file!()),
    }
}

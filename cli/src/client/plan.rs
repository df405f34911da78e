//! From words to what is asked: each verb is a mutation with its input, a question, or work with a folder. Pure.

mod binding;
mod environment;
mod member;
mod named;
mod places;
mod release;

use super::{
    args::{ArtifactVerb, Daily, How, InvitationVerb, Noun, OperationVerb, RouteVerb, TokenVerb},
    deploy::DeployArgs,
    history_args::Past,
    image,
    invitation::Invite,
    list::Listing,
    logs_args::LogsArgs,
    mutation::{self, Mutation},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Plan {
    /// A mutation.
    Change(&'static Mutation, Value),
    /// An environment, in the place of `rhone up` where none is named.
    Environment(Value),
    /// All of something, of the thing with this id.
    List(&'static Listing, Option<String>),
    /// One app.
    App(String),
    /// An app's timeline.
    Timeline { app: String, environment: Option<String> },
    /// One environment.
    ShowEnvironment(String),
    /// An environment's variables.
    Variables(String),
    /// A secret, from standard input or a file.
    Secret { environment: String, key: String, file: Option<PathBuf>, expected_set: Option<u64> },
    /// An app's source credentials.
    Credentials(String),
    /// A mutation with a field whose value comes from standard input or a file.
    Confidential { mutation: &'static Mutation, field: &'static str, input: Value, file: Option<PathBuf> },
    /// A mutation that tells a secret, once.
    Telling(&'static Mutation, Value),
    /// Packing only.
    Pack { folder: PathBuf, out: Option<PathBuf> },
    /// An image of a folder.
    Image(image::Write),
    /// Packing, uploading, registering.
    Push { folder: PathBuf, workspace: String },
    /// The same, then a deployment.
    Deploy { app: String, folder: PathBuf, environment: Option<String> },
    /// A release of a commit or an image.
    Build(Box<DeployArgs>),
    /// One deployment.
    Deployment(String),
    /// One operation.
    Operation(String),
    /// One operation, to its end.
    Watch(String),
    /// An invitation, whose secret is shown.
    Invite(Invite),
    /// Who belongs to a workspace, and who is invited.
    Members(String),
    /// A secret that lets the caller in; from standard input when it is not said.
    Accept(Option<String>),
    /// A token's life.
    Token(TokenVerb),
    /// A token that a person lets us have, or that is in a file.
    Login { url: Option<String>, token: Option<PathBuf> },
    /// The end of that one.
    Logout,
    /// Who asks.
    Whoami,
    /// A question about the past.
    Past(Past),
    /// What is asked for every day.
    Daily(Daily),
    /// Logs.
    Logs(LogsArgs),
}

impl Plan {
    /// Whether a dry run changes nothing: it only asks, or the API judges it without doing it.
    pub(super) fn can_be_tried(&self) -> bool {
        let does = matches!(self, Self::Push { .. } | Self::Deploy { .. } | Self::Login { .. } | Self::Logout);
        let writes = matches!(self, Self::Image(_) | Self::Pack { out: Some(_), .. } | Self::Daily(Daily::Link(_)));
        !does && !writes
    }
}

/// What the words mean.
pub(super) fn of(noun: Noun) -> (Plan, How) {
    use Plan::{Change, Operation, Watch};
    match noun {
        Noun::Deploy(args) => {
            let how = args.how.clone();
            (Plan::Build(Box::new(args)), how)
        }
        Noun::Region(verbs) => (places::region(verbs.verb), verbs.how),
        Noun::Cell(verbs) => (places::cell(verbs.verb), verbs.how),
        Noun::Host(verbs) => (places::host(verbs.verb), verbs.how),
        Noun::Workspace(verbs) => (places::workspace(verbs.verb), verbs.how),
        Noun::Member(verbs) => (member::member(verbs.verb), verbs.how),
        Noun::Invitation(verbs) => {
            let InvitationVerb::Accept { secret } = verbs.verb;
            (Plan::Accept(secret), verbs.how)
        }
        Noun::Project(verbs) => (places::project(verbs.verb), verbs.how),
        Noun::App(verbs) => (places::app(verbs.verb), verbs.how),
        Noun::Environment(verbs) => (environment::environment(verbs.verb), verbs.how),
        Noun::Env(verbs) => (environment::env(verbs.verb), verbs.how),
        Noun::Credential(verbs) => (environment::credential(verbs.verb), verbs.how),
        Noun::Artifact(verbs) => match verbs.verb {
            ArtifactVerb::Pack { folder, out } => (Plan::Pack { folder, out }, verbs.how),
            ArtifactVerb::Image { folder, deployment, out, push, username, password_file: password } => {
                let of = match (folder, deployment) {
                    (Some(folder), _) => image::Of::Folder(folder),
                    (None, deployment) => image::Of::Deployment(deployment.unwrap_or_default()),
                };
                (Plan::Image(image::Write { of, out, push, username, password }), verbs.how)
            }
            ArtifactVerb::Push { folder, workspace } => (Plan::Push { folder, workspace }, verbs.how),
        },
        Noun::Deployment(verbs) => (release::deployment(verbs.verb), verbs.how),
        Noun::Allocation(verbs) => (release::allocation(verbs.verb), verbs.how),
        Noun::Migration(verbs) => (release::migration(verbs.verb), verbs.how),
        Noun::Binding(verbs) => (binding::binding(verbs.verb), verbs.how),
        Noun::Support(verbs) => (member::support(verbs.verb), verbs.how),
        Noun::Operation(verbs) => match verbs.verb {
            OperationVerb::List(words) => (Plan::Daily(Daily::Operations(words)), verbs.how),
            OperationVerb::Show { operation } => (Operation(operation), verbs.how),
            OperationVerb::Watch { operation } => (Watch(operation), verbs.how),
            OperationVerb::Cancel { operation, reason } => {
                let input = json!({ "operationId": operation, "reason": reason });
                (Change(&mutation::OPERATION_CANCEL, input), verbs.how)
            }
        },
        Noun::Route(verbs) => {
            let RouteVerb::Show { host } = verbs.verb;
            (Plan::Daily(Daily::Route(host)), verbs.how)
        }
        Noun::Promote(words) => followed(words.how.clone(), words.ground.detach, Daily::Promote(words)),
        Noun::Rollback(words) => followed(words.how.clone(), words.ground.detach, Daily::Rollback(words)),
        Noun::Link(words) => (Plan::Daily(Daily::Link(words.clone())), words.how),
        Noun::Status(words) => (Plan::Daily(Daily::Status(words.clone())), words.how),
        Noun::Open(words) => (Plan::Daily(Daily::Open(words.clone())), words.how),
        Noun::Token(verbs) => (Plan::Token(verbs.verb), verbs.how),
        Noun::Login { url, token_file, how } => (Plan::Login { url, token: token_file }, how),
        Noun::Logout(how) => (Plan::Logout, how),
        Noun::Whoami(how) => (Plan::Whoami, how),
        Noun::Timeline(asked) => past(asked.json, Past::Timeline(asked)),
        Noun::Explain(asked) => past(asked.json, Past::Explain(asked)),
        Noun::History(asked) => past(asked.json, Past::History(asked)),
        Noun::SupportBundle(asked) => past(asked.json, Past::SupportBundle(asked)),
        Noun::Logs(asked) => {
            let how = How::printing(asked.json);
            (Plan::Logs(asked), how)
        }
    }
}

/// A mutation with more of its input.
fn with(mutation: &'static Mutation, mut input: Value, more: Value) -> Plan {
    if let (Value::Object(input), Value::Object(more)) = (&mut input, more) {
        input.extend(more);
    }
    Plan::Change(mutation, input)
}

/// What is taken upon oneself, as the API takes it.
pub(super) fn acknowledged(said: &[(String, String)]) -> Vec<Value> {
    said.iter().map(|(gate, reason)| json!({ "gate": gate, "reason": reason })).collect()
}

fn past(json: bool, asked: Past) -> (Plan, How) {
    (Plan::Past(asked), How::printing(json))
}

/// Whoever changes a route by hand wants to see what becomes of it.
fn followed(how: How, detach: bool, daily: Daily) -> (Plan, How) {
    let wait = how.wait || !detach;
    (Plan::Daily(daily), How { wait, ..how })
}

#[cfg(test)]
mod tests {
    //! Words mean what they say.
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        noun: Noun,
    }

    fn plan(words: &str) -> (Plan, How) {
        let line = Line::try_parse_from(std::iter::once("rhone").chain(words.split(' ')));
        of(line.unwrap_or_else(|error| panic!("{error}")).noun)
    }

    #[test]
    fn a_promotion_carries_its_epoch_and_waits_when_asked_to() {
        let (plan, how) =
            plan("deployment promote dep_1 --environment env_1 --expected-epoch 3 --reason ready --wait --json");
        let Plan::Change(mutation, input) = plan else { panic!("{plan:?}") };
        assert_eq!(mutation.name, "deploymentPromote");
        assert_eq!(input["expectedRouteEpoch"], 3);
        assert_eq!((how.wait, how.json, how.timeout), (true, true, None));
    }

    #[test]
    fn a_secret_never_stands_among_the_words() {
        let (plan, _) = plan("env set env_1 GREETING=a=b EMPTY=");
        let Plan::Change(mutation, input) = plan else { panic!("{plan:?}") };
        assert_eq!(mutation.name, "environmentVariablesSet");
        assert_eq!(input["variables"][0], json!({ "key": "GREETING", "value": "a=b", "kind": "PLAIN" }));
        assert!(matches!(self::plan("env set env_1 --secret TOKEN").0, Plan::Secret { file: None, .. }));
        assert!(Line::try_parse_from(["rhone", "env", "set", "env_1", "TOKEN=x", "--secret", "TOKEN"]).is_err());
        assert!(Line::try_parse_from(["rhone", "env", "set", "env_1"]).is_err());
        let Plan::Confidential { input, file: None, .. } = self::plan("credential set git.example.com --app app_1").0
        else {
            panic!("a secret comes from standard input");
        };
        assert_eq!((&input["host"], &input["username"]), (&json!("git.example.com"), &json!("git")));
        assert!(
            Line::try_parse_from(["rhone", "credential", "set", "git.example.com", "s3cret", "--app", "a"]).is_err()
        );
    }

    #[test]
    fn every_word_is_the_mutation_that_it_says_with_what_it_was_told() {
        for (words, name, (field, value)) in [
            ("host cordon host_1 --reason r", "hostCordon", ("hostId", json!("host_1"))),
            ("host uncordon host_1 --reason r", "hostUncordon", ("reason", json!("r"))),
            ("host capacity host_1 --allocations 4", "hostCapacitySet", ("capacity", json!(4))),
            ("host drain host_1 --reason r --within-seconds 60", "hostDrain", ("timeoutSeconds", json!(60))),
            (
                "host upgrade-done host_1 --operation op_1 --os-version 12 --runner-version 1 --note n",
                "hostUpgradeDone",
                ("osVersion", json!("12")),
            ),
            ("member add u --workspace ws_1 --role admin", "memberAdd", ("role", json!("ADMIN"))),
            ("member role u --workspace ws_1 --role member", "memberRoleSet", ("memberId", json!("u"))),
            ("member remove u --workspace ws_1", "memberRemove", ("workspaceId", json!("ws_1"))),
            ("member grants u --project prj_1 --grant deploy", "memberProjectGrantsSet", ("grants", json!(["deploy"]))),
            ("member grants u --environment env_1", "memberEnvironmentGrantsSet", ("grants", json!([]))),
            ("support grant --workspace ws_1 --reason r --hours 2", "supportAccessGrant", ("seconds", json!(7_200))),
            ("support end sup_1 --workspace ws_1", "supportAccessEnd", ("accessId", json!("sup_1"))),
            ("environment scale env_1 --replicas 3", "environmentScale", ("replicas", json!(3))),
            ("environment sleep env_1 --reason r", "environmentSleep", ("reason", json!("r"))),
            ("environment wake env_1 --reason r", "environmentWake", ("environmentId", json!("env_1"))),
            (
                "environment sleep-policy env_1 --after-seconds 60",
                "environmentSleepPolicySet",
                ("sleepAfterSeconds", json!(60)),
            ),
            (
                "environment policy env_1 --approvals 2 --reason r",
                "environmentPolicySet",
                ("approvalsRequired", json!(2)),
            ),
            (
                "environment residency env_1 --region reg_1 --region reg_2 --reason r",
                "environmentResidencySet",
                ("regionIds", json!(["reg_1", "reg_2"])),
            ),
            (
                "environment region-enable env_1 --region reg_1 --cell cell_1 --data-topology replicated",
                "environmentRegionEnable",
                ("dataTopology", json!("REPLICATED")),
            ),
            (
                "environment region-disable env_1 --region reg_1 --reason r",
                "environmentRegionDisable",
                ("regionId", json!("reg_1")),
            ),
            (
                "environment failover env_1 --region reg_1 --sessions start-fresh --reason r",
                "environmentFailover",
                ("sessions", json!("START_FRESH")),
            ),
            ("allocation drain alc_1 --drain-seconds 5", "allocationDrain", ("drainSeconds", json!(5))),
            (
                "deployment approve dep_1 --environment env_1 --digest sha256:1 --expected-epoch 2",
                "promotionApprove",
                ("expectedRouteEpoch", json!(2)),
            ),
            (
                "migration record m1 --environment env_1 --deployment dep_1 --evidence e --acknowledge database=why",
                "migrationRecord",
                ("acknowledgements", json!([{ "gate": "database", "reason": "why" }])),
            ),
            (
                "migration restore m1 --environment env_1 --evidence e --reason r",
                "migrationRestore",
                ("migrationId", json!("m1")),
            ),
            (
                "binding service env_1 --service session-store --backend memory --without-url",
                "runtimeServiceBindingCreate",
                ("service", json!("SESSION_STORE")),
            ),
            ("binding verify pb_1 --environment env_1", "providerBindingVerify", ("providerBindingId", json!("pb_1"))),
            (
                "binding disable env_1 --binding rsb_1 --reason r",
                "runtimeServiceBindingDisable",
                ("runtimeServiceBindingId", json!("rsb_1")),
            ),
        ] {
            let Plan::Change(mutation, input) = plan(words).0 else { panic!("{words} changes something") };
            assert_eq!((mutation.name, &input[field]), (name, &value), "{words}");
        }
        let words = "binding provider env_1 --resource database --vendor postgres";
        let Plan::Confidential { mutation, field, input, file: None } = plan(words).0 else {
            panic!("a URL comes from standard input");
        };
        assert_eq!((mutation.name, field, &input["vendor"]), ("providerBindingCreate", "url", &json!("POSTGRES")));
        assert!(matches!(plan("support token sup_1 --name n").0, Plan::Telling(..)));
    }

    #[test]
    fn what_cannot_be_tried_is_not_tried() {
        for (words, can) in [
            ("environment freeze env_1 --reason r", true),
            ("deployment create --app app_1 --digest sha256:1", true),
            ("app show app_1", true),
            ("artifact pack d", true),
            ("artifact pack d --out f", false),
            ("artifact push d --workspace ws_1", false),
            ("deployment create --app app_1 --dir d", false),
            ("link env_1", false),
            ("login", false),
            ("logout", false),
        ] {
            assert_eq!(plan(&format!("{words} --dry-run")).0.can_be_tried(), can, "{words}");
        }
    }

    #[test]
    fn a_name_is_the_slug_unless_it_is_given() {
        let (plan, _) = plan("region create --slug eu-west");
        let Plan::Change(_, input) = plan else { panic!("{plan:?}") };
        assert_eq!(input, json!({ "slug": "eu-west", "name": "eu-west" }));
    }

    #[test]
    fn an_app_is_imported_by_its_address_and_called_after_it_unless_a_name_is_given() {
        let (plan, _) = plan("app import https://git.example.com/acme/shop.git --project prj_1");
        let Plan::Change(mutation, input) = plan else { panic!("{plan:?}") };
        assert_eq!((mutation.name, &input["projectId"]), ("appImport", &json!("prj_1")));
        assert_eq!(input["repository"], "https://git.example.com/acme/shop.git");
        assert!(["slug", "name", "reference"].iter().all(|left_out| input[left_out].is_null()), "{input}");
        let (plan, _) = self::plan("app source-set /srv/shop --app app_1 --reference next --expected-version 3");
        let Plan::Change(mutation, input) = plan else { panic!("{plan:?}") };
        assert_eq!((mutation.name, &input["reference"]), ("appSourceSet", &json!("next")));
        assert_eq!((&input["appId"], &input["expectedVersion"]), (&json!("app_1"), &json!(3)));
    }

    #[test]
    fn an_invitation_is_made_for_a_role_and_accepted_by_its_secret() {
        let Plan::Invite(asked) = plan("member invite --workspace ws_1 --role admin --days 3").0 else {
            panic!("an invitation is made");
        };
        assert_eq!((asked.workspace.as_str(), asked.role.word(), asked.days), ("ws_1", "ADMIN", Some(3)));
        assert!(Line::try_parse_from(["rhone", "member", "invite", "--workspace", "ws_1"]).is_err());
        assert!(matches!(plan("invitation accept s").0, Plan::Accept(Some(secret)) if secret == "s"));
        assert!(matches!(plan("invitation accept").0, Plan::Accept(None)));
        let (Plan::Change(mutation, input), _) = plan("member revoke inv_1 --workspace ws_1") else {
            panic!("a revocation is a change");
        };
        assert_eq!((mutation.name, &input["invitationId"]), ("invitationRevoke", &json!("inv_1")));
    }

    #[test]
    fn a_deployment_is_of_a_folder_or_of_a_digest() {
        assert!(Line::try_parse_from(["rhone", "deployment", "create", "--app", "app_1"]).is_err());
        assert!(matches!(plan("deployment create --app app_1 --dir d").0, Plan::Deploy { .. }));
        assert!(matches!(plan("deployment create --app app_1 --digest sha256:1").0, Plan::Change(..)));
    }
}

//! From words to what is asked: each verb is a mutation with its input, a question, or work with a folder. Pure.

use super::{
    args::{
        AppVerb, ArtifactVerb, CellVerb, CredentialVerb, Daily, DeploymentVerb, EnvVerb, EnvironmentKind,
        EnvironmentVerb, HostVerb, Hostname, How, InvitationVerb, MemberVerb, Named, Noun, OfHost, OperationVerb,
        ProjectVerb, Reasoned, RegionVerb, RouteVerb, TokenVerb, WorkspaceVerb,
    },
    deploy::DeployArgs,
    history_args::Past,
    image,
    invitation::Invite,
    list::{self, Listing},
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
    /// One of them, whose secret comes from standard input or a file.
    Credential { input: Value, file: Option<PathBuf> },
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
    /// A token that a person lets us have.
    Login(Option<String>),
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

/// What the words mean.
pub(super) fn of(noun: Noun) -> (Plan, How) {
    use Plan::{Change, Operation, Watch};
    match noun {
        Noun::Deploy(args) => {
            let how = args.how.clone();
            (Plan::Build(Box::new(args)), how)
        }
        Noun::Region(verbs) => (region(verbs.verb), verbs.how),
        Noun::Cell(verbs) => (cell(verbs.verb), verbs.how),
        Noun::Host(verbs) => (host(verbs.verb), verbs.how),
        Noun::Workspace(verbs) => (workspace(verbs.verb), verbs.how),
        Noun::Member(verbs) => (member(verbs.verb), verbs.how),
        Noun::Invitation(verbs) => {
            let InvitationVerb::Accept { secret } = verbs.verb;
            (Plan::Accept(secret), verbs.how)
        }
        Noun::Project(verbs) => (project(verbs.verb), verbs.how),
        Noun::App(verbs) => (app(verbs.verb), verbs.how),
        Noun::Environment(verbs) => (environment(verbs.verb), verbs.how),
        Noun::Env(verbs) => (env(verbs.verb), verbs.how),
        Noun::Credential(verbs) => (credential(verbs.verb), verbs.how),
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
        Noun::Deployment(verbs) => (deployment(verbs.verb), verbs.how),
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
        Noun::Login { url, how } => (Plan::Login(url), how),
        Noun::Logout(how) => (Plan::Logout, how),
        Noun::Whoami(how) => (Plan::Whoami, how),
        Noun::Timeline(asked) => (Plan::Past(Past::Timeline(asked)), How::default()),
        Noun::Explain(asked) => (Plan::Past(Past::Explain(asked)), How::default()),
        Noun::History(asked) => (Plan::Past(Past::History(asked)), How::default()),
        Noun::Logs(asked) => (Plan::Logs(asked), How::default()),
        Noun::SupportBundle(asked) => (Plan::Past(Past::SupportBundle(asked)), How::default()),
    }
}

/// Whoever changes a route by hand wants to see what becomes of it.
fn followed(how: How, detach: bool, daily: Daily) -> (Plan, How) {
    let wait = how.wait || !detach;
    (Plan::Daily(daily), How { wait, ..how })
}

fn called(Named { slug, name }: Named, mut input: Value) -> Value {
    input["name"] = json!(name.unwrap_or_else(|| slug.clone()));
    input["slug"] = json!(slug);
    input
}

fn region(verb: RegionVerb) -> Plan {
    match verb {
        RegionVerb::Create(named) => Plan::Change(&mutation::REGION_CREATE, called(named, json!({}))),
        RegionVerb::List => Plan::List(&list::REGIONS, None),
    }
}

fn cell(verb: CellVerb) -> Plan {
    match verb {
        CellVerb::Create { region, slug } => {
            Plan::Change(&mutation::CELL_CREATE, json!({ "regionId": region, "slug": slug }))
        }
        CellVerb::List { region } => Plan::List(&list::CELLS, Some(region)),
    }
}

fn host(verb: HostVerb) -> Plan {
    match verb {
        HostVerb::Create { cell, slug } => {
            Plan::Change(&mutation::HOST_CREATE, json!({ "cellId": cell, "slug": slug }))
        }
        HostVerb::Retire { host, reason } => {
            Plan::Change(&mutation::HOST_RETIRE, json!({ "hostId": host, "reason": reason }))
        }
        HostVerb::List { cell } => Plan::List(&list::HOSTS, Some(cell)),
    }
}

fn project(verb: ProjectVerb) -> Plan {
    match verb {
        ProjectVerb::Create { workspace, named } => {
            Plan::Change(&mutation::PROJECT_CREATE, called(named, json!({ "workspaceId": workspace })))
        }
        ProjectVerb::List { workspace } => Plan::List(&list::PROJECTS, Some(workspace)),
    }
}

fn workspace(verb: WorkspaceVerb) -> Plan {
    match verb {
        WorkspaceVerb::Create { named, contact_email } => {
            Plan::Change(&mutation::WORKSPACE_CREATE, called(named, json!({ "contactEmail": contact_email })))
        }
        WorkspaceVerb::List => Plan::List(&list::WORKSPACES, None),
    }
}

fn member(verb: MemberVerb) -> Plan {
    match verb {
        MemberVerb::Invite { workspace, role, days } => Plan::Invite(Invite { workspace, role, days }),
        MemberVerb::List { workspace } => Plan::Members(workspace),
        MemberVerb::Revoke { invitation, workspace } => {
            let input = json!({ "workspaceId": workspace, "invitationId": invitation });
            Plan::Change(&mutation::INVITATION_REVOKE, input)
        }
    }
}

fn app(verb: AppVerb) -> Plan {
    match verb {
        AppVerb::Create { project, named } => {
            Plan::Change(&mutation::APP_CREATE, called(named, json!({ "projectId": project })))
        }
        AppVerb::Import { url, project, slug, name, reference } => {
            let input = json!({
                "projectId": project, "repository": url, "reference": reference, "slug": slug, "name": name,
            });
            Plan::Change(&mutation::APP_IMPORT, input)
        }
        AppVerb::SourceSet { url, app, reference, expected_version } => {
            let input = json!({
                "appId": app, "repository": url, "reference": reference, "expectedVersion": expected_version,
            });
            Plan::Change(&mutation::APP_SOURCE_SET, input)
        }
        AppVerb::SourceRemove { app, expected_version } => {
            let input = json!({ "appId": app, "expectedVersion": expected_version });
            Plan::Change(&mutation::APP_SOURCE_REMOVE, input)
        }
        AppVerb::List { project } => Plan::List(&list::APPS, Some(project)),
        AppVerb::Show { app } => Plan::App(app),
        AppVerb::Timeline { app, environment } => Plan::Timeline { app, environment },
    }
}

fn environment(verb: EnvironmentVerb) -> Plan {
    let hosted = |Hostname { environment, host }| json!({ "environmentId": environment, "host": host });
    let reasoned = |Reasoned { environment, reason }| json!({ "environmentId": environment, "reason": reason });
    match verb {
        EnvironmentVerb::Create { app, slug, kind, region, cell, drain_seconds, standby_seconds } => {
            let kind = match kind {
                EnvironmentKind::Preview => "PREVIEW",
                EnvironmentKind::Staging => "STAGING",
                EnvironmentKind::Production => "PRODUCTION",
            };
            Plan::Environment(json!({
                "appId": app, "slug": slug, "kind": kind, "regionId": region, "cellId": cell,
                "drainSeconds": drain_seconds, "standbySeconds": standby_seconds,
            }))
        }
        EnvironmentVerb::List { app } => Plan::List(&list::ENVIRONMENTS, Some(app)),
        EnvironmentVerb::Show { environment } => Plan::ShowEnvironment(environment),
        EnvironmentVerb::HostAttach(host) => Plan::Change(&mutation::HOST_ATTACH, hosted(host)),
        EnvironmentVerb::HostDetach(host) => Plan::Change(&mutation::HOST_DETACH, hosted(host)),
        EnvironmentVerb::DrainPolicy { environment, drain_seconds, standby_seconds } => Plan::Change(
            &mutation::DRAIN_POLICY_SET,
            json!({ "environmentId": environment, "drainSeconds": drain_seconds, "standbySeconds": standby_seconds }),
        ),
        EnvironmentVerb::Freeze(why) => Plan::Change(&mutation::FREEZE, reasoned(why)),
        EnvironmentVerb::Unfreeze(why) => Plan::Change(&mutation::UNFREEZE, reasoned(why)),
        EnvironmentVerb::PinRelease(why) => Plan::Change(&mutation::PIN_RELEASE, reasoned(why)),
        EnvironmentVerb::QuarantineLift { reasoned: why, digest } => {
            let mut input = reasoned(why);
            input["digest"] = json!(digest);
            Plan::Change(&mutation::QUARANTINE_LIFT, input)
        }
        EnvironmentVerb::Rollback { reasoned: why, deployment, expected_epoch } => {
            let mut input = reasoned(why);
            input["deploymentId"] = json!(deployment);
            input["expectedRouteEpoch"] = json!(expected_epoch);
            Plan::Change(&mutation::ROLL_BACK, input)
        }
    }
}

fn env(verb: EnvVerb) -> Plan {
    match verb {
        EnvVerb::List { environment } => Plan::Variables(environment),
        EnvVerb::Set { environment, secret: Some(key), file, expected_set, .. } => {
            Plan::Secret { environment, key, file, expected_set }
        }
        EnvVerb::Set { environment, plain, secret: None, expected_set, .. } => {
            let one = |word: &String| {
                let (key, value) = word.split_once('=').unwrap_or((word, ""));
                json!({ "key": key, "value": value, "kind": "PLAIN" })
            };
            let variables: Vec<Value> = plain.iter().map(one).collect();
            let input = json!({ "environmentId": environment, "variables": variables, "expectedSet": expected_set });
            Plan::Change(&mutation::VARIABLES_SET, input)
        }
        EnvVerb::Import(words) => Plan::Daily(Daily::Import(words)),
        EnvVerb::Unset { environment, key, expected_set } => {
            let input = json!({ "environmentId": environment, "key": key, "expectedSet": expected_set });
            Plan::Change(&mutation::VARIABLE_UNSET, input)
        }
    }
}

fn credential(verb: CredentialVerb) -> Plan {
    let of = |OfHost { host, app, expected_version }: OfHost| json!({ "appId": app, "host": host, "expectedVersion": expected_version });
    match verb {
        CredentialVerb::Set { of: whose, username, file } => {
            let mut input = of(whose);
            input["username"] = json!(username);
            Plan::Credential { input, file }
        }
        CredentialVerb::List { app } => Plan::Credentials(app),
        CredentialVerb::Remove(whose) => Plan::Change(&mutation::SOURCE_CREDENTIAL_REMOVE, of(whose)),
    }
}

fn deployment(verb: DeploymentVerb) -> Plan {
    match verb {
        DeploymentVerb::Create { app, digest, dir, environment } => match dir {
            Some(folder) => Plan::Deploy { app, folder, environment },
            None => {
                let input = json!({ "appId": app, "artifactDigest": digest, "environmentId": environment });
                Plan::Change(&mutation::DEPLOYMENT_CREATE, input)
            }
        },
        DeploymentVerb::List { app } => Plan::List(&list::DEPLOYMENTS, Some(app)),
        DeploymentVerb::Show { deployment } => Plan::Deployment(deployment),
        DeploymentVerb::Promote { deployment, environment, expected_epoch, reason } => {
            let input = json!({
                "deploymentId": deployment, "environmentId": environment,
                "expectedRouteEpoch": expected_epoch, "reason": reason,
            });
            Plan::Change(&mutation::DEPLOYMENT_PROMOTE, input)
        }
    }
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
        assert_eq!((how.wait, how.json, how.timeout), (true, true, 180));
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
        let Plan::Credential { input, file: None } = self::plan("credential set git.example.com --app app_1").0 else {
            panic!("a secret comes from standard input");
        };
        assert_eq!((&input["host"], &input["username"]), (&json!("git.example.com"), &json!("git")));
        assert!(
            Line::try_parse_from(["rhone", "credential", "set", "git.example.com", "s3cret", "--app", "a"]).is_err()
        );
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

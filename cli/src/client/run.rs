//! Doing what the words say. The exit code is the failure's own; see `failure`.

use super::{
    args::{Daily, How, Noun},
    connection::{Again, Connection},
    daily, deploy, documents,
    failure::Failure,
    follow::{self, follow},
    history, image, invitation, list, login, logs,
    mutation::{DEPLOYMENT_CREATE, ENVIRONMENT_CREATE, INVITATION_ACCEPT, Mutation, Payload, VARIABLES_SET},
    named,
    plan::{self, Plan},
    push, show, token,
};
use crate::{Report, data::Data, output, private_file};
use rhone_domain::ids::{CellId, RegionId};
use serde_json::{Value, json};
use std::{fs::File, io, path::Path, process::ExitCode};
use tokio::time::Instant;

/// `rhone <noun> <verb>`.
pub(crate) async fn run(data: &Data, noun: Noun) -> ExitCode {
    let (plan, how) = plan::of(noun);
    match done(data, plan, &how).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.end(how.json),
    }
}

async fn done(data: &Data, mut plan: Plan, how: &How) -> Result<(), Failure> {
    if how.dry_run && !plan.can_be_tried() {
        return Err(Failure::usage("--dry-run: nothing shows beforehand what this does; leave it out"));
    }
    // These need no connection of somebody who is signed in.
    if let Plan::Pack { folder, out } = &plan {
        return pack(folder, out.as_deref(), how);
    }
    if let Plan::Image(asked) = plan {
        return image::write(data, asked, how.json).await;
    }
    if let Plan::Login { url, token } = plan {
        return login::login(data, url, token.as_deref(), how.json).await;
    }
    if let Plan::Daily(Daily::Link(words)) = &plan
        && words.forget
    {
        return daily::forget(how.json);
    }
    if matches!(plan, Plan::Logout) {
        return login::logout(data, how.json).await;
    }
    let connection = Connection::configured(data)?;
    named::resolve(&connection, &mut plan).await?;
    let asking = Asking { connection, how };
    match plan {
        Plan::Pack { .. } | Plan::Image(_) | Plan::Login { .. } | Plan::Logout => Ok(()),
        Plan::Whoami => login::whoami(&asking.connection, how.json).await,
        Plan::Change(mutation, input) => asking.change(mutation, input).await,
        Plan::Environment(input) => asking.change(&ENVIRONMENT_CREATE, placed(data, input)?).await,
        Plan::Daily(asked) => daily::run(&asking, data, asked).await,
        Plan::Logs(words) => logs::run(&asking.connection, &words).await,
        Plan::Past(past) => history::run(&asking.connection, past).await,
        Plan::List(listing, of) => list::run(&asking.connection, listing, of.as_deref(), how.json).await,
        Plan::App(id) => asking.app(&id).await,
        Plan::ShowEnvironment(id) => asking.one(&documents::environment(), &id, "environment").await,
        Plan::Variables(id) => asking.listed(&documents::variables(), &id, ("environment", "variables")).await,
        Plan::Secret { environment, key, file, expected_set } => {
            let variables = json!([{ "key": key, "value": secret(file.as_deref())?, "kind": "SECRET" }]);
            let input = json!({ "environmentId": environment, "variables": variables, "expectedSet": expected_set });
            asking.change(&VARIABLES_SET, input).await
        }
        Plan::Deployment(id) => asking.one(&documents::deployment(), &id, "deployment").await,
        Plan::Credentials(app) => {
            asking.listed(&documents::source_credentials(), &app, ("app", "sourceCredentials")).await
        }
        Plan::Confidential { mutation, field, mut input, file } => {
            input[field] = json!(secret(file.as_deref())?);
            asking.change(mutation, input).await
        }
        Plan::Telling(mutation, input) => asking.change_once(mutation, input).await,
        Plan::Operation(id) => asking.one(&documents::operation(), &id, "operation").await,
        Plan::Timeline { app, environment } => asking.timeline(&app, environment.as_deref()).await,
        Plan::Push { folder, workspace } => {
            let pushed = push::push(&asking.connection, &workspace, &folder, how.idempotency_key.as_deref()).await?;
            asking.shown(&pushed.payload)
        }
        Plan::Deploy { app, folder, environment } => asking.deploy(&app, &folder, environment.as_deref()).await,
        Plan::Build(args) => deploy::deploy(&asking.connection, &args).await,
        Plan::Watch(id) => {
            let operation = asking.followed(&id, Instant::now()).await?;
            show::data(&operation, how.json);
            Ok(())
        }
        Plan::Invite(asked) => invitation::invite(&asking, asked).await,
        Plan::Members(workspace) => invitation::list(&asking.connection, &workspace, how.json).await,
        Plan::Accept(said) => {
            let secret = said.map_or_else(|| secret(None), Ok)?;
            asking.change(&INVITATION_ACCEPT, json!({ "secret": secret.trim() })).await
        }
        Plan::Token(verb) => token::run(&asking, verb).await,
    }
}

/// A secret's value, from where nobody else looks.
pub(super) fn secret(file: Option<&Path>) -> Result<String, Failure> {
    let read = match file {
        Some(path) => std::fs::read_to_string(path),
        None => io::read_to_string(io::stdin()),
    };
    let text = read.map_err(|error| Failure::local("reading the secret", error))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn pack(folder: &Path, out: Option<&Path>, how: &How) -> Result<(), Failure> {
    let packed = match out {
        Some(path) => {
            let doing = || format!("writing {}", path.display());
            let mut file = File::create(path).map_err(|error| Failure::local(doing(), error))?;
            push::pack(folder, &mut file)?
        }
        None => push::pack(folder, &mut io::sink())?,
    };
    if how.json {
        let digest = packed.digest.to_string();
        show::data(&json!({ "digest": digest, "size": packed.size, "files": packed.files }), true);
    } else {
        output::line(packed.digest);
    }
    Ok(())
}

/// Where environments go when nothing is said: the place that `rhone up` made.
fn placed(data: &Data, mut input: Value) -> Result<Value, Failure> {
    if !input["regionId"].is_null() && !input["cellId"].is_null() {
        return Ok(input);
    }
    let report: Option<Report> =
        private_file::read(&data.report()).map_err(|error| Failure::local("looking for a place", error))?;
    let Some(report) = report else {
        return Err(Failure::usage("--region and --cell are needed"));
    };
    let ids = report.facts.ids;
    if input["regionId"].is_null() {
        input["regionId"] = json!(region(ids.region));
    }
    if input["cellId"].is_null() {
        input["cellId"] = json!(cell(ids.cell));
    }
    Ok(input)
}

/// A region's id as clients see it.
pub(crate) fn region(id: RegionId) -> String {
    format!("reg_{}", id.0.simple())
}

/// A cell's id as clients see it.
pub(crate) fn cell(id: CellId) -> String {
    format!("cell_{}", id.0.simple())
}

/// Somebody who asks, and in which manner.
pub(super) struct Asking<'a> {
    pub(super) connection: Connection,
    pub(super) how: &'a How,
}

impl Asking<'_> {
    /// Sends a mutation, and follows its operation when that is wanted.
    pub(super) async fn change(&self, mutation: &Mutation, mut input: Value) -> Result<(), Failure> {
        input["idempotencyKey"] = json!(self.how.idempotency_key);
        input["dryRun"] = json!(self.how.dry_run);
        let sent = Instant::now();
        let payload = self.connection.mutate(mutation, input).await?;
        let (true, Some(operation), None) = (self.how.wait, payload.operation(), payload.refusal()) else {
            return self.shown(&payload);
        };
        let mut whole = payload.whole().clone();
        whole["operation"] = self.followed(operation, sent).await?;
        show::data(&whole, self.how.json);
        Ok(())
    }

    /// Sends a mutation that tells a secret. It is never sent twice: the answer to the second one has no secret any more.
    pub(super) async fn change_once(&self, mutation: &Mutation, mut input: Value) -> Result<(), Failure> {
        input["idempotencyKey"] = json!(self.how.idempotency_key);
        input["dryRun"] = json!(self.how.dry_run);
        let mut data = self.connection.ask(&mutation.document(), json!({ "input": input }), Again::MustNot).await?;
        self.shown(&Payload::new(data[mutation.name].take(), mutation.object))
    }

    /// What a rule says against it, without doing anything.
    pub(super) async fn refused(&self, mutation: &Mutation, mut input: Value) -> Result<Option<Failure>, Failure> {
        input["dryRun"] = json!(true);
        let payload = self.connection.mutate(mutation, input).await?;
        if self.how.json && payload.refusal().is_some() {
            show::data(payload.whole(), true);
        }
        Ok(payload.refusal().map(Failure::from))
    }

    /// The payload; a refusal too, before it becomes the exit code.
    fn shown(&self, payload: &Payload) -> Result<(), Failure> {
        if self.how.json || payload.refusal().is_none() {
            show::data(payload.whole(), self.how.json);
        }
        payload.clone().accepted().map(drop)
    }

    /// To its end, however it ends; a bad end is shown too, before it becomes the exit code.
    async fn followed(&self, operation: &str, since: Instant) -> Result<Value, Failure> {
        let ended =
            follow(&self.connection, operation, self.how.patience(), |step| show::progress(step, since.elapsed()))
                .await;
        if let (true, Err(Failure::Ended { .. })) = (self.how.json, &ended) {
            show::data(&json!({ "operation": follow::shown(&self.connection, operation).await? }), true);
        }
        ended
    }

    async fn deploy(&self, app: &str, folder: &Path, environment: Option<&str>) -> Result<(), Failure> {
        let found = self.found(documents::APP, app, "app").await?;
        let workspace = found["project"]["workspace"]["id"].as_str();
        let workspace = workspace.ok_or_else(|| Failure::Unexpected("an app without a workspace".into()))?;
        // The caller's key is the deployment's; registering the same bytes again changes nothing.
        let pushed = push::push(&self.connection, workspace, folder, None).await?;
        pushed.payload.accepted()?;
        let input = json!({ "appId": app, "artifactDigest": pushed.digest, "environmentId": environment });
        self.change(&DEPLOYMENT_CREATE, input).await
    }

    async fn one(&self, document: &str, id: &str, field: &str) -> Result<(), Failure> {
        show::data(&self.found(document, id, field).await?, self.how.json);
        Ok(())
    }

    /// An app with every environment of its.
    async fn app(&self, id: &str) -> Result<(), Failure> {
        let mut found = self.found(documents::APP, id, "app").await?;
        found["environments"] = self.environments(id).await?;
        show::data(&found, self.how.json);
        Ok(())
    }

    /// Every environment of an app, in the form of the API's lists.
    pub(super) async fn environments(&self, app: &str) -> Result<Value, Failure> {
        Ok(json!({ "nodes": list::all(&self.connection, &list::ENVIRONMENTS, Some(app)).await? }))
    }

    /// What one thing has of another; people are shown the thing, too.
    async fn listed(&self, document: &str, id: &str, (field, list): (&str, &str)) -> Result<(), Failure> {
        let found = self.found(document, id, field).await?;
        show::data(if self.how.json { &found[list] } else { &found }, self.how.json);
        Ok(())
    }

    /// What the document finds under this field.
    pub(super) async fn found(&self, document: &str, id: &str, field: &str) -> Result<Value, Failure> {
        let mut data = self.connection.query(document, json!({ "id": id })).await?;
        let found = data[field].take();
        if found.is_null() { Err(not_found(field)) } else { Ok(found) }
    }

    async fn timeline(&self, app: &str, environment: Option<&str>) -> Result<(), Failure> {
        show::list(&timeline(&self.connection, app, environment, None).await?, self.how.json, show::told);
        Ok(())
    }
}

/// Every line of an app's timeline, once it has come as far as `position`.
pub(crate) async fn timeline(
    connection: &Connection,
    app: &str,
    environment: Option<&str>,
    position: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    let document = documents::timeline();
    let (mut entries, mut after) = (Vec::new(), None::<String>);
    loop {
        let variables =
            json!({ "id": app, "first": 100, "after": after, "environment": environment, "position": position });
        let mut data = connection.query(&document, variables).await?;
        let mut page = data["app"]["timeline"].take();
        let Value::Array(nodes) = page["nodes"].take() else { return Err(not_found("app")) };
        entries.extend(nodes);
        after = next(&page);
        if after.is_none() {
            return Ok(entries);
        }
    }
}

pub(super) fn next(page: &Value) -> Option<String> {
    let more = page["pageInfo"]["hasNextPage"] == true;
    page["pageInfo"]["endCursor"].as_str().filter(|_| more).map(str::to_owned)
}

pub(super) fn not_found(noun: &str) -> Failure {
    Failure::absent(format_args!("there is no such {noun}"))
}

//! One of everything that has an id, and whose it is. The trap avoided: an id that a new argument takes and that nobody tried; one
//! without a line here is red.

use crate::logs::{print, shows};
use rhone_domain::{
    aggregate::Aggregate as _,
    claim::{self, Claim, Kind},
};
use rhone_tests::{
    artifacts::{self, Version},
    database::{open_session, uuid},
    inputs::{Owner, unknown_id},
    platform::Platform,
    schema::Field,
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Somebody with one of everything.
pub(super) struct Things {
    pub(super) owner: Owner,
    artifact: String,
    digest: String,
    event: String,
    session: Uuid,
    token: String,
}

/// Whose an id may be.
pub(super) enum Whose {
    /// A tenant's: each of these is tried.
    Tenants(Vec<String>),
    /// The platform's: only those who run it are told of it.
    Platforms(String),
    /// Nobody's, and why.
    Nobodys(&'static str),
}

/// What an unknown digest and an unknown thing without a prefix look like.
const UNKNOWN_DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000ad";
const UNKNOWN: &str = "01900000-0000-7000-8000-00000000dead";

/// Whether a field takes an id.
pub(super) fn is_id(field: &Field) -> bool {
    let ends = ["Id", "Ids", "Digest"].iter().any(|end| field.name.ends_with(end));
    let named = ["id", "digest", "actor", "correlation", "stream"].contains(&field.name.as_str());
    field.kind.contains("ID") || ends || named
}

/// One that nobody has, in the same form.
pub(super) fn unknown(like: &str) -> String {
    match like.split_once(':') {
        Some(("sha256", _)) => UNKNOWN_DIGEST.to_owned(),
        Some((category, _)) => format!("{category}:{UNKNOWN}"),
        None if Uuid::try_parse(like).is_ok() => UNKNOWN.to_owned(),
        None => unknown_id(like),
    }
}

impl Things {
    pub(super) async fn new(platform: &Platform) -> Self {
        let owner = Owner::new(platform).await;
        let client = &owner.tenant.client;
        let digest = artifacts::push_as_never_before(client, &owner.tenant.workspace, Version::Blue).await;
        let question = "query($id: ID!) { deployment(id: $id) { artifact { id } } }";
        let deployment = owner.good_value("deploymentId");
        let look = async || {
            let seen = client.data(question, json!({ "id": deployment })).await;
            seen["deployment"]["artifact"]["id"].as_str().map(str::to_owned)
        };
        let artifact = until("the artifact can be read", PATIENCE, look).await;
        let question = "query($id: ID!) { app(id: $id) { timeline(first: 1) { nodes { eventId } } } }";
        let look = async || {
            let seen = client.data(question, json!({ "id": owner.tenant.app })).await;
            seen["app"]["timeline"]["nodes"][0]["eventId"].as_str().map(str::to_owned)
        };
        let event = until("the timeline can be read", PATIENCE, look).await;
        let asked = async || print(&owner.tenant, &owner.tenant.preview, "/print", "whose is it").await;
        until("the app prints a line", PATIENCE, asked).await;
        shows(&owner.tenant, &owner.tenant.preview, "whose is it").await;
        let token = text(&client.data("{ viewer { tokenId } }", json!({})).await["viewer"]["tokenId"]);
        let (session, _) = open_session(platform, owner.person.actor).await;
        Self { owner, artifact, digest, event, session, token }
    }

    /// One's own ids for an argument of this name, of a field of this name; none where nobody said.
    pub(super) fn ids(&self, field: &str, argument: &str) -> Option<Whose> {
        if let Some(id) = self.owner.id(argument) {
            return Some(Whose::Tenants(vec![id.to_owned()]));
        }
        let own = |id: String| Some(Whose::Tenants(vec![id]));
        match argument {
            "id" if field == "node" => Some(Whose::Tenants(self.nodes())),
            "id" if field == "artifact" => own(self.artifact.clone()),
            "id" => own(self.owner.id(&format!("{field}Id"))?.to_owned()),
            "objectId" => Some(Whose::Tenants(self.nodes())),
            "stream" => Some(Whose::Tenants([self.nodes(), self.streams()].concat())),
            // Those who run the platform act for a tenant that granted it to them.
            "accessId" if field == "supportTokenCreate" => {
                Some(Whose::Platforms(text(&self.owner.good_value(argument))))
            }
            "accessId" | "invitationId" => own(text(&self.owner.good_value(argument))),
            "eventId" => own(self.event.clone()),
            "correlation" => own(uuid(&text(&self.owner.good_value("operationId"))).to_string()),
            "memberId" | "actor" => own(self.owner.person.actor.to_string()),
            "tokenId" => own(self.token.clone()),
            "sessionId" => own(self.session.to_string()),
            "digest" | "artifactDigest" => own(self.digest.clone()),
            "hostId" => Some(Whose::Platforms(text(&self.owner.good_value("hostId")))),
            "regionId" | "regionIds" | "cellId" => Some(Whose::Nobodys("everybody may open an environment there")),
            "migrationId" => Some(Whose::Nobodys("a name within the artifact that is asked about")),
            "imageDigest" => Some(Whose::Nobodys("bytes in somebody's registry")),
            _ => None,
        }
    }

    /// One of every kind that `node` knows.
    fn nodes(&self) -> Vec<String> {
        let named = [
            "workspaceId",
            "projectId",
            "appId",
            "environmentId",
            "deploymentId",
            "operationId",
            "allocationId",
            "providerBindingId",
            "runtimeServiceBindingId",
            "accessId",
            "invitationId",
        ];
        named.iter().map(|name| text(&self.owner.good_value(name))).chain([self.artifact.clone()]).collect()
    }

    /// Streams that have no id of their own, the names of the tenant among them.
    fn streams(&self) -> Vec<String> {
        let tenant = &self.owner.tenant;
        let lane = uuid(&tenant.preview.id);
        let name = |kind, scope, value: &str| format!("{}:{}", Claim::CATEGORY, claim::id(kind, scope, value));
        vec![
            format!("workspace:{}", uuid(&tenant.workspace)),
            format!("route_owner:{lane}"),
            format!("variables:{lane}"),
            name(Kind::ProjectSlug, uuid(&tenant.workspace), "shop"),
            name(Kind::AppSlug, uuid(&tenant.project), "counter"),
            name(Kind::EnvironmentSlug, uuid(&tenant.app), "preview"),
            name(Kind::Hostname, Uuid::nil(), &tenant.preview.host),
        ]
    }
}

/// Without what differs by request, and without the id that was asked for.
pub(super) fn plain(answer: &Value, id: &str) -> Value {
    let mut told = answer.to_string().replace(id, "ID");
    if let Some(raw) = id.rsplit(['_', ':']).next().and_then(|raw| Uuid::try_parse(raw).ok()) {
        told = told.replace(&raw.to_string(), "ID");
    }
    let mut answer: Value = serde_json::from_str(&told).expect("still JSON");
    // A refusal that was put on record a moment ago is not put there again; where the log stands tells nothing of an id.
    for (_, payload) in answer["data"].as_object_mut().into_iter().flatten() {
        payload.as_object_mut().map(|payload| payload.remove("position"));
    }
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        for own in ["requestId", "traceId"] {
            error["extensions"].as_object_mut().map(|details| details.remove(own));
        }
    }
    answer
}

//! Invitations through the API: who has the secret comes in, once and in time; whoever has another one learns nothing; of many
//! at the same moment one wins. The trap avoided: a secret that lies somewhere in clear; it is sought everywhere.

use rhone_tests::{
    database::{Person, administrator, person, uuid},
    graphql::{Client, unique},
    platform::Platform,
    scan::{Needle, everywhere},
    story::text,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

struct House {
    owner: Person,
    workspace: String,
}

async fn house(platform: &Platform) -> House {
    let owner = person(platform).await;
    let input = json!({ "slug": unique("house"), "name": "A house" });
    let made = owner.client.done("workspaceCreate", "workspace { id }", input).await;
    House { owner, workspace: text(&made["workspace"]["id"]) }
}

impl House {
    async fn invite(&self, by: &Client, role: &str) -> (String, String) {
        self.invite_for(by, role, 600).await
    }

    async fn invite_for(&self, by: &Client, role: &str, seconds: u32) -> (String, String) {
        let input = json!({ "workspaceId": self.workspace, "role": role, "expiresInSeconds": seconds });
        let made = by.done("memberInvite", "secret invitation { id role }", input).await;
        assert_eq!(made["invitation"]["role"], json!(role));
        (text(&made["invitation"]["id"]), text(&made["secret"]))
    }

    async fn revoke(&self, invitation: &str) -> Value {
        let input = json!({ "workspaceId": self.workspace, "invitationId": invitation });
        self.owner.client.mutate("invitationRevoke", "workspace { id }", input).await
    }

    async fn add(&self, platform: &Platform, role: &str) -> Person {
        let new = person(platform).await;
        let input = json!({ "workspaceId": self.workspace, "memberId": new.actor, "role": role });
        self.owner.client.done("memberAdd", "workspace { id }", input).await;
        new
    }

    /// Who belongs to it, as the log says.
    async fn members(&self) -> Vec<Value> {
        let query = "query($id: ID!) { workspace(id: $id) { members(first: 100) { nodes { actor role } } } }";
        let look = async || {
            let seen = self.owner.client.data(query, json!({ "id": self.workspace })).await;
            seen["workspace"]["members"]["nodes"].as_array().cloned()
        };
        until("the workspace can be read", PATIENCE, look).await
    }
}

async fn accept(client: &Client, secret: &str) -> Value {
    client.mutate("invitationAccept", "workspace { id }", json!({ "secret": secret })).await
}

fn code(payload: &Value) -> &str {
    payload["userErrors"][0]["code"].as_str().unwrap_or("accepted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_secret_comes_in_and_is_what_it_says() {
    let platform = Platform::shared().await;
    let house = house(platform).await;
    let (_, secret) = house.invite(&house.owner.client, "ADMIN").await;
    let guest = person(platform).await;
    let query = "query($id: ID!) { workspace(id: $id) { id invitations(first: 5) { nodes { id } } } }";
    let see = async |client: &Client| client.data(query, json!({ "id": house.workspace })).await["workspace"].clone();
    assert!(see(&guest.client).await.is_null(), "who only has a secret sees nothing yet");
    house.members().await;
    let input = json!({ "secret": secret, "idempotencyKey": "once" });
    let came = guest.client.done("invitationAccept", "replayed workspace { id }", input.clone()).await;
    assert_eq!(came["workspace"]["id"], json!(house.workspace));
    let again = guest.client.done("invitationAccept", "replayed workspace { id }", input).await;
    assert_eq!((&again["replayed"], &again["workspace"]), (&json!(true), &came["workspace"]), "the same answer");
    let expected = json!({ "actor": guest.actor, "role": "ADMIN" });
    assert!(house.members().await.contains(&expected), "{:?}", house.members().await);
    assert_eq!(see(&guest.client).await["invitations"]["nodes"], json!([]), "what was used is no invitation");
    // An admin's rights are real.
    let input = json!({ "workspaceId": house.workspace, "slug": unique("p"), "name": "By a guest" });
    guest.client.done("projectCreate", "project { id }", input).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_with_one_secret_at_the_same_moment_one_comes_in() {
    let platform = Platform::shared().await;
    for round in 0..5 {
        let house = house(platform).await;
        let (_, secret) = house.invite(&house.owner.client, "MEMBER").await;
        let mut guests = Vec::new();
        for _ in 0..8 {
            guests.push(person(platform).await);
        }
        let asked = guests.iter().map(|guest| accept(&guest.client, &secret));
        let answers = futures_util::future::join_all(asked).await;
        let mut codes: Vec<_> = answers.iter().map(code).collect();
        codes.sort_unstable();
        assert_eq!(codes[..7], ["INVITATION_GONE"; 7], "round {round}: {codes:?}");
        assert_eq!(codes[7], "accepted", "round {round}: {codes:?}");
        assert_eq!(house.members().await.len(), 2, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_accepted_or_revoked_and_never_both() {
    let platform = Platform::shared().await;
    let (mut accepted, mut revoked) = (0, 0);
    for round in 0..12 {
        let house = house(platform).await;
        let (invitation, secret) = house.invite(&house.owner.client, "MEMBER").await;
        let guest = person(platform).await;
        let (came, gone) = tokio::join!(accept(&guest.client, &secret), house.revoke(&invitation));
        let came = match (code(&came), code(&gone)) {
            ("accepted", "NO_INVITATION") => true,
            ("INVITATION_GONE", "accepted") => false,
            other => panic!("round {round}: {other:?}"),
        };
        let inside = house.members().await.len() == 2;
        assert_eq!(inside, came, "round {round}");
        if came { accepted += 1 } else { revoked += 1 }
    }
    eprintln!("invitations accepted while revoked: {accepted}, revoked while accepted: {revoked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_told_the_same_of_every_secret_that_opens_nothing() {
    let platform = Platform::shared().await;
    let house = house(platform).await;
    let owner = &house.owner.client;
    let (_, used) = house.invite(owner, "MEMBER").await;
    assert_eq!(code(&accept(&person(platform).await.client, &used).await), "accepted");
    let (invitation, revoked) = house.invite(owner, "MEMBER").await;
    assert_eq!(code(&house.revoke(&invitation).await), "accepted");
    assert_eq!(code(&house.revoke(&invitation).await), "NO_INVITATION");
    let (invitation, expired) = house.invite_for(owner, "MEMBER", 1).await;
    is_over(platform, &invitation).await;
    let (demoted, left) = (house.add(platform, "ADMIN").await, house.add(platform, "ADMIN").await);
    let (_, by_demoted) = house.invite(&demoted.client, "ADMIN").await;
    let (_, by_left) = house.invite(&left.client, "ADMIN").await;
    let input = json!({ "workspaceId": house.workspace, "memberId": demoted.actor, "role": "MEMBER" });
    owner.done("memberRoleSet", "workspace { id }", input).await;
    let input = json!({ "workspaceId": house.workspace, "memberId": left.actor });
    owner.done("memberRemove", "workspace { id }", input).await;
    let unknown = format!("rhone_inv_{}", "u".repeat(43));
    let stranger = person(platform).await;
    let mut answers = Vec::new();
    for secret in [&unknown, &used, &revoked, &expired, &by_demoted, &by_left] {
        for dry in [false, true] {
            let input = json!({ "secret": secret, "dryRun": dry });
            let object = "position replayed operation { id } plannedEvents { type } workspace { id }";
            answers.push(stranger.client.mutate("invitationAccept", object, input).await);
        }
    }
    assert_eq!(code(&answers[0]), "INVITATION_GONE");
    assert_eq!(answers[0]["userErrors"][0]["field"], json!("secret"));
    for answer in &answers {
        assert_eq!(answer, &answers[0], "a stranger can tell one from another");
    }
    // And nobody else learns of the attempts.
    let mut database = administrator(platform).await;
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE actor = $1")
        .bind(stranger.actor)
        .fetch_one(&mut database)
        .await
        .expect("the log can be counted");
    assert_eq!(told, 0);
}

async fn is_over(platform: &Platform, invitation: &str) {
    let invitation = uuid(invitation);
    until("the invitation is over", PATIENCE, || async move {
        let over: bool =
            sqlx::query_scalar("SELECT until <= clock_timestamp() FROM authority.invitations WHERE invitation = $1")
                .bind(invitation)
                .fetch_one(&mut administrator(platform).await)
                .await
                .expect("it is known");
        over.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_invites_as_more_or_for_longer_than_they_may_and_members_are_told_so() {
    let platform = Platform::shared().await;
    let house = house(platform).await;
    let (admin, member) = (house.add(platform, "ADMIN").await, house.add(platform, "MEMBER").await);
    let input =
        |role: &str, seconds: i64| json!({ "workspaceId": house.workspace, "role": role, "expiresInSeconds": seconds });
    let refused = async |client: &Client, input: Value| {
        text(&client.refused("memberInvite", "secret invitation { id }", input).await["code"])
    };
    assert_eq!(refused(&admin.client, input("OWNER", 60)).await, "NOT_YOURS_TO_GIVE");
    assert_eq!(refused(&member.client, input("MEMBER", 60)).await, "GRANT_MISSING");
    assert_eq!(refused(&admin.client, input("MEMBER", 30 * 86_400 + 1)).await, "INVITATION_TOO_LONG");
    let (_, secret) = house.invite(&admin.client, "ADMIN").await;
    let answer = accept(&member.client, &secret).await;
    assert_eq!((code(&answer), &answer["userErrors"][0]["actual"]), ("MEMBER_EXISTS", &json!("member")));
    // The member did not use it up.
    assert_eq!(code(&accept(&person(platform).await.client, &secret).await), "accepted");
    let above = house.invite(&house.owner.client, "OWNER").await.0;
    let revoke = json!({ "workspaceId": house.workspace, "invitationId": above });
    let why = admin.client.refused("invitationRevoke", "workspace { id }", revoke).await;
    assert_eq!(why["code"], json!("NOT_YOURS_TO_GIVE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_are_open_at_a_time_and_are_listed_in_pages_without_their_secrets() {
    let platform = Platform::shared().await;
    let house = house(platform).await;
    let mut made = Vec::new();
    for _ in 0..100 {
        made.push(house.invite(&house.owner.client, "MEMBER").await.0);
    }
    let input = json!({ "workspaceId": house.workspace, "role": "MEMBER" });
    let why = house.owner.client.refused("memberInvite", "secret invitation { id }", input.clone()).await;
    assert_eq!(why["code"], json!("TOO_MANY_INVITATIONS"));
    house.members().await;
    let query = "query($id: ID!, $after: String) { workspace(id: $id) { invitations(first: 60, after: $after) {
        nodes { id role invitedBy createdAt expiresAt } pageInfo { hasNextPage endCursor } } } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    for _ in 0..2 {
        let variables = json!({ "id": house.workspace, "after": after });
        let page = house.owner.client.data(query, variables).await["workspace"]["invitations"].clone();
        seen.extend(page["nodes"].as_array().expect("a list").iter().map(|one| text(&one["id"])));
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen, made);
    assert_eq!(code(&house.revoke(&made[0]).await), "accepted");
    house.owner.client.done("memberInvite", "secret invitation { id }", input).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_answered_once_and_lies_nowhere_in_clear() {
    let platform = Platform::start().await;
    let house = house(&platform).await;
    let input = json!({ "workspaceId": house.workspace, "role": "MEMBER", "idempotencyKey": "only" });
    let invite = async |input: &Value| {
        house.owner.client.done("memberInvite", "secret replayed invitation { id }", input.clone()).await
    };
    let first = invite(&input).await;
    let again = invite(&input).await;
    assert_eq!((&again["secret"], &again["replayed"]), (&Value::Null, &json!(true)), "not even to the same request");
    assert_eq!(first["invitation"], again["invitation"]);
    let mut dry = input.clone();
    (dry["dryRun"], dry["idempotencyKey"]) = (json!(true), json!("dry"));
    let planned = house.owner.client.done("memberInvite", "secret plannedEvents { type }", dry).await;
    assert_eq!(
        (&planned["secret"], &planned["plannedEvents"][0]["type"]),
        (&Value::Null, &json!("workspace.member_invited"))
    );
    let secret = text(&first["secret"]);
    let needle = Needle::new(&secret);
    assert!(needle.is_in(first.to_string()), "the needle finds what is there");
    assert_eq!(code(&accept(&person(&platform).await.client, &secret).await), "accepted");
    assert_eq!(code(&accept(&person(&platform).await.client, &secret).await), "INVITATION_GONE");
    let scan = everywhere(&platform, &needle);
    assert_eq!(scan.found, Vec::<String>::new(), "a secret lies in clear");
    assert!(scan.files > 20 && scan.dumped > 50_000 && scan.processes > 8, "{scan:?}");
    // A leak is found.
    let mut database = administrator(&platform).await;
    sqlx::query("CREATE TABLE public.planted AS SELECT $1::text AS word")
        .bind(&secret)
        .execute(&mut database)
        .await
        .expect("may do all");
    assert!(!everywhere(&platform, &needle).found.is_empty(), "a planted leak must be found");
    platform.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_invites_lists_revokes_and_accepts() {
    let platform = Platform::shared().await;
    let developer = platform.developer();
    let input = json!({ "slug": unique("house"), "name": "A house" });
    let made = developer.done("workspaceCreate", "workspace { id }", input).await;
    let workspace = text(&made["workspace"]["id"]);
    let said = async |words: &[&str]| {
        let output = platform.rhone(words).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, told, problem) =
        said(&["member", "invite", "--workspace", &workspace, "--role", "member", "--days", "2", "--json"]).await;
    assert_eq!(status, Some(0), "{problem}");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let (secret, invitation) = (text(&told["secret"]), text(&told["invitation"]["id"]));
    let listed = until("it is listed", PATIENCE, async || {
        let (_, told, _) = said(&["member", "list", "--workspace", &workspace, "--json"]).await;
        told.contains(&invitation).then_some(told)
    })
    .await;
    assert!(!listed.contains(&secret));
    let (status, _, problem) = said(&["invitation", "accept", &secret]).await;
    assert_eq!(status, Some(4), "the developer is a member already: {problem}");
    assert!(problem.contains("MEMBER_EXISTS"), "{problem}");
    let (status, _, problem) = said(&["member", "revoke", &invitation, "--workspace", &workspace]).await;
    assert_eq!(status, Some(0), "{problem}");
    let (status, _, problem) = said(&["invitation", "accept", &secret]).await;
    assert_eq!((status, problem.contains("INVITATION_GONE")), (Some(4), true), "{problem}");
}

//! An app is created or imported once, knows where it comes from if it was told, and holds at most one credential for each
//! host.

mod model;
mod source;

use super::*;
use crate::{aggregate::given, digest::Digest, ids::ValueId, story::at, text::Username};
use uuid::Uuid;

fn created(n: u128) -> Created {
    Created {
        id: AppId(Uuid::from_u128(n)),
        workspace: WorkspaceId(Uuid::from_u128(9)),
        project: ProjectId(Uuid::from_u128(8)),
        slug: Slug::parse("slug", "shop").expect("a slug"),
        name: Name::parse("name", "Shop").expect("a name"),
    }
}

fn host(text: &str) -> SourceHost {
    SourceHost::parse("host", text).expect("a host")
}

fn wanted(username: &str, secret: &str) -> Wanted {
    let username = Username::parse("username", username).expect("a user");
    Wanted { username, digest: Digest::of(&[secret.as_bytes()]), value: ValueId(Uuid::from_u128(7)) }
}

fn set(of: &str, username: &str, secret: &str) -> Command {
    Command::SetSourceCredential { host: host(of), wanted: wanted(username, secret), at: at(1) }
}

fn was_set(of: &str, username: &str, secret: &str, generation: u64) -> Event {
    let Wanted { username, digest, value } = wanted(username, secret);
    let (host, generation) = (host(of), EnvSet(generation));
    Event::SourceCredentialSet(SourceCredential { host, username, generation, digest, value, at: at(1) })
}

fn remove(of: &str) -> Command {
    Command::RemoveSourceCredential { host: host(of) }
}

fn removed(of: &str, generation: u64) -> Event {
    Event::SourceCredentialRemoved { host: host(of), generation: EnvSet(generation) }
}

const GIT: &str = "git.example.com";

#[test]
fn an_app_is_created_once_and_the_same_again_is_no_event() {
    given::<App>([]).when(Command::Create(created(1))).then([Event::Created(created(1))]);
    given::<App>([Event::Created(created(1))]).when(Command::Create(created(1))).then([]);
}

#[test]
fn another_one_under_the_same_id_is_rejected() {
    given::<App>([Event::Created(created(1))]).when(Command::Create(created(2))).then_rejected(&Rejection::Exists);
}

#[test]
fn what_is_not_there_holds_no_credential() {
    given::<App>([]).when(set(GIT, "alice", "one")).then_rejected(&Rejection::NotFound);
    given::<App>([]).when(remove(GIT)).then_rejected(&Rejection::NotFound);
}

#[test]
fn another_secret_or_user_is_the_next_generation_and_the_same_is_no_event() {
    let first = [Event::Created(created(1)), was_set(GIT, "alice", "one", 1)];
    given::<App>([Event::Created(created(1))]).when(set(GIT, "alice", "one")).then([was_set(GIT, "alice", "one", 1)]);
    given::<App>(first.clone()).when(set(GIT, "alice", "one")).then([]);
    given::<App>(first.clone()).when(set(GIT, "alice", "two")).then([was_set(GIT, "alice", "two", 2)]);
    given::<App>(first).when(set(GIT, "bob", "one")).then([was_set(GIT, "bob", "one", 2)]);
}

#[test]
fn each_host_has_its_own() {
    let first = [Event::Created(created(1)), was_set(GIT, "alice", "one", 1)];
    let other = "git.example.com:8443";
    given::<App>(first.clone()).when(set(other, "alice", "one")).then([was_set(other, "alice", "one", 1)]);
    given::<App>(first).when(remove(other)).then_rejected(&Rejection::NoCredential { host: host(other) });
}

#[test]
fn a_generation_is_never_used_again_after_a_removal() {
    let gone = [Event::Created(created(1)), was_set(GIT, "alice", "one", 1), removed(GIT, 1)];
    given::<App>(gone[..2].to_vec()).when(remove(GIT)).then([removed(GIT, 1)]);
    given::<App>(gone.clone()).when(remove(GIT)).then_rejected(&Rejection::NoCredential { host: host(GIT) });
    given::<App>(gone).when(set(GIT, "alice", "one")).then([was_set(GIT, "alice", "one", 2)]);
}

#[test]
fn an_app_holds_credentials_for_so_many_hosts_and_still_rotates_them() {
    let one = |n: usize| was_set(&format!("git{n}.example.com"), "alice", "one", 1);
    let full: Vec<Event> = std::iter::once(Event::Created(created(1))).chain((0..MOST).map(one)).collect();
    let rejected = Rejection::TooManyCredentials { count: MOST + 1 };
    given::<App>(full.clone()).when(set(GIT, "alice", "one")).then_rejected(&rejected);
    let again = was_set("git0.example.com", "alice", "two", 2);
    given::<App>(full).when(set("git0.example.com", "alice", "two")).then([again]);
}

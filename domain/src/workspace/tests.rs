//! A workspace is created once and knows its members.

mod model;

use super::*;
use crate::aggregate::given;
use uuid::Uuid;

const ALICE: ActorId = ActorId(Uuid::from_u128(1));
const BOB: ActorId = ActorId(Uuid::from_u128(2));
const ACME: WorkspaceId = WorkspaceId(Uuid::from_u128(3));

fn slug() -> Slug {
    Slug::parse("slug", "acme").expect("a slug")
}

fn name() -> Name {
    Name::parse("name", "Acme").expect("a name")
}

fn created() -> Event {
    Event::Created { id: ACME, slug: slug(), name: name(), contact_email: None, owner: ALICE }
}

fn create() -> Command {
    Command::Create { id: ACME, slug: slug(), name: name(), contact_email: None, owner: ALICE }
}

#[test]
fn a_workspace_is_created_once() {
    given::<Workspace>([]).when(create()).then([created()]);
    given::<Workspace>([created()]).when(create()).then_rejected(&Rejection::Exists);
}

#[test]
fn a_member_is_added_once_per_role() {
    let add = |role| Command::AddMember { actor: BOB, role };
    let added = |role| Event::MemberAdded { actor: BOB, role };
    given::<Workspace>([created()]).when(add(Role::Member)).then([added(Role::Member)]);
    given::<Workspace>([created(), added(Role::Member)]).when(add(Role::Member)).then([]);
    given::<Workspace>([created(), added(Role::Member)]).when(add(Role::Admin)).then([added(Role::Admin)]);
    given::<Workspace>([]).when(add(Role::Member)).then_rejected(&Rejection::NotFound);
}

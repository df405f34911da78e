//! A way to an object that forgot its guard, served with the table and without.
use super::*;
use crate::identity::Cookie;
use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Schema, SimpleObject};
use rhone_domain::{actor::ActorKind, authorization::Narrowing, digest::Digest, ids::ActorId};
use uuid::Uuid;

/// The objects of the real schema by their names, and one that has no row.
#[derive(SimpleObject)]
struct Session {
    id: &'static str,
}

#[derive(SimpleObject)]
struct Region {
    id: &'static str,
}

#[derive(SimpleObject)]
struct Deployment {
    id: &'static str,
}

#[derive(SimpleObject)]
struct Host {
    id: &'static str,
}

#[derive(SimpleObject)]
struct Forgotten {
    id: &'static str,
}

/// Everything for everybody.
struct Viewer;

#[Object]
impl Viewer {
    async fn actor(&self) -> Session {
        Session { id: "session" }
    }

    async fn account(&self) -> Region {
        Region { id: "region" }
    }

    async fn tokens(&self) -> Vec<Deployment> {
        vec![Deployment { id: "deployment" }]
    }

    async fn token_id(&self) -> Host {
        Host { id: "host" }
    }

    async fn timeline(&self) -> Forgotten {
        Forgotten { id: "forgotten" }
    }
}

struct Query;

#[Object]
impl Query {
    async fn viewer(&self) -> Viewer {
        Viewer
    }
}

fn person() -> Principal {
    let id = Uuid::from_u128(7);
    Principal::of_session(id, ActorId(id), Cookie::Fresh, Digest::of(&[b"a secret"]))
}

fn changed(change: impl FnOnce(&mut Principal)) -> Principal {
    let mut principal = person();
    change(&mut principal);
    principal
}

fn callers() -> [(&'static str, Principal); 5] {
    let someone = ActorId(Uuid::from_u128(8));
    [
        ("a person", person()),
        ("a token that may only read", changed(|it| it.limits.narrowing = Narrowing::Only([].into()))),
        ("support", changed(|it| it.on_behalf_of = Some(someone))),
        ("a runner", changed(|it| it.kind = PrincipalKind::Runner(Uuid::from_u128(9).into()))),
        ("a program", changed(|it| it.kind = PrincipalKind::User(ActorKind::Token))),
    ]
}

/// Which of the five a caller is shown.
async fn shown(guarded: bool, caller: Option<Principal>) -> Vec<&'static str> {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription);
    let schema = if guarded { schema.extension(Audiences) } else { schema }.finish();
    let mut seen = Vec::new();
    for (field, object) in [
        ("actor", "session"),
        ("account", "region"),
        ("tokens", "deployment"),
        ("tokenId", "host"),
        ("timeline", "forgotten"),
    ] {
        let mut request = Request::new(format!("{{ viewer {{ {field} {{ id }} }} }}"));
        if let Some(caller) = caller.clone() {
            request = request.data(caller);
        }
        let answer = schema.execute(request).await;
        if answer.errors.is_empty() {
            seen.push(object);
        } else {
            let fault = answer.errors[0].source::<Fault>().expect("a fault of ours");
            assert_eq!(fault.code, Code::Forbidden, "{field}");
            let there = [PathSegment::Field("viewer".into()), PathSegment::Field(field.into())];
            assert!(caller.is_none() || answer.errors[0].path.starts_with(&there), "{:?}", answer.errors[0].path);
        }
    }
    seen
}

#[tokio::test]
async fn an_object_is_for_whom_the_table_says_whatever_way_led_to_it() {
    for (name, caller) in callers() {
        let expected: &[&str] = match name {
            "a person" | "a program" => &["session", "region", "deployment"],
            "a runner" => &["region"],
            _ => &["region", "deployment"],
        };
        assert_eq!(shown(true, Some(caller.clone())).await, expected, "{name}");
        let all = ["session", "region", "deployment", "host", "forgotten"];
        assert_eq!(shown(false, Some(caller)).await, all, "the sin: nobody asks the table, {name}");
    }
    assert!(shown(true, None).await.is_empty(), "nobody is anybody");
}

#[tokio::test]
async fn what_the_schema_says_of_itself_is_no_field_of_the_table() {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription).extension(Audiences).finish();
    let answer = schema.execute("{ __typename __schema { types { name } } }").await;
    assert!(answer.errors.is_empty(), "{:?}", answer.errors);
}

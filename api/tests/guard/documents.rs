//! Hole 3: small documents that expand, and large ones. What costs too much costs it each time: the quickest of several replies to
//! a bomb must come about as fast as the reply to a small query, on a busy machine too.

use std::time::{Duration, Instant};

use rhone_api::Exposure;
use serde_json::json;

use crate::{
    client::Reply,
    schema::{self, Fired},
    server::{Server, start, start_with},
};

/// `levels` fragments, each spreading the next one twice: 2^levels fields from a few hundred bytes.
pub(crate) fn bomb(levels: usize) -> String {
    let spreads = (0..levels).map(|n| format!("fragment F{n} on Tree{{...F{0}...F{0}}}", n + 1));
    let spreads = spreads.collect::<Vec<_>>().concat();
    format!("{{tree{{...F0}}}}{spreads}fragment F{levels} on Tree{{tree{{__typename}}}}")
}

/// The quickest of five replies.
async fn quickest(server: &Server, query: &str) -> (Reply, Duration) {
    let mut replies = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let reply = server.query(query).await;
        replies.push((reply, started.elapsed()));
    }
    replies.into_iter().min_by_key(|(_, took)| *took).expect("five replies")
}

#[tokio::test]
async fn a_fragment_bomb_is_refused_at_the_price_of_its_text() {
    let server = start().await;
    let bomb = bomb(15);
    assert!(bomb.len() < 700, "{}", bomb.len());
    let (reply, took) = quickest(&server, &bomb).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{}", reply.text);
    assert!(reply.text.contains("written out"), "{}", reply.text);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

/// The mutant of the test above: without the guard, all four limits of the library let such a document run.
#[tokio::test]
async fn the_librarys_own_limits_let_a_bomb_through_that_the_guard_refuses() {
    let bomb = bomb(11);
    let response = schema::build(Exposure::Production, Fired::default()).execute(bomb.as_str()).await;
    assert!(response.is_ok(), "{response:?}");
    let server = start().await;
    assert_eq!(server.query(&bomb).await.code(), "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn every_limit_of_the_document_is_held() {
    let server = start().await;
    let nested = |open: &str, levels: usize| format!("{{ {} hello {} }}", open.repeat(levels), "}".repeat(levels));
    let many = |what: &str, count: usize| {
        let copies = (0..count).map(|n| what.replace('#', &n.to_string()));
        copies.collect::<Vec<_>>().concat()
    };
    let cases = [
        ("bytes", format!("{{ hello }} # {}", "x".repeat(64 * 1024))),
        ("tokens", format!("{{ {} }}", "hello ".repeat(2_000))),
        ("brackets", format!("{{ hello(name: {}1{}) }}", "[".repeat(41), "]".repeat(41))),
        ("spreads", format!("{{ {} }}", "...F ".repeat(201))),
        ("directives", format!("{{ hello {} }}", "@skip(if: false) ".repeat(51))),
        ("definitions", format!("{{ hello }} {}", many("fragment F# on Query { hello } ", 64))),
        ("aliases", format!("{{ {} }}", many("a#: hello ", 101))),
        ("levels of fields", nested("tree { ", 21)),
        ("levels of selections", nested("... { ", 33)),
    ];
    for (limit, query) in cases {
        let reply = server.query(&query).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (400, "QUERY_TOO_COMPLEX"),
            "{limit}: {}",
            reply.text
        );
        let rule = reply.json()["errors"][0]["extensions"]["rule"].as_str().unwrap().to_owned();
        assert!(rule.contains(limit), "{limit}: {rule}");
    }
}

#[tokio::test]
async fn directives_on_one_field_are_limited() {
    let server = start().await;
    let reply = server.query(&format!("{{ hello {} }}", "@skip(if: false) ".repeat(5))).await;
    assert_eq!(reply.code(), "QUERY_TOO_COMPLEX", "{}", reply.text);
}

#[tokio::test]
async fn a_fragment_that_spreads_itself_is_refused() {
    let server = start().await;
    for query in [
        "{ tree { ...A } } fragment A on Tree { tree { ...A } }",
        "{ tree { ...A } } fragment A on Tree { ...B } fragment B on Tree { ...A }",
        "{ hello } fragment A on Tree { ...A }",
    ] {
        let reply = server.query(query).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "BAD_USER_INPUT"), "{query}");
        assert!(reply.text.contains("spread itself"), "{}", reply.text);
    }
}

#[tokio::test]
async fn strings_and_comments_hide_nothing_from_the_count() {
    let server = start().await;
    let reply = server.query("{ hello(name: \"\"\"{{{ ... @ \\\"\"\" # \"\"\") # }}} \"\n }").await;
    let hello = reply.json()["data"]["hello"].clone();
    assert!(hello.as_str().unwrap().starts_with("{{{ ... @ "), "{hello}");
    let reply = server.query("{ hello(name: \"a\\\"{{{\") }").await;
    assert_eq!(reply.json()["data"]["hello"], "a\"{{{");
    for query in ["{ hello(name: \"", "{ hello(name: \"\"\"x\"\" }", "{ hello(name: \"\\", "{ hello(name: \"é\n\") }"]
    {
        let reply = server.query(query).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "BAD_USER_INPUT"), "{query}");
    }
    let hidden = format!("{{ hello(name: \"\\\"\") {} }}", "tree { ".repeat(41));
    assert_eq!(server.query(&hidden).await.code(), "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn the_dearest_document_that_passes_is_quick() {
    let server = start_with(Exposure::Production, |settings| settings.limits.cost = usize::MAX).await;
    // Close to 2,000 selections of one response name, which the merge check compares with each other.
    let query = format!("{{ {} }} fragment F on Query {{ {} }}", "...F ".repeat(19), "hello ".repeat(98));
    let (reply, took) = quickest(&server, &query).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn the_standard_introspection_query_passes_in_development() {
    let server = start_with(Exposure::Development, |_| {}).await;
    let reply = server.query(INTROSPECTION).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let reply = server.query_with("query ($n: String) { hello(name: $n) }", json!({ "n": "alice" })).await;
    assert_eq!(reply.json()["data"]["hello"], "alice");
}

/// Interfaces and the types that have them lead to each other: ten times as much with each step, and nothing but names.
#[tokio::test]
async fn the_schema_is_not_asked_the_same_again_and_again() {
    let server = start_with(Exposure::Development, |_| {}).await;
    let around = |steps: usize| {
        let (open, close) = ("interfaces { possibleTypes { ".repeat(steps), "} } ".repeat(steps));
        format!("{{ __schema {{ types {{ {open} name {close} }} }} }}")
    };
    assert_eq!(server.query(&around(1)).await.status, 200);
    assert_eq!(server.query(&around(3)).await.code(), "QUERY_TOO_COMPLEX");
    let spread = "{ __schema { types { ...A } } } fragment A on __Type { interfaces { possibleTypes { ...B } } }
        fragment B on __Type { interfaces { possibleTypes { interfaces { possibleTypes { name } } } } }";
    assert_eq!(server.query(spread).await.code(), "QUERY_TOO_COMPLEX");
    let fields = "fields { type { ".repeat(5) + "name" + &"} } ".repeat(5);
    assert_eq!(
        server.query(&format!("{{ __type(name: \"Query\") {{ {fields} }} }}")).await.code(),
        "QUERY_TOO_COMPLEX"
    );
}

/// As graphql-js 16 writes it.
const INTROSPECTION: &str = "
query IntrospectionQuery {
  __schema {
    queryType { name } mutationType { name } subscriptionType { name }
    types { ...FullType }
    directives { name description locations args { ...InputValue } }
  }
}
fragment FullType on __Type {
  kind name description
  fields(includeDeprecated: true) {
    name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason
  }
  inputFields { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type {
  kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType {
    kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }
  } } } } }
}";

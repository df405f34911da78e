//! Hole 1: a page elsewhere makes a browser send a mutation.

use axum::{body::Body, http::Method};

use crate::{
    client::{GOOD, but},
    server::{CONSOLE, SESSION, start},
};

const FIRE: &str = r#"{"query":"mutation { fire }"}"#;

#[tokio::test]
async fn a_mutation_runs_only_as_json_by_post_from_a_listed_origin() {
    let server = start().await;
    let types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/json; charset=latin1",
        "application/jsonp",
    ];
    for content_type in types {
        let reply = server.post(&but("content-type", content_type), FIRE).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (415, "BAD_USER_INPUT"), "{content_type}");
    }
    for origin in ["https://evil.test", "null", "https://console.rhone.test.evil.test", "http://console.rhone.test"] {
        let reply = server.post(&but("origin", origin), FIRE).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "FORBIDDEN"), "{origin}");
    }
    for site in ["cross-site", "same-site"] {
        assert_eq!(server.post(&but("sec-fetch-site", site), FIRE).await.status, 403, "{site}");
    }
    let twice = [GOOD.as_slice(), &[("origin", CONSOLE), ("origin", "https://evil.test")]].concat();
    assert_eq!(server.post(&twice, FIRE).await.status, 403);
    let reply = server.get("/graphql?query=mutation%20%7B%20fire%20%7D").await;
    assert_eq!((reply.status.as_u16(), reply.headers["allow"].to_str().unwrap()), (405, "POST"));
    assert_eq!(server.fired.times(), 0, "a refused mutation ran");

    let reply = server.post(&but("origin", CONSOLE), FIRE).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = server.post(&but("content-type", "Application/JSON; charset=UTF-8"), FIRE).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(server.fired.times(), 2);
}

#[tokio::test]
async fn a_query_may_be_got_and_other_methods_may_not() {
    let server = start().await;
    let reply = server.get("/graphql?query=%7B%20hello%20%7D").await;
    assert_eq!(reply.json()["data"]["hello"], "world");
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = server.send(method, "/graphql", &GOOD, Body::empty()).await;
        assert_eq!(reply.status, 405);
    }
}

#[tokio::test]
async fn a_request_without_a_standing_token_is_unauthenticated() {
    let server = start().await;
    for authorization in ["", "Bearer ", "Bearer wrong", "Basic alice-token", "alice-token"] {
        let reply = server.post(&but("authorization", authorization), FIRE).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "UNAUTHENTICATED"), "{authorization}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    server.tokens.lose_sight();
    let reply = server.query("{ hello }").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (500, "INTERNAL"));
    assert!(!reply.text.contains("hunter2"));
}

#[tokio::test]
async fn a_cookie_speaks_for_a_page_of_ours_alone() {
    let server = start().await;
    let cookie = format!("a=b; __Host-rhone_session={SESSION}");
    let json = ("content-type", "application/json");
    let whoami = r#"{"query":"{ whoami }"}"#;
    let by = |headers: &[(&'static str, &'static str)]| {
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).chain([("cookie", cookie.clone())]).collect()
    };
    let cases: [(Vec<(&str, String)>, u16); 5] = [
        (by(&[json, ("origin", CONSOLE)]), 200),
        (by(&[json]), 403),
        (by(&[json, ("sec-fetch-site", "same-origin")]), 403),
        (by(&[json, ("origin", "https://evil.test")]), 403),
        (by(&[json, ("origin", CONSOLE), ("authorization", "Bearer wrong")]), 401),
    ];
    for (headers, status) in cases {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = server.post(&headers, whoami).await;
        assert_eq!(reply.status, status, "{headers:?}: {reply:?}");
        if status == 200 {
            assert_eq!(reply.json()["data"]["whoami"], "alice by cookie");
        }
    }
    let read =
        server.send(Method::GET, "/graphql?query=%7B%20whoami%20%7D", &[("cookie", &cookie)], Body::empty()).await;
    assert_eq!(read.json()["data"]["whoami"], "alice by cookie", "what is got changes nothing");
    let fire =
        server.send(Method::GET, "/graphql?query=mutation%7Bfire%7D", &[("cookie", &cookie)], Body::empty()).await;
    assert_eq!(fire.status, 405);
}

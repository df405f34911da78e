//! Requests that are not what they seem. Each is refused, or reaches the app as exactly one plain request.

use crate::{
    client::{get, raw, raw_to_the_end, request, send},
    world::{SHOP, World, until},
};
use hyper::{Method, StatusCode};

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_what_they_seem_are_refused() {
    let (_world, blue, edge) = World::serving().await;
    let cases = [
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nhost: shop.example\r\nhost: shop.example\r\n\r\n"),
        ("a host that is none", "GET / HTTP/1.1\r\nhost: shop example\r\n\r\n"),
        ("target against host", "GET http://other.example/ HTTP/1.1\r\nhost: shop.example\r\n\r\n"),
        ("two lengths", "POST / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("a length that is none", "POST / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: +1\r\n\r\na"),
        ("not chunked at last", "POST / HTTP/1.1\r\nhost: shop.example\r\ntransfer-encoding: chunked, gzip\r\n\r\n"),
        (
            "an unknown coding",
            "POST / HTTP/1.1\r\nhost: shop.example\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        ("chunked in 1.0", "POST / HTTP/1.0\r\nhost: shop.example\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a folded line", "GET / HTTP/1.1\r\nhost: shop.example\r\nx-a: b\r\n c\r\n\r\n"),
        ("a space before the colon", "GET / HTTP/1.1\r\nhost: shop.example\r\ncontent-length : 5\r\n\r\n"),
        ("a bare CR", "GET / HTTP/1.1\r\nhost: shop.example\r\nx-a: b\rc\r\n\r\n"),
        ("a tunnel", "CONNECT shop.example:80 HTTP/1.1\r\nhost: shop.example:80\r\n\r\n"),
    ];
    for (name, bytes) in cases {
        let answer = raw(edge.address, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"), "{name}: {answer}");
    }
    assert_eq!(blue.seen(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_two_lengths_smuggles_nothing() {
    let (_world, blue, edge) = World::serving().await;
    let hidden = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: shop.example\r\n\r\n";
    for fields in
        ["content-length: 60\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 60"]
    {
        let answer =
            raw(edge.address, &format!("POST / HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n\r\n{hidden}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields}: {answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{fields}: {answer}");
    }
    assert!(!blue.seen().iter().any(|line| line.contains("smuggled")), "{:?}", blue.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_refused_upgrade_is_not_read_as_a_request() {
    let (_world, blue, edge) = World::serving().await;
    let early = "GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nGET /early HTTP/1.1\r\nhost: shop.example\r\n\r\n";
    let answer = raw(edge.address, early).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "the app refuses an upgrade without a key: {answer}");
    assert!(!blue.seen().iter().any(|line| line.contains("early")), "{:?}", blue.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_sees_what_the_edge_vouches_for() {
    let (_world, _blue, edge) = World::serving().await;
    let mut ask = request(Method::PUT, "SHOP.example.:80", "/a%2Fb?c=d", "hello");
    for (name, value) in [
        ("x-forwarded-for", "9.9.9.9"),
        ("x-request-id", "abc-123"),
        ("connection", "x-drop"),
        ("x-drop", "1"),
        ("x-keep", "1"),
        ("rhone-epoch", "77"),
    ] {
        ask.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let reply = send(edge.address, ask).await;
    let seen = reply.json();
    let header = |name: &str| {
        let all = seen["headers"].as_array().expect("headers").iter();
        all.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((&seen["method"], &seen["path"], &seen["body"]), (&"PUT".into(), &"/a%2Fb?c=d".into(), &"hello".into()));
    assert_eq!(header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(header("x-forwarded-proto"), ["http"]);
    assert_eq!(header("x-request-id"), ["abc-123"]);
    assert_eq!((header("x-drop").len(), header("x-keep").len(), header("rhone-epoch").len()), (0, 1, 0));
    assert_eq!(reply.header("x-request-id"), "abc-123");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_and_a_kept_connection_work() {
    let (_world, blue, edge) = World::serving().await;
    let reply = send(edge.address, request(Method::HEAD, SHOP, "/", "")).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
    let twice = "GET /1 HTTP/1.1\r\nhost: shop.example\r\n\r\nGET /2 HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n";
    assert_eq!(raw_to_the_end(edge.address, twice).await.matches("HTTP/1.1 200").count(), 2);
    assert_eq!(blue.seen(), ["HEAD /", "GET /1", "GET /2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_in_the_text_format() {
    let (_world, _blue, edge) = World::serving().await;
    get(edge.address, SHOP, "/").await;
    let told = async || {
        let text = String::from_utf8(get(edge.admin, "localhost", "/metrics").await.body.to_vec()).expect("text");
        text.contains("\nrhone_edge_requests_total 1\n").then_some(text)
    };
    let text = until("one request is counted", told).await;
    assert!(text.contains("\nrhone_edge_feed_applied_seq 2\n"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert_eq!(line.split(' ').count(), 2, "{line}");
    }
}

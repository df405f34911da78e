//! The probe of a bucket, on a server that checks every signature by itself, from AWS's own description of Signature Version 4,
//! and is held to AWS's own example; and on a real server where `RHONE_TEST_S3` names a bucket of one.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use hmac::{Hmac, Mac as _};
use rhone_domain::binding::Probed;
use rhone_providers::probe::{Ground, Kind, Reach, Target, probe};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

const KEY: &str = "AKIDRHONE";
/// With the characters that Amazon's secrets have.
const SECRET: &str = "c4n4ry/with+signs=";

/// What a request is signed with, by the words of its query.
struct Signed<'a> {
    method: &'a str,
    host: &'a str,
    path: &'a str,
    /// Decoded, without the signature.
    query: BTreeMap<String, String>,
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length does");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// As the description has it: everything but A-Z, a-z, 0-9, -, ., _ and ~.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Signed<'_> {
    fn word(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    fn signature(&self, secret: &str) -> String {
        let query: Vec<_> = self.query.iter().map(|(k, v)| format!("{}={}", encoded(k), encoded(v))).collect();
        let request = format!(
            "{}\n{}\n{}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD",
            self.method,
            self.path,
            query.join("&"),
            self.host
        );
        let credential = self.word("X-Amz-Credential").to_owned();
        let (_, scope) = credential.split_once('/').unwrap_or_default();
        let hash = hex::encode(Sha256::digest(request.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", self.word("X-Amz-Date"));
        let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
        hex::encode(mac(&key, &text))
    }
}

#[test]
fn the_server_of_these_tests_signs_as_the_example_of_the_description() {
    let query = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "86400"),
        ("X-Amz-SignedHeaders", "host"),
    ];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let signed = Signed { method: "GET", host: "examplebucket.s3.amazonaws.com", path: "/test.txt", query };
    assert_eq!(
        signed.signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}

/// What is kept, by path.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

fn no(status: StatusCode, code: &str) -> Response {
    (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>"))
        .into_response()
}

/// A server for region `eu-test-1` with the buckets `shop`, `locked`, which nobody writes, and `liar`.
async fn serve(State(objects): State<Objects>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let raw = uri.query().unwrap_or_default();
    let pairs = raw.split('&').filter_map(|pair| pair.split_once('='));
    let mut query: BTreeMap<_, _> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    let shown = query.remove("X-Amz-Signature").unwrap_or_default();
    let host = headers["host"].to_str().expect("a host");
    let signed = Signed { method: method.as_str(), host, path: uri.path(), query };
    let credential: Vec<_> = signed.word("X-Amz-Credential").split('/').collect();
    if credential.first() != Some(&KEY) {
        return no(StatusCode::FORBIDDEN, "InvalidAccessKeyId");
    }
    if credential.get(2) != Some(&"eu-test-1") {
        return no(StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError");
    }
    if shown != signed.signature(SECRET) {
        return no(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    let path = uri.path().to_owned();
    let mut objects = objects.lock().expect("nobody panics");
    match (path.split('/').nth(1), method) {
        (Some("locked"), Method::PUT) => no(StatusCode::FORBIDDEN, "AccessDenied"),
        (Some("shop" | "liar"), Method::PUT) => {
            objects.insert(path, body.to_vec());
            StatusCode::OK.into_response()
        }
        (Some("liar"), Method::GET) => "something else".into_response(),
        (Some("shop"), Method::GET) => objects.get(&path).cloned().unwrap_or_default().into_response(),
        (Some("shop" | "liar"), Method::DELETE) => {
            objects.remove(&path);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => no(StatusCode::NOT_FOUND, "NoSuchBucket"),
    }
}

async fn server() -> (u16, Objects) {
    let objects = Objects::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let app = Router::new().fallback(serve).with_state(objects.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, objects)
}

async fn said(url: &str, reach: Reach) -> Probed {
    let target = Target::parse(Kind::S3, Some(url)).expect("an address");
    assert!(!format!("{target:?} {}", target.endpoint()).contains("c4n4ry"));
    probe(&target, &Ground { reach, ..Ground::default() }).await
}

async fn code(url: &str, reach: Reach) -> &'static str {
    match said(url, reach).await {
        Probed::Proven { .. } => "PROVEN",
        Probed::Retry { code, message } | Probed::Fatal { code, message } => {
            assert!(!message.contains("c4n4ry") && !message.contains("X-Amz"), "{message}");
            code
        }
    }
}

#[tokio::test]
async fn a_bucket_is_proven_by_an_object_that_is_put_got_and_deleted_under_a_right_signature() {
    let (port, objects) = server().await;
    let at = format!("region=eu-test-1&endpoint=http://127.0.0.1:{port}");
    let secret = encoded(SECRET);
    let good = format!("s3://{KEY}:{secret}@shop?{at}");
    let Probed::Proven { identity, evidence } = said(&good, Reach::Local).await else { panic!("it works") };
    assert_eq!(identity, Some(format!("s3:http://127.0.0.1:{port}/shop")));
    assert_eq!(evidence, ["an object was put, got and deleted"]);
    for (url, expected) in [
        (format!("s3://{KEY}:other@shop?{at}"), "CREDENTIAL_REFUSED"),
        (format!("s3://nobody:{secret}@shop?{at}"), "CREDENTIAL_REFUSED"),
        (format!("s3://{KEY}:{secret}@nowhere?{at}"), "BUCKET_MISSING"),
        (format!("s3://{KEY}:{secret}@locked?{at}"), "NOT_PERMITTED"),
        (format!("s3://{KEY}:{secret}@liar?{at}"), "WRONG_ANSWER"),
        (format!("s3://{KEY}:{secret}@shop?endpoint=http://127.0.0.1:{port}"), "WRONG_REGION"),
        (format!("s3://{KEY}:{secret}@shop?endpoint=http://127.0.0.1:1"), "UNREACHABLE"),
    ] {
        assert_eq!(code(&url, Reach::Local).await, expected, "{url}");
    }
    assert_eq!(objects.lock().expect("nobody panics").len(), 0, "nothing is left behind");
    assert_eq!(code(&good, Reach::Public).await, "INWARD_ADDRESS", "the endpoint is judged as any address");
}

#[test]
fn what_is_no_bucket_or_leads_elsewhere_is_refused_by_its_form() {
    let reads = |url: &str| {
        Target::parse(Kind::S3, Some(url)).map(|target| target.place().map(|(host, port)| format!("{host}:{port}")))
    };
    assert_eq!(reads("s3://k:s@shop?region=eu-west-1"), Ok(Some("shop.s3.eu-west-1.amazonaws.com:443".to_owned())));
    assert_eq!(reads("s3://k:s@shop.eu"), Ok(Some("s3.us-east-1.amazonaws.com:443".to_owned())));
    assert_eq!(
        reads("s3://k:s@shop?endpoint=http://minio.example.com:9000"),
        Ok(Some("minio.example.com:9000".to_owned()))
    );
    for url in [
        "s3://shop",
        "s3://k@shop",
        "s3://:s@shop",
        "s3://k:s@Shop",
        "s3://k:s@sh",
        "s3://k:s@shop:80",
        "s3://k:s@shop/below",
        "s3://k:s@shop?region=eu.west",
        "s3://k:s@shop?region=a/../b",
        "s3://k:s@shop?endpoint=ftp://example.com",
        "s3://k:s@shop?endpoint=http://a:b@example.com",
        "s3://k:s@shop?endpoint=http://example.com/path",
        "s3://k:s@shop?proxy=http://example.com",
    ] {
        assert!(reads(url).is_err(), "{url}");
    }
}

/// Such as `s3://key:secret@bucket?endpoint=http://127.0.0.1:9000`, with a bucket that is there.
#[tokio::test]
async fn a_real_server_proves_its_bucket_and_has_no_other() {
    let Ok(url) = std::env::var("RHONE_TEST_S3") else {
        eprintln!("SKIPPED: RHONE_TEST_S3 names no bucket");
        return;
    };
    assert_eq!(code(&url, Reach::Local).await, "PROVEN");
    let (before, rest) = url.split_once('@').expect("a credential");
    let (_, rest) = rest.split_once('?').expect("an endpoint");
    assert_eq!(code(&format!("{before}@there-is-no-such-bucket?{rest}"), Reach::Local).await, "BUCKET_MISSING");
}

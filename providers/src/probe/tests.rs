//! Addresses: what is read, what is shown, and where no probe may reach; and the probes that need no server of others.

use super::*;
use std::net::IpAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const CANARY: &str = "c4n4ry";

fn local() -> Ground {
    Ground { reach: Reach::Local, ..Ground::default() }
}

/// A server that answers whatever it is asked with this.
async fn answering(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

async fn code_of(kind: Kind, url: &str, ground: &Ground) -> &'static str {
    let target = Target::parse(kind, Some(url)).expect("an address");
    match probe(&target, ground).await {
        Probed::Proven { .. } => "PROVEN",
        Probed::Retry { code, message } | Probed::Fatal { code, message } => {
            assert!(!message.contains(CANARY), "{message}");
            code
        }
    }
}

#[test]
fn an_address_is_read_and_shown_without_its_credential() {
    let target = Target::parse(Kind::Postgres, Some("postgres://shop:c4n4ry@db.example.com/shop?password=c4n4ry"));
    let target = target.expect("an address");
    assert_eq!(target.endpoint(), "postgres://db.example.com/shop");
    assert_eq!(target.place(), Some(("db.example.com", 5432)));
    assert!(!format!("{target:?}").contains(CANARY));
    assert!(target.secret().is_some_and(|secret| secret.contains(CANARY)));
}

#[test]
fn what_is_no_address_of_its_kind_is_refused() {
    for (kind, text) in [
        (Kind::Postgres, "mysql://db.example.com/shop"),
        (Kind::Postgres, "postgres://db.example.com"),
        (Kind::Postgres, "postgres://db.example.com/a/b"),
        (Kind::Http, "file:///etc/passwd"),
        (Kind::Http, "example.com"),
        (Kind::Redis, "https://example.com"),
        (Kind::Nats, ""),
        (Kind::Memory, "memory://here"),
        (Kind::Fs, "file:///etc"),
    ] {
        assert!(Target::parse(kind, Some(text)).is_err(), "{text}");
    }
    assert!(Target::parse(Kind::Postgres, None).is_err());
    assert!(Target::parse(Kind::Memory, None).is_ok());
}

#[test]
fn a_tenant_reaches_no_inward_address() {
    for (text, public, local) in [
        ("169.254.169.254", false, false),
        ("fe80::1", false, false),
        ("fd00:ec2::254", false, false),
        ("100.100.100.200", false, false),
        ("0.0.0.0", false, false),
        ("::ffff:169.254.169.254", false, false),
        ("224.0.0.1", false, false),
        ("127.0.0.1", false, true),
        ("::1", false, true),
        ("::ffff:127.0.0.1", false, true),
        ("10.1.2.3", false, true),
        ("192.168.0.9", false, true),
        ("100.64.0.1", false, true),
        ("fd12::1", false, true),
        ("93.184.216.34", true, true),
        ("2606:2800:220:1::1", true, true),
    ] {
        let address: IpAddr = text.parse().expect("an address");
        assert_eq!((Reach::Public.allows(address), Reach::Local.allows(address)), (public, local), "{text}");
    }
}

#[tokio::test]
async fn an_inward_address_is_not_even_tried_by_whatever_name() {
    let port = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let public = Ground::default();
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0x7f000001"] {
        let url = format!("http://{host}:{port}/");
        assert_eq!(code_of(Kind::Http, &url, &public).await, "INWARD_ADDRESS", "{url}");
    }
    assert_eq!(code_of(Kind::Http, "http://169.254.169.254/latest/meta-data", &local()).await, "INWARD_ADDRESS");
    assert_eq!(code_of(Kind::Http, &format!("http://127.0.0.1:{port}/"), &local()).await, "PROVEN");
}

#[tokio::test]
async fn http_is_judged_by_its_answer_and_redirects_are_not_followed() {
    for (answer, code) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "PROVEN"),
        ("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", "PROVEN"),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", "CREDENTIAL_REFUSED"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "PROBE_FAILED"),
        ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "PROBE_FAILED"),
        ("nonsense", "UNREACHABLE"),
    ] {
        let url = format!("http://user:{CANARY}@127.0.0.1:{}/", answering(answer).await);
        assert_eq!(code_of(Kind::Http, &url, &local()).await, code, "{answer}");
    }
}

#[tokio::test]
async fn redis_is_whoever_answers_ping_with_pong() {
    for (answer, url, code) in [
        ("+PONG\r\n", "redis://127.0.0.1", "PROVEN"),
        ("+OK\r\n", "redis://127.0.0.1", "WRONG_ANSWER"),
        ("-NOAUTH Authentication required.\r\n", "redis://127.0.0.1", "CREDENTIAL_REFUSED"),
        ("-WRONGPASS\r\n", "redis://user:c4n4ry@127.0.0.1", "CREDENTIAL_REFUSED"),
    ] {
        let url = format!("{url}:{}", answering(answer).await);
        assert_eq!(code_of(Kind::Redis, &url, &local()).await, code, "{answer}");
    }
    assert_eq!(code_of(Kind::Redis, "redis://127.0.0.1:1", &local()).await, "UNREACHABLE");
}

#[tokio::test]
async fn the_platforms_own_storage_is_put_got_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground { objects: Some(folder.path().to_owned()), ..Ground::default() };
    let target = Target::parse(Kind::Fs, None).expect("no address");
    let Probed::Proven { evidence, .. } = probe(&target, &ground).await else { panic!("it works") };
    assert_eq!(evidence, ["an object was put, got and deleted"]);
    let left = std::fs::read_dir(folder.path().join("probe")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left behind");
    let none = Ground { objects: None, ..ground };
    assert!(matches!(probe(&target, &none).await, Probed::Fatal { code: "NO_STORAGE", .. }));
}

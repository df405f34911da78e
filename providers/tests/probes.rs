//! The probes, on a real PostgreSQL and a real NATS of their own: which database it really is, by whatever name; and what a
//! wrong credential, a missing database or a dead server is called. NATS needs RHONE_NATS_SERVER.

use rhone_domain::binding::Probed;
use rhone_providers::{
    probe::{Ground, Kind, Reach, Target, probe},
    servers::{Nats, Postgres},
};

fn ground() -> Ground {
    Ground { reach: Reach::Local, ..Ground::default() }
}

async fn said(kind: Kind, url: &str) -> Probed {
    probe(&Target::parse(kind, Some(url)).expect("an address"), &ground()).await
}

fn identity(said: Probed) -> String {
    let Probed::Proven { identity, .. } = said else { panic!("not proven: {said:?}") };
    identity.expect("it has one")
}

fn code(said: &Probed) -> &'static str {
    match said {
        Probed::Proven { .. } => "PROVEN",
        Probed::Retry { code, .. } | Probed::Fatal { code, .. } => code,
    }
}

#[tokio::test]
async fn a_database_is_known_by_what_it_is_and_not_by_its_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let postgres = Postgres::start_for_test(folder.path()).await.expect("starts");
    let url = postgres.url("postgres");
    let first = identity(said(Kind::Postgres, &url).await);
    let renamed = url.replace("127.0.0.1", "localhost");
    assert_ne!(renamed, url, "{url}");
    assert_eq!(identity(said(Kind::Postgres, &renamed).await), first, "another name of the same database");
    let other = identity(said(Kind::Postgres, &postgres.url("template1")).await);
    assert_ne!(other, first, "another database of the same server");
    assert_eq!(code(&said(Kind::Postgres, &postgres.url("nowhere")).await), "DATABASE_MISSING");
    let before = postgres.url("postgres");
    postgres.stop().await;
    assert_eq!(code(&said(Kind::Postgres, &before).await), "UNREACHABLE");
}

#[tokio::test]
async fn nats_is_proven_by_a_message_that_arrives() {
    if std::env::var_os("RHONE_NATS_SERVER").is_none() {
        eprintln!("SKIPPED: RHONE_NATS_SERVER names no server");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start_for_test(folder.path()).await.expect("starts");
    let url = nats.url();
    let Probed::Proven { evidence, .. } = said(Kind::Nats, &url).await else { panic!("not proven") };
    assert!(evidence.contains(&"a message was published and received".to_owned()), "{evidence:?}");
    nats.stop().await;
    assert_eq!(code(&said(Kind::Nats, &url).await), "UNREACHABLE");
}

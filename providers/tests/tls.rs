//! The probe of a PostgreSQL that insists on TLS, on a real one with a certificate of an authority made for the test: what each
//! `sslmode` asks for, and what a certificate that does not do is called. Needs `psql` and `openssl`.

use rhone_domain::binding::Probed;
use rhone_providers::{
    probe::{Ground, Kind, Reach, Target, authorities, probe},
    servers::Postgres,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

fn run(program: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("the program is installed");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An authority of its own; the file of its certificate.
fn authority(folder: &Path, name: &str) -> PathBuf {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name} of a test");
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let named = ["-keyout", key.as_str(), "-out", certificate.as_str(), "-subj", subject.as_str()];
    run("openssl", folder, &[&new[..], &named[..]].concat());
    folder.join(certificate)
}

/// A certificate for `localhost` by that authority, with its key.
fn certificate(folder: &Path, by: &str) -> (String, String) {
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"];
    run("openssl", folder, &[&new[..], &["-keyout", "server.key", "-out", "server.csr"]].concat());
    let says = "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n";
    fs::write(folder.join("says"), says).expect("a file");
    let (pem, key) = (format!("{by}.pem"), format!("{by}.key"));
    let signed = ["x509", "-req", "-in", "server.csr", "-CAcreateserial", "-days", "2", "-extfile", "says"];
    run("openssl", folder, &[&signed[..], &["-CA", &pem, "-CAkey", &key, "-out", "server.crt"]].concat());
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("openssl wrote it");
    (read("server.crt"), read("server.key"))
}

fn sql(url: &str, statement: &str) -> String {
    run("psql", Path::new("/"), &[url, "-XAtqc", statement])
}

/// Written by the server itself, so that it is the server's own file and nobody else's.
fn write(url: &str, name: &str, text: &str) {
    let lines = format!("SELECT unnest(string_to_array($text${}$text$, E'\\n'))", text.trim_end());
    sql(url, &format!("COPY ({lines}) TO PROGRAM 'umask 077; cat > {name}'"));
}

/// From now on it speaks TLS, and to nobody in clear.
fn insists_on_tls(url: &str, (certificate, key): (&str, &str)) {
    write(url, "server.crt", certificate);
    write(url, "server.key", key);
    write(url, "pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl all all all reject");
    sql(url, "ALTER SYSTEM SET ssl = on");
    sql(url, "SELECT pg_reload_conf()");
}

async fn said(url: &str, trusted: Option<&Path>) -> Probed {
    let authorities = trusted.map(|file| authorities(file).expect("a certificate")).unwrap_or_default();
    let ground = Ground { reach: Reach::Local, authorities, ..Ground::default() };
    probe(&Target::parse(Kind::Postgres, Some(url)).expect("an address"), &ground).await
}

/// The code and, of what was proven, what was said of the encryption.
async fn came(url: &str, trusted: Option<&Path>) -> (&'static str, Option<String>) {
    let (_, rest) = url.split_once(':').expect("a scheme");
    let password = rest.split(['@', ':']).nth(1).expect("a password");
    match said(url, trusted).await {
        Probed::Proven { evidence, .. } => {
            assert!(!evidence.concat().contains(password), "{evidence:?}");
            ("PROVEN", evidence.get(2).cloned())
        }
        Probed::Retry { code, message } | Probed::Fatal { code, message } => {
            assert!(!message.contains(password), "{message}");
            (code, None)
        }
    }
}

async fn code(url: &str, trusted: Option<&Path>) -> &'static str {
    came(url, trusted).await.0
}

#[tokio::test]
async fn a_database_that_insists_on_tls_is_proven_as_its_address_asks_and_not_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = tempfile::tempdir().expect("a folder");
    let (ours, other) = (authority(made.path(), "ours"), authority(made.path(), "other"));
    let (certificate, key) = certificate(made.path(), "ours");
    let postgres = Postgres::start_for_test(folder.path()).await.expect("starts");
    let address = postgres.url("postgres");
    let name = address.replace("127.0.0.1", "localhost");
    let asking = |url: &str, words: &str| format!("{url}?{words}");

    assert_eq!(code(&asking(&name, "sslmode=require"), None).await, "TLS_REFUSED", "it has no certificate yet");
    insists_on_tls(&address, (&certificate, &key));
    let begins = async {
        while code(&asking(&name, "sslmode=require"), None).await != "PROVEN" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), begins).await.expect("it takes its certificate");

    assert_eq!(code(&asking(&name, "sslmode=disable"), None).await, "CREDENTIAL_REFUSED", "nobody speaks in clear");
    assert_eq!(came(&name, None).await, ("PROVEN", None), "who says nothing is encrypted where that can be");
    let (judged, here) = ("by a certificate of a trusted authority", "for this host");
    for (url, words, trusted, expected) in [
        (&name, "sslmode=require", None, Ok("its certificate was not judged")),
        (&name, "sslmode=require&channel_binding=require", None, Ok("its certificate was not judged")),
        (&address, "sslmode=verify-ca", Some(&ours), Ok(judged)),
        (&name, "sslmode=verify-full", Some(&ours), Ok(here)),
        (&name, "sslmode=verify-full&channel_binding=require", Some(&ours), Ok(here)),
        (&name, "sslrootcert=system", Some(&ours), Ok(here)),
        (&name, "sslmode=verify-ca", None, Err("CERTIFICATE_REFUSED")),
        (&name, "sslmode=verify-full", None, Err("CERTIFICATE_REFUSED")),
        (&name, "sslmode=verify-full", Some(&other), Err("CERTIFICATE_REFUSED")),
        (&address, "sslmode=verify-full", Some(&ours), Err("CERTIFICATE_REFUSED")),
        (&name, "sslmode=sometimes", None, Err("MALFORMED")),
        (&name, "sslmode=verify-full&sslrootcert=/etc/passwd", None, Err("MALFORMED")),
    ] {
        let (code, evidence) = came(&asking(url, words), trusted.map(PathBuf::as_path)).await;
        match expected {
            Ok(words_of) => {
                assert_eq!(code, "PROVEN", "{words}");
                assert!(evidence.is_some_and(|said| said.ends_with(words_of)), "{words}");
            }
            Err(expected) => assert_eq!(code, expected, "{words}"),
        }
    }
}

/// The trap: a host that was judged, and another one among the words of the URL, to which the client would go first.
#[tokio::test]
async fn no_word_of_an_address_leads_elsewhere_than_where_it_was_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let postgres = Postgres::start_for_test(folder.path()).await.expect("starts");
    let url = postgres.url("postgres");
    for words in
        ["host=other&hostaddr=127.0.0.2", "hostaddr=127.0.0.2", "host=/tmp", "port=1", "user=other", "dbname=other"]
    {
        assert_eq!(code(&format!("{url}?{words}"), None).await, "MALFORMED", "{words}");
    }
    assert_eq!(code(&format!("{url}?pool_timeout=7&application_name=shop"), None).await, "PROVEN");
}

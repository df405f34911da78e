//! Repositories and images that only some may read: the credential opens them, and nobody else is ever shown it. The servers
//! write down what they were shown; a leak would stand there.

use crate::{
    image::{Registry, layout},
    machines::tools,
    repository::{OPEN, Repository, Server, log, said, source},
};
use rhone_builder::{
    image::{Image, RegistryError, pull, push},
    log::Log,
    source::{Fetched, Limits, Reference, Source, SourceError, Tools, fetch},
};
use rhone_domain::{
    digest::Digest,
    hidden::Hidden,
    logs::Mask,
    source_credential::{SignIn, SourceHost},
    text::Username,
};
use rhone_image::layout::blob;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

/// With everything that has to be escaped somewhere.
const SECRET: &str = "c4nary/of: acme%ä'\"";

fn sign_in(host: &str, secret: &str) -> SignIn {
    let username = Username::parse("username", "alice@acme").unwrap();
    SignIn { host: SourceHost::parse("host", host).unwrap(), username, secret: Hidden::new(secret.to_owned()) }
}

/// A host of repositories that asks who is there.
struct Private {
    server: Server,
    room: tempfile::TempDir,
}

impl Private {
    fn start(repositories: &Path, elsewhere: &str) -> Self {
        Self::speaking(repositories, elsewhere, None)
    }

    /// In clear, or by TLS with this certificate and key.
    fn speaking(repositories: &Path, elsewhere: &str, tls: Option<&Identity>) -> Self {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("key"), format!("alice@acme:{SECRET}")).unwrap();
        fs::write(room.path().join("seen"), "").unwrap();
        let server = Server::start(|port| {
            let mut python = Command::new("python3");
            python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/private_git.py")).arg(port.to_string());
            python.arg(repositories).arg(room.path().join("key")).arg(room.path().join("seen")).arg(elsewhere);
            python.args(tls.iter().flat_map(|tls| [tls.file("host.pem"), tls.file("host.key")]));
            python
        });
        Self { server, room }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.host())
    }

    fn saw(&self) -> String {
        fs::read_to_string(self.room.path().join("seen")).unwrap()
    }
}

async fn read(url: &str, reference: Reference, sign_in: Option<SignIn>) -> Result<(Fetched, String), SourceError> {
    read_with(&tools(), url, reference, sign_in).await
}

async fn read_with(
    tools: &Tools,
    url: &str,
    reference: Reference,
    sign_in: Option<SignIn>,
) -> Result<(Fetched, String), SourceError> {
    let room = tempfile::tempdir().unwrap();
    let forms = sign_in.as_ref().map(SignIn::forms).unwrap_or_default();
    let (log, lines) = Log::channel(1_000, Mask::of(&forms));
    let source = Source { sign_in, ..source(url, reference) };
    let found = fetch(&source, &room.path().join("into"), &Limits::default(), &OPEN, tools, &log).await;
    drop(log);
    let left = holding(room.path(), "c4nary");
    assert!(left.is_empty(), "{left:?}");
    found.map(|found| (found, said(lines)))
}

/// The files below a folder with this in them.
fn holding(folder: &Path, what: &str) -> Vec<String> {
    let found = Command::new("grep").args(["-rlaF", "--", what]).arg(folder).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn basic(secret: &str) -> String {
    sign_in("git.example.com", secret).forms().pop().unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_private_repository_is_read_with_the_credential_of_its_host_which_is_nowhere_else() {
    let (repository, commit) = Repository::with_one_commit();
    let private = Private::start(repository.root.path(), "");
    for reference in [Reference::Commit(commit.clone()), Reference::Branch("main".into())] {
        let held = Some(sign_in(&private.host(), SECRET));
        let (found, told) = read(&private.url("app/.git"), reference, held).await.expect("fetched");
        assert_eq!(found.commit, commit);
        assert!(told.contains(&format!("if {} asks, as alice@acme", private.host())), "{told}");
        assert!(!told.contains("c4nary"), "{told}");
    }
    let saw = private.saw();
    assert!(saw.contains(&basic(SECRET)), "it was shown: {saw}");
    assert!(!saw.contains("LEAK"), "words and environments are read by others: {saw}");
}

/// A certificate of an authority that nobody but its folder knows, for 127.0.0.1, and the authority's own.
struct Identity(tempfile::TempDir);

const MADE: &str = "
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=An authority' -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj '/CN=127.0.0.1' -keyout host.key -out host.csr
printf 'subjectAltName=IP:127.0.0.1\n' > names
openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out host.pem
";

impl Identity {
    /// None, said loudly, where `openssl` is not installed.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("SKIPPED: a host was not read by TLS, for `openssl` is not installed");
            return None;
        }
        let made = Command::new("sh").args(["-ec", MADE]).current_dir(folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[tokio::test]
async fn over_tls_a_credential_is_shown_only_to_a_host_whose_certificate_is_of_a_known_authority() {
    let (repository, commit) = Repository::with_one_commit();
    let (Some(ours), Some(theirs)) = (Identity::new(), Identity::new()) else { return };
    let private = Private::speaking(repository.root.path(), "", Some(&ours));
    let url = format!("https://{}/app/.git", private.host());
    let held = || Some(sign_in(&private.host(), SECRET));
    let knows =
        |authority: Option<&Identity>| Tools { authorities: authority.map(|own| own.file("ca.pem")), ..tools() };
    // The machine's own authorities, and another one than the host's.
    for stranger in [knows(None), knows(Some(&theirs))] {
        let refused = read_with(&stranger, &url, Reference::Commit(commit.clone()), held()).await.expect_err("unknown");
        assert_eq!(refused.code(), "SOURCE_UNREACHABLE", "{refused}");
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
    assert_eq!(private.saw(), "", "nothing was said to it");
    let trusting = knows(Some(&ours));
    for reference in [Reference::Commit(commit.clone()), Reference::Branch("main".into())] {
        let (found, told) = read_with(&trusting, &url, reference, held()).await.expect("fetched");
        assert_eq!(found.commit, commit);
        assert!(!told.contains("c4nary"), "{told}");
    }
    assert!(private.saw().contains(&basic(SECRET)), "it was shown: {}", private.saw());
    let refused = read_with(&trusting, &url, Reference::Commit(commit), None).await.expect_err("nobody signed in");
    assert_eq!(refused.code(), "SIGN_IN_NEEDED");
}

#[tokio::test]
async fn whoever_holds_none_or_a_wrong_one_or_that_of_another_host_is_told_what_to_do() {
    let (repository, commit) = Repository::with_one_commit();
    let private = Private::start(repository.root.path(), "");
    let next = format!("rhone credential set {}", private.host());
    for (held, code) in [
        (None, "SIGN_IN_NEEDED"),
        (Some(sign_in(&private.host(), "wrong")), "SIGN_IN_REFUSED"),
        (Some(sign_in("git.example.com", SECRET)), "SIGN_IN_NEEDED"),
        (Some(sign_in("127.0.0.1", SECRET)), "SIGN_IN_NEEDED"),
    ] {
        let refused = read(&private.url("app/.git"), Reference::Commit(commit.clone()), held.clone()).await;
        let refused = refused.expect_err("refused");
        assert_eq!(refused.code(), code, "{held:?}: {refused}");
        assert!(refused.to_string().contains(&next), "{refused}");
        assert!(!refused.may_pass(), "trying again is of no use");
    }
    assert!(!private.saw().contains(&basic(SECRET)), "another host's credential was shown: {}", private.saw());
}

#[tokio::test]
async fn a_host_that_sends_elsewhere_carries_no_credential_there() {
    let (repository, commit) = Repository::with_one_commit();
    let there = Private::start(repository.root.path(), "");
    let here =
        Private::start(repository.root.path(), &there.url("").trim_end_matches('/').replace("127.0.0.1", "localhost"));
    let held = Some(sign_in(&here.host(), SECRET));
    let refused = read(&here.url("moved/app/.git"), Reference::Commit(commit), held).await.expect_err("moved");
    assert_eq!(refused.code(), "REPOSITORY_MOVED", "{refused}");
    assert_eq!(there.saw(), "", "nobody there was asked anything");
}

#[tokio::test]
async fn a_server_that_says_the_secret_back_is_not_repeated() {
    let (repository, commit) = Repository::with_one_commit();
    let private = Private::start(repository.root.path(), "");
    let held = Some(sign_in(&private.host(), SECRET));
    let refused = read(&private.url("told/app"), Reference::Commit(commit), held).await.expect_err("an error");
    let told = refused.to_string();
    assert!(told.contains("your password is ***") && !told.contains("c4nary"), "{told}");
}

/// `alice@acme` with `SECRET_OF_IMAGES`, as `crypt("...", "$2y$05$abcdefghijklmnopqrstuu")` of Debian's libcrypt gives it.
const PASSWORDS: &str = "alice@acme:$2y$05$abcdefghijklmnopqrstuuBC4XWrUIHtvvoaRfwjM.Mf6WLExNINe\n";
const SECRET_OF_IMAGES: &str = "s3cret-canary-of-acme";

#[tokio::test]
async fn a_private_image_is_pushed_and_pulled_with_the_credential_of_its_registry() {
    let Some(registry) = Registry::private(PASSWORDS) else { return };
    let room = tempfile::tempdir().unwrap();
    let layout = layout(room.path()).await;
    let name = registry.name("acme/hello");
    let host = name.split_once('/').unwrap().0;
    let right = sign_in(host, SECRET_OF_IMAGES);
    let digest = push(&layout, &name, Some(&right), &OPEN, &log().0).await.expect("pushed");
    let (log, lines) = log();
    let into = room.path().join("pulled");
    pull((&name, digest), Some(&right), &into, &Limits::default(), &OPEN, &log).await.expect("pulled");
    drop(log);
    let told = said(lines);
    assert!(told.contains(&format!("if {host} asks, as alice@acme")) && !told.contains("s3cret"), "{told}");
    assert!(holding(room.path(), SECRET_OF_IMAGES).is_empty());
    for (held, code) in [
        (None, "SIGN_IN_NEEDED"),
        (Some(sign_in(host, "wrong")), "SIGN_IN_REFUSED"),
        (Some(sign_in("registry.example.com", SECRET_OF_IMAGES)), "SIGN_IN_NEEDED"),
    ] {
        let refused = refused(&name, digest, held.as_ref()).await;
        assert_eq!(refused.code(), code, "{held:?}: {refused}");
        assert!(refused.to_string().contains(&format!("rhone credential set {host}")), "{refused}");
        let pushed = push(&layout, &name, held.as_ref(), &OPEN, &self::log().0).await.expect_err("refused");
        assert_eq!(pushed.code(), code, "{held:?}: {pushed}");
    }
}

async fn refused(name: &str, digest: Digest, held: Option<&SignIn>) -> RegistryError {
    let room = tempfile::tempdir().unwrap();
    let into = room.path().join("into");
    pull((name, digest), held, &into, &Limits::default(), &OPEN, &log().0).await.expect_err("refused")
}

/// A server that answers as it is told, and remembers the first lines of what it was asked with what it was shown.
struct Answering {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Answering {
    fn start(answer: impl Fn(&str, &str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let remembered = asked.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
                while !read.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => break,
                        Ok(some) => read.extend_from_slice(&buffer[..some]),
                    }
                }
                let text = String::from_utf8_lossy(&read).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let shown = text.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
                });
                let shown = shown.unwrap_or_else(|| "-".to_owned());
                remembered.lock().unwrap().push(format!("{path} {shown}"));
                let _ = stream.write_all(&answer(&path, &shown));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n")
    }
}

fn said_by(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server of tokens: one for whoever signs in, another for anybody.
fn tokens() -> Answering {
    let right = format!("Basic {}", basic(SECRET));
    Answering::start(move |_, shown| {
        let token = if shown == right { "alices" } else { "anybodys" };
        said_by("200 OK", "", format!("{{\"token\":\"{token}\"}}").as_bytes())
    })
}

/// A registry with one private image, which sends to a server of tokens; its blobs are elsewhere, as big registries have them.
fn tokened(layout: &Path, realm: String, blobs: String) -> Answering {
    let layout = layout.to_owned();
    Answering::start(move |path, shown| {
        if shown != "Bearer alices" {
            let asks =
                format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"x\",scope=\"repository:a:pull\"\r\n");
            return said_by("401 Unauthorized", &asks, b"");
        }
        match path.split_once("sha256:") {
            Some((before, hex)) if before.contains("manifests") => {
                let digest: Digest = format!("sha256:{hex}").parse().unwrap();
                said_by("200 OK", "", &fs::read(blob(&layout, digest)).unwrap())
            }
            Some((_, hex)) => said_by("307 Go", &format!("Location: {blobs}/sha256:{hex}\r\n"), b""),
            None => said_by("404 Not Found", "", b""),
        }
    })
}

fn store(layout: &Path) -> Answering {
    let layout = layout.to_owned();
    Answering::start(move |path, _| {
        let digest: Digest = path.trim_start_matches('/').parse().unwrap();
        said_by("200 OK", "", &fs::read(blob(&layout, digest)).unwrap())
    })
}

#[tokio::test]
async fn a_token_is_had_with_the_credential_and_neither_is_shown_where_a_blob_is_redirected_to() {
    let room = tempfile::tempdir().unwrap();
    let layout = layout(room.path()).await;
    let digest = Image::open(&layout).unwrap().descriptor.digest;
    let (tokens, store) = (tokens(), store(&layout));
    let realm = format!("http://127.0.0.1:{}/token", tokens.port);
    let registry = tokened(&layout, realm, format!("http://127.0.0.1:{}", store.port));
    let name = format!("127.0.0.1:{}/a", registry.port);
    let held = sign_in(&format!("127.0.0.1:{}", registry.port), SECRET);
    let into = room.path().join("pulled");
    pull((&name, digest), Some(&held), &into, &Limits::default(), &OPEN, &log().0).await.expect("pulled");
    assert!(tokens.asked().contains("scope=repository%3Aa%3Apull"), "{}", tokens.asked());
    assert!(!registry.asked().contains("Basic"), "a registry that wants a token is shown no password");
    assert!(!store.asked().is_empty() && store.asked().lines().all(|line| line.ends_with(" -")), "{}", store.asked());
    assert_eq!(refused(&name, digest, None).await.code(), "SIGN_IN_NEEDED");
    let wrong = sign_in(&format!("127.0.0.1:{}", registry.port), "wrong");
    assert_eq!(refused(&name, digest, Some(&wrong)).await.code(), "SIGN_IN_REFUSED");
}

#[tokio::test]
async fn a_server_of_tokens_on_another_host_is_shown_nothing_in_clear() {
    let room = tempfile::tempdir().unwrap();
    let layout = layout(room.path()).await;
    let digest = Image::open(&layout).unwrap().descriptor.digest;
    let tokens = tokens();
    let registry = tokened(&layout, format!("http://localhost:{}/token", tokens.port), String::new());
    let name = format!("127.0.0.1:{}/a", registry.port);
    let held = sign_in(&format!("127.0.0.1:{}", registry.port), SECRET);
    assert_eq!(refused(&name, digest, Some(&held)).await.code(), "SIGN_IN_WITHHELD");
    assert_eq!((tokens.asked().as_str(), registry.asked().contains("Basic")), ("", false));
}

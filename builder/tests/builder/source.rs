//! Exactly one commit, from whatever serves it; everything else is refused by name.

use crate::{
    machines::{tools, until},
    repository::{OPEN, Repository, Server, fetched, log, refused, said, source},
};
use rhone_builder::source::{Allowed, Limits, Reference, SourceError, SourcePolicy, fetch};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::Duration,
};

fn commit(name: &str) -> Reference {
    Reference::Commit(name.to_owned())
}

#[tokio::test]
async fn an_older_commit_is_fetched_alone_with_its_facts_and_without_its_history() {
    let (repository, first) = Repository::with_one_commit();
    repository.write("hello.txt", "second\n");
    repository.commit("Second");
    let into = repository.root.path().join("into");
    let found = fetched(&source(&repository.url(), commit(&first)), &into).await.expect("fetched");
    assert_eq!((found.commit.as_str(), found.subject.as_str(), found.committed), (&*first, "Say hello", 1_700_000_000));
    assert_eq!((found.files, found.bytes), (2, 16));
    assert_eq!(fs::read_to_string(into.join("hello.txt")).unwrap(), "hello\n");
    assert_ne!(fs::metadata(into.join("bin/run")).unwrap().permissions().mode() & 0o111, 0);
    assert!(!into.join(".git").exists());
    let facts: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(into.join("rhone.source.json")).unwrap()).unwrap();
    assert_eq!((&facts["repository"], &facts["commit"]), (&repository.url().into(), &first.into()));
    let left: Vec<_> = fs::read_dir(repository.root.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn a_branch_or_tag_is_resolved_once_to_its_exact_commit() {
    let (repository, first) = Repository::with_one_commit();
    repository.git(&["tag", "-a", "v1", "-m", "annotated"]);
    repository.git(&["tag", "light"]);
    // Names that end alike must not be taken for each other.
    repository.git(&["branch", "other/main"]);
    repository.write("hello.txt", "second\n");
    let second = repository.commit("Second");
    for (reference, expected) in [
        (Reference::Branch("main".into()), &second),
        (Reference::Branch("other/main".into()), &first),
        (Reference::Tag("v1".into()), &first),
        (Reference::Tag("light".into()), &first),
    ] {
        let room = tempfile::tempdir().unwrap();
        let found = fetched(&source(&repository.url(), reference.clone()), &room.path().join("into")).await;
        assert_eq!(&found.expect("fetched").commit, expected, "{reference}");
    }
    for missing in [Reference::Branch("v1".into()), Reference::Tag("main".into()), Reference::Branch("mai".into())] {
        assert_eq!(refused(&source(&repository.url(), missing)).await, "REFERENCE_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_default_branch_is_the_one_that_the_repository_itself_shows_first() {
    let (repository, first) = Repository::with_one_commit();
    repository.git(&["branch", "quiet"]);
    repository.write("hello.txt", "second\n");
    let second = repository.commit("Second");
    let source = source(&repository.url(), Reference::Default);
    for (head, expected) in [("refs/heads/main", &second), ("refs/heads/quiet", &first)] {
        repository.git(&["symbolic-ref", "HEAD", head]);
        let room = tempfile::tempdir().unwrap();
        let found = fetched(&source, &room.path().join("into")).await;
        assert_eq!(&found.expect("fetched").commit, expected, "{head}");
    }
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/nobody"]);
    assert_eq!(refused(&source).await, "REFERENCE_NOT_FOUND");
}

#[tokio::test]
async fn what_is_not_there_or_no_commit_is_refused_by_name() {
    let (repository, first) = Repository::with_one_commit();
    let url = repository.url();
    assert_eq!(refused(&source(&url, commit(&"a".repeat(40)))).await, "COMMIT_NOT_FOUND");
    assert_eq!(refused(&source(&url, commit(&first[..12]))).await, "REFERENCE_NOT_EXACT");
    assert_eq!(refused(&source(&url, commit("main"))).await, "REFERENCE_NOT_EXACT");
    assert_eq!(refused(&source(&url, Reference::Branch("--upload-pack=id".into()))).await, "REFERENCE_INVALID");
    repository.git(&["tag", "-a", "v1", "-m", "annotated"]);
    let tag = repository.git(&["rev-parse", "v1"]);
    assert_ne!(tag, first);
    assert_eq!(refused(&source(&url, commit(&tag))).await, "NOT_A_COMMIT");
    let tree = repository.git(&["rev-parse", "HEAD^{tree}"]);
    assert_eq!(refused(&source(&url, commit(&tree))).await, "NOT_A_COMMIT");
    let empty = tempfile::tempdir().unwrap();
    for nothing in [empty.path().display().to_string(), "/nowhere/at/all".to_owned()] {
        assert_eq!(refused(&source(&nothing, commit(&first))).await, "NOT_A_REPOSITORY");
    }
}

#[tokio::test]
async fn a_repository_of_sha_256_is_fetched_too() {
    let repository = Repository::new();
    fs::remove_dir_all(repository.path().join(".git")).unwrap();
    repository.git(&["init", "--quiet", "--initial-branch=main", "--object-format=sha256"]);
    repository.write("hello.txt", "hello\n");
    let first = repository.commit("First");
    assert_eq!(first.len(), 64);
    let into = repository.root.path().join("into");
    assert_eq!(fetched(&source(&repository.url(), commit(&first)), &into).await.expect("fetched").commit, first);
}

#[tokio::test]
async fn a_repository_that_is_too_large_is_refused_while_it_comes_and_before_it_is_written() {
    let (repository, _) = Repository::with_one_commit();
    // Noise does not compress; zeros do, and are large only when they are written.
    repository.write(
        "noise",
        (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>(),
    );
    let noisy = repository.commit("Noise");
    repository.git(&["rm", "--quiet", "noise"]);
    repository.write("zeros", vec![0; 12_000_000]);
    let hollow = repository.commit("Zeros");
    repository.git(&["rm", "--quiet", "zeros"]);
    for n in 0..60 {
        repository.write(&format!("many/{n}"), "x");
    }
    let many = repository.commit("Many");
    let limits = Limits { bytes: 2_000_000, files: 50, timeout: Duration::from_mins(1) };
    for (wanted, what) in [(noisy, "bytes"), (hollow, "bytes"), (many, "files")] {
        let into = repository.root.path().join("into");
        let refused =
            fetch(&source(&repository.url(), commit(&wanted)), &into, &limits, &OPEN, &tools(), &log().0).await;
        let refused = refused.expect_err("too large");
        assert!(matches!(refused, SourceError::TooLarge { what: is, .. } if is == what), "{what}: {refused}");
        assert!(!into.exists());
    }
}

#[tokio::test]
async fn a_link_that_leaves_the_tree_is_refused_and_one_that_stays_is_kept() {
    for (target, through, good) in [
        ("/etc/passwd", None, false),
        ("../outside", None, false),
        ("inner/../../outside", None, false),
        ("there/../..", Some("inner"), false),
        ("hello.txt", None, true),
        ("not-yet-built", None, true),
    ] {
        let (repository, _) = Repository::with_one_commit();
        repository.write("inner/deep/file", "x");
        if let Some(through) = through {
            symlink("inner/deep", repository.path().join("there")).unwrap();
            let _ = through;
        }
        symlink(target, repository.path().join("link")).unwrap();
        let linked = repository.commit("Link");
        let into = repository.root.path().join("into");
        let found = fetched(&source(&repository.url(), commit(&linked)), &into).await;
        match found {
            Ok(_) => assert!(good && into.join("link").is_symlink(), "{target}"),
            Err(refused) => assert!(!good && refused.code() == "LINK_LEAVES_TREE", "{target}: {refused}"),
        }
    }
}

#[tokio::test]
async fn nothing_of_a_repository_runs_and_submodules_are_named_and_left_out() {
    let (inner, _) = Repository::with_one_commit();
    let repository = Repository::new();
    let witness = repository.root.path().join("ran");
    let run = format!("touch {}", witness.display());
    repository.write(".gitattributes", "* filter=evil diff=evil merge=evil\n*.lfs filter=lfs\n");
    repository.write("big.lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    repository.git(&["submodule", "--quiet", "add", &inner.url(), "sub"]);
    let wanted = repository.commit("Traps");
    for (key, value) in [
        ("filter.evil.smudge", &*run),
        ("filter.evil.process", &run),
        ("uploadpack.packObjectsHook", &run),
        ("core.fsmonitor", &run),
        ("core.sshCommand", &run),
    ] {
        repository.git(&["config", key, value]);
    }
    for hook in ["post-checkout", "pre-auto-gc", "reference-transaction", "post-upload-pack"] {
        let path = repository.path().join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{run}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (log, lines) = log();
    let into = repository.root.path().join("into");
    fetch(&source(&repository.url(), commit(&wanted)), &into, &Limits::default(), &OPEN, &tools(), &log)
        .await
        .expect("fetched");
    assert!(!witness.exists(), "something of the repository ran");
    assert!(fs::read_to_string(into.join("big.lfs")).unwrap().starts_with("version"), "no filter was asked");
    assert_eq!(fs::read_dir(into.join("sub")).unwrap().count(), 0);
    assert!(said(lines).contains("`sub` is another repository"));
}

#[tokio::test]
async fn the_repositorys_own_claim_of_where_it_is_from_is_replaced() {
    let (repository, _) = Repository::with_one_commit();
    symlink("hello.txt", repository.path().join("rhone.source.json")).unwrap();
    let claimed = repository.commit("Claim");
    let into = repository.root.path().join("into");
    fetched(&source(&repository.url(), commit(&claimed)), &into).await.expect("fetched");
    assert!(fs::read_to_string(into.join("rhone.source.json")).unwrap().contains(&claimed));
    assert_eq!(fs::read_to_string(into.join("hello.txt")).unwrap(), "hello\n");
}

#[tokio::test]
async fn the_policy_is_asked_again_after_the_name_was_resolved() {
    let strict = SourcePolicy { local: Allowed::No, private: Allowed::No };
    let wanted = commit(&"a".repeat(40));
    for inward in ["http://169.254.169.254/latest", "http://127.0.0.1/a", "/srv/app.git", "ext::id"] {
        let into = tempfile::tempdir().unwrap();
        let refused =
            fetch(&source(inward, wanted.clone()), into.path(), &Limits::default(), &strict, &tools(), &log().0).await;
        assert_eq!(refused.expect_err(inward).code(), "SOURCE_NOT_ALLOWED");
    }
    // The machine's own name is an ordinary name that its hosts file or resolver leads to an address of its own.
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
    let inside =
        |address: std::net::SocketAddr| rhone_domain::source_address::may_be_reached(address.ip(), &strict).is_err();
    match tokio::net::lookup_host((name.as_str(), 80)).await.map(|mut found| found.any(inside)) {
        Ok(true) => {
            let into = tempfile::tempdir().unwrap();
            let (named, log, limits) = (source(&format!("http://{name}/a"), wanted), log().0, Limits::default());
            let tools = tools();
            let refused = fetch(&named, into.path(), &limits, &strict, &tools, &log);
            assert_eq!(refused.await.expect_err("inward").code(), "SOURCE_NOT_ALLOWED");
        }
        _ => eprintln!("SKIPPED: no name on this machine resolves to a private address"),
    }
    assert_eq!(refused(&source("http://no-such-host.invalid/a", commit(&"a".repeat(40)))).await, "HOST_NOT_FOUND");
}

#[tokio::test]
async fn gits_own_daemon_serves_a_commit() {
    let (repository, first) = Repository::with_one_commit();
    repository.commit("Second");
    let root = repository.root.path().to_owned();
    let server = Server::start(|port| {
        let mut daemon = Command::new("git");
        daemon.args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"]).arg(format!("--port={port}"));
        daemon.arg(format!("--base-path={}", root.display()));
        daemon
    });
    let into = repository.root.path().join("into");
    let url = format!("git://localhost:{}/app", server.port);
    assert_eq!(fetched(&source(&url, commit(&first)), &into).await.expect("fetched").commit, first);
    let none = format!("git://localhost:{}/none", server.port);
    assert_eq!(refused(&source(&none, commit(&first))).await, "NOT_A_REPOSITORY");
}

fn python(folder: &Path, port: u16, flags: &[&str]) -> Command {
    let mut server = Command::new("/usr/bin/python3");
    server.args(["-m", "http.server", "--bind", "127.0.0.1"]).args(flags).arg(port.to_string()).current_dir(folder);
    server
}

#[tokio::test]
async fn a_server_over_http_gives_a_commit_also_where_it_knows_nothing_but_files() {
    let (repository, first) = Repository::with_one_commit();
    repository.commit("Second");
    repository.git(&["update-server-info"]);
    // Python's server does not pass git's protocol version on, and the older one gives single commits only when told.
    repository.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let root = repository.root.path().to_owned();
    // Smart: git's own program behind CGI.
    fs::create_dir(root.join("cgi-bin")).unwrap();
    let script = format!(
        "#!/bin/sh\nGIT_PROJECT_ROOT={} GIT_HTTP_EXPORT_ALL=1 exec git -c safe.directory='*' http-backend\n",
        root.display()
    );
    fs::write(root.join("cgi-bin/git"), script).unwrap();
    fs::set_permissions(root.join("cgi-bin/git"), fs::Permissions::from_mode(0o755)).unwrap();
    // Python drops to nobody as root before it runs a script.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(|port| python(&root, port, &["--cgi"]));
    for (path, words) in [("cgi-bin/git/app/.git", "fetched"), ("app/.git", "fetching all branches and tags")] {
        let into = root.join("into");
        let (log, lines) = log();
        let url = format!("http://localhost:{}/{path}", server.port);
        let found = fetch(&source(&url, commit(&first)), &into, &Limits::default(), &OPEN, &tools(), &log).await;
        assert_eq!(found.unwrap_or_else(|error| panic!("{path}: {error}")).commit, first);
        let said = said(lines);
        assert!(said.contains(words) && !(words == "fetched" && said.contains("all branches")), "{path}: {said}");
        fs::remove_dir_all(&into).unwrap();
    }
    let missing = format!("http://localhost:{}/none", server.port);
    assert_eq!(refused(&source(&missing, commit(&first))).await, "NOT_A_REPOSITORY");
    let dumb = format!("http://localhost:{}/app/.git", server.port);
    assert_eq!(refused(&source(&dumb, commit(&"a".repeat(40)))).await, "COMMIT_NOT_FOUND");
    let port = server.port;
    drop(server);
    assert_eq!(refused(&source(&format!("http://localhost:{port}/x"), commit(&first))).await, "SOURCE_UNREACHABLE");
}

#[tokio::test]
async fn a_host_that_never_answers_ends_at_the_limit_and_nothing_is_left() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}/a", silent.local_addr().unwrap().port());
    let room = tempfile::tempdir().unwrap();
    let limits = Limits { timeout: Duration::from_millis(500), ..Limits::default() };
    let into = room.path().join("into");
    let refused = fetch(&source(&url, commit(&"a".repeat(40))), &into, &limits, &OPEN, &tools(), &log().0).await;
    assert_eq!(refused.expect_err("silent").code(), "SOURCE_TIMEOUT");
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), 0);
    let held = format!("{}", room.path().display());
    until(|| !everything_that_runs().contains(&held), "a git that was started still runs").await;
}

/// The command lines of all processes.
fn everything_that_runs() -> String {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect()
}

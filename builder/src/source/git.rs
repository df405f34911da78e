//! The machine's `git`, told everything and reading nothing: no configuration of the machine or of anybody, no hooks, no
//! prompts, one protocol, one address for the host's name, and no helper but git's own for the one credential of that host,
//! which lies in a file of the scratch room: neither among the words nor in the address, where others would read it. A guard
//! ends it, and the programs that it starts, with the worker: a host that is silent would otherwise keep it for ever.

use super::{Held, Limits, Reference, Remote, Scheme, SourceAddress, SourceError, Tools, tree};
use crate::{
    guard::{self, NO_PROGRAM, Order},
    log::Log,
    process::{self, Ends, Printed},
    scratch,
};
use rhone_domain::source_credential::SignIn;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};
use tempfile::TempDir;
use tokio::process::Command;

/// No list of files is longer.
const MOST: u64 = 64 * 1024 * 1024;
/// How often what was fetched is weighed.
const WEIGHED: Duration = Duration::from_millis(100);
/// Where what was fetched is held from collection.
const KEPT: &str = "refs/rhone/kept";

pub(super) struct Git<'a> {
    scratch: TempDir,
    tree: &'a Path,
    url: String,
    settings: Vec<String>,
    limits: &'a Limits,
    guard: &'a Path,
    /// Who is asked; nobody for a folder.
    host: String,
    held: Held<'a>,
    log: &'a Log,
}

impl<'a> Git<'a> {
    pub(super) fn prepare(
        address: &SourceAddress,
        (pin, held): (Option<IpAddr>, Held<'a>),
        tree: &'a Path,
        limits: &'a Limits,
        tools: &'a Tools,
        log: &'a Log,
    ) -> Result<Self, SourceError> {
        let beside = tree.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let scratch = tempfile::Builder::new().prefix(".rhone-git-").tempdir_in(beside)?;
        let home = scratch.path().join("home");
        fs::create_dir(&home)?;
        let (url, protocol) = match (address, pin) {
            (SourceAddress::Local(folder), _) => {
                fs::write(home.join(".gitconfig"), served(folder)?)?;
                (format!("file://{}", folder.display()), "file")
            }
            // Git's own protocol cannot be told an address for a name, so the address takes the name's place.
            (SourceAddress::Remote(remote), Some(pin)) if remote.scheme == Scheme::Git => {
                (Remote { host: pin.to_string(), ..remote.clone() }.to_string(), "git")
            }
            (SourceAddress::Remote(remote), pin) => {
                fs::write(home.join(".gitconfig"), pin.map(|pin| resolved(remote, pin)).unwrap_or_default())?;
                (remote.to_string(), remote.scheme.word())
            }
        };
        let mut settings = settings(protocol);
        settings.extend(tools.authorities.as_ref().map(|file| format!("http.sslCAInfo={}", file.display())));
        let host = match address {
            SourceAddress::Remote(remote) => remote.authority(),
            SourceAddress::Local(_) => String::new(),
        };
        if let (Held::Shown(sign_in), SourceAddress::Remote(remote)) = (held, address) {
            settings.push(helped(remote.scheme, sign_in, &home)?);
        }
        Ok(Self { scratch, tree, url, settings, limits, guard: &tools.guard, host, held, log })
    }

    /// The guard of a git, which is told what to start; both have nothing but this in their environment.
    fn command(&self) -> Command {
        let home = self.scratch.path().join("home");
        let mut command = guard::command(self.guard);
        command.env_clear().current_dir(&home);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
        command.env("GIT_CONFIG_GLOBAL", home.join(".gitconfig")).env("HOME", home);
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "true"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            ("GIT_ADVICE", "0"),
            ("LANG", "C.UTF-8"),
            ("LC_MESSAGES", "C"),
            ("TZ", "UTC"),
        ] {
            command.env(name, value);
        }
        command
    }

    fn words(&self, step: &str, arguments: &[&str]) -> Vec<String> {
        let settings = self.settings.iter().flat_map(|setting| ["-c", setting]);
        let mut words: Vec<String> = std::iter::once("git").chain(settings).map(str::to_owned).collect();
        let path = |path: &Path| path.display().to_string();
        words.extend(["--git-dir".to_owned(), path(&self.scratch.path().join("git"))]);
        words.extend(["--work-tree".to_owned(), path(self.tree), step.to_owned()]);
        words.extend(arguments.iter().map(|&word| word.to_owned()));
        words
    }

    /// Runs one of git's words, and ends it when what it stores becomes too heavy.
    async fn run(&self, step: &'static str, arguments: &[&str]) -> Result<Printed, SourceError> {
        let order = Order { within: None, words: self.words(step, arguments) };
        let watch = async |_| self.too_heavy().await;
        let mut printed = match process::capture(self.command(), Ends::Guard(order), MOST, watch).await {
            Ok(Ok(printed)) if printed.status.code() == Some(NO_PROGRAM.into()) => return Err(SourceError::GitMissing),
            Ok(printed) => printed?,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(SourceError::TooLarge { what: "files", limit: self.limits.files });
            }
            Err(error) => return Err(error.into()),
        };
        // A server may send back what it was shown.
        printed.err = self.log.hide(&printed.err);
        // What came at once was never weighed while it came.
        if self.weight() > self.limits.bytes { Err(self.too_large()) } else { Ok(printed) }
    }

    async fn good(&self, step: &'static str, arguments: &[&str], commit: &str) -> Result<Vec<u8>, SourceError> {
        let printed = self.run(step, arguments).await?;
        if printed.status.success() { Ok(printed.out) } else { Err(self.failed(step, &printed.err, commit)) }
    }

    fn failed(&self, step: &'static str, said: &str, commit: &str) -> SourceError {
        let host = self.host.clone();
        match (SourceError::from_git(step, said, commit, &host), self.held) {
            (SourceError::SignInNeeded { .. }, Held::Shown(sign_in)) => {
                SourceError::SignInRefused { host, username: sign_in.username.to_string() }
            }
            (SourceError::SignInNeeded { .. }, Held::Withheld) => SourceError::SignInWithheld { host },
            (error, _) => error,
        }
    }

    async fn too_heavy(&self) -> SourceError {
        loop {
            tokio::time::sleep(WEIGHED).await;
            if self.weight() > self.limits.bytes {
                return self.too_large();
            }
        }
    }

    fn weight(&self) -> u64 {
        scratch::weigh(self.scratch.path(), self.limits.bytes).bytes
    }

    fn too_large(&self) -> SourceError {
        SourceError::TooLarge { what: "bytes", limit: self.limits.bytes }
    }

    /// What the full name of a branch or tag, or `HEAD`, stands for now.
    pub(super) async fn resolve(&self, name: &str, reference: &Reference) -> Result<String, SourceError> {
        let peeled = format!("{name}^{{}}");
        let listed = self.good("ls-remote", &["--quiet", "--", &self.url, name, &peeled], "").await?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let find = |wanted: &str| {
            let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
            lines.find(|(_, name)| *name == wanted).map(|(commit, _)| commit.to_owned())
        };
        let found = find(&peeled).or_else(|| find(name));
        let found = found.filter(|commit| Reference::Commit(commit.clone()).check().is_ok());
        found.ok_or_else(|| SourceError::ReferenceNotFound { reference: reference.to_string() })
    }

    pub(super) async fn init(&self, commit: &str) -> Result<(), SourceError> {
        let format = if commit.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        self.good("init", &["--quiet", "--template=", format], commit).await?;
        Ok(())
    }

    /// The commit alone where the server gives it, else everything that has a name.
    pub(super) async fn fetch(&self, commit: &str) -> Result<(), SourceError> {
        let kept = format!("{commit}:{KEPT}");
        let exact = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", &self.url, &kept];
        let printed = self.run("fetch", &exact).await?;
        if printed.status.success() {
            return self.is_commit(commit).await;
        }
        let wider = ["unadvertised object", "dumb http transport", "does not support shallow", "shallow capabilities"];
        if !wider.iter().any(|words| printed.err.contains(words)) {
            return Err(self.failed("fetch", &printed.err, commit));
        }
        self.log.step("the server does not give single commits: fetching all branches and tags").await;
        let all = ["+refs/heads/*:refs/rhone/heads/*", "+refs/tags/*:refs/rhone/tags/*"];
        let arguments = ["--quiet", "--no-tags", "--no-recurse-submodules", "--", &self.url, all[0], all[1]];
        self.good("fetch", &arguments, commit).await?;
        self.is_commit(commit).await
    }

    async fn is_commit(&self, commit: &str) -> Result<(), SourceError> {
        let kind = self.run("cat-file", &["-t", commit]).await?;
        match (kind.status.success(), kind.out.as_slice()) {
            (true, b"commit\n") => Ok(()),
            (true, _) => Err(SourceError::NotACommit { commit: commit.to_owned() }),
            (false, _) => Err(SourceError::CommitNotFound { commit: commit.to_owned() }),
        }
    }

    /// The subject, and when it was committed.
    pub(super) async fn describe(&self, commit: &str) -> Result<(String, i64), SourceError> {
        let format = "--format=%ct%n%s";
        let shown =
            self.good("log", &["-1", "--no-show-signature", "--encoding=UTF-8", format, commit], commit).await?;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let (committed, subject) = shown.split_once('\n').unwrap_or_default();
        let subject = subject.chars().filter(|c| !c.is_control()).take(200).collect();
        Ok((subject, committed.parse().unwrap_or(0)))
    }

    pub(super) async fn list(&self, commit: &str) -> Result<Vec<tree::Entry>, SourceError> {
        tree::read(&self.good("ls-tree", &["-r", "-l", "-z", "--full-tree", commit], commit).await?)
    }

    /// Writes the files, and asks git afterwards which commit they are.
    pub(super) async fn check_out(&self, commit: &str) -> Result<(), SourceError> {
        self.good("checkout", &["--quiet", "--force", "--detach", commit, "--"], commit).await?;
        let head = self.good("rev-parse", &["--verify", "HEAD^{commit}"], commit).await?;
        if String::from_utf8_lossy(&head).trim() == commit {
            Ok(())
        } else {
            Err(SourceError::Git { step: "rev-parse", said: "what was checked out is another commit".into() })
        }
    }
}

/// What the serving side of a local repository needs to read: it is git too, started by ours. The folder may be another
/// user's.
fn served(folder: &Path) -> Result<String, SourceError> {
    let folder = folder.canonicalize().map_err(|_| SourceError::NotARepository { host: String::new() })?;
    let quoted =
        |folder: &Path| format!("\"{}\"", folder.display().to_string().replace('\\', "\\\\").replace('"', "\\\""));
    let inner = folder.join(".git");
    let safe = [&folder, &inner].map(|folder| format!("\tdirectory = {}\n", quoted(folder)));
    Ok(format!("[safe]\n{}[uploadpack]\n\tallowAnySHA1InWant = true\n", safe.concat()))
}

/// Keeps the credential where git's own helper finds it, for this scheme on this host alone; the setting that says so.
fn helped(scheme: Scheme, sign_in: &SignIn, home: &Path) -> io::Result<String> {
    let path = home.join("credentials");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(sign_in.line(scheme).expose().as_bytes())?;
    let quoted = path.display().to_string().replace('\'', "'\\''");
    Ok(format!("credential.{}://{}.helper=store --file='{quoted}'", scheme.word(), sign_in.host))
}

/// The one address that the host's name stands for.
fn resolved(remote: &Remote, address: IpAddr) -> String {
    let address = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    format!("[http]\n\tcurloptResolve = {}:{}:{address}\n", remote.host, remote.port)
}

fn settings(protocol: &str) -> Vec<String> {
    let fixed = [
        "protocol.allow=never",
        "protocol.ext.allow=never",
        "core.hooksPath=/dev/null",
        "core.attributesFile=/dev/null",
        "core.fsmonitor=false",
        "core.symlinks=true",
        "core.autocrlf=false",
        "core.protectHFS=true",
        "core.protectNTFS=true",
        "credential.helper=",
        "http.followRedirects=false",
        "http.proxy=",
        "transfer.bundleURI=false",
        "submodule.recurse=false",
        "fetch.unpackLimit=1",
        "gc.auto=0",
        "maintenance.auto=false",
        "advice.detachedHead=false",
    ];
    let mut settings: Vec<_> = fixed.iter().map(|&setting| setting.to_owned()).collect();
    settings.push(format!("protocol.{protocol}.allow=always"));
    settings
}

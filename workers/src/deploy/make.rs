//! Makes an artifact of what a deploy is made of: fetches it, builds it, packs it, keeps it. Everything lies in the folder of
//! one attempt; what the store does not have is made again by whoever adopts the deploy. The trap: a name resolved twice; what
//! was fetched once is fetched again by its commit.

use crate::{builds, config::Builds, logs::Writer, process::Drive};
use rhone_builder::{
    build::{self, Machine, Sandbox},
    log::{Line, Log, Stream},
    plan::{self, Kind, Programs},
    source::{self, Reference, Source, SourceError, Tools},
};
use rhone_domain::{
    app_source::HEAD,
    artifact_facts::ArtifactFacts,
    deploy::{self, Built, Deploy, Fetched, Origin},
    deployment::Deployment,
    digest::Digest,
    logs::{LogOwner, LogStream, Mask},
    numbers::Fence,
    operation::{Evidence, Failure},
    source_credential::SignIn,
    text::Commit,
};
use rhone_providers::{
    artifact_pack::{Packed, pack_directory},
    artifact_store::{ArtifactStore, StoreError, StoredFactsError},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{fs, sync::mpsc, task};
use tokio_util::io::ReaderStream;

/// So many lines of a build may wait to be kept.
const LINES: usize = 1_024;

/// How often a fetch is tried that may pass.
pub(super) const FETCHES: u32 = 3;

/// A store that is away is waited for until the time for the deploy's work is over (`deploy::WORK`), which drops whoever tries.
const UNTIL_THE_END: u32 = u32::MAX;

/// Until the second try; the next waits longer, up to a limit.
const AGAIN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(16);

/// An artifact that the store has.
pub(super) struct Made {
    pub(super) digest: Digest,
    pub(super) facts: ArtifactFacts,
    pub(super) built: Built,
}

/// Makes the artifact of one deploy, in one attempt.
pub(super) struct Maker {
    attempt: Fence,
    deploy: Deploy,
    pub(super) builds: Arc<Builds>,
    artifacts: ArtifactStore,
    logs: Writer,
    pub(super) folder: PathBuf,
    pub(super) sign_in: Option<SignIn>,
}

impl Maker {
    /// With the credential for the source's host, if the app holds one.
    pub(super) fn new(drive: &Drive<'_>, deploy: &Deploy, builds: &Arc<Builds>, sign_in: Option<SignIn>) -> Self {
        let (operation, attempt) = (drive.requested.id, drive.fence.fence);
        let folder = builds::folder(builds, operation, attempt);
        let owner = LogOwner {
            environment: Some(deploy.environment),
            deployment: Some(deploy.deployment),
            ..LogOwner::build(drive.requested.workspace, deploy.app, operation)
        };
        let artifacts = drive.config.artifacts.clone();
        let logs = Writer::new(artifacts.logs(), drive.config.pool.clone(), owner, builds.log_bytes);
        Self { attempt, deploy: deploy.clone(), builds: builds.clone(), artifacts, logs, folder, sign_in }
    }

    /// Fetches what the request names.
    pub(super) async fn fetch(&self) -> Result<Fetched, Failure> {
        let began = Instant::now();
        let commit = match &self.deploy.origin {
            Origin::Git { reference, .. } => Some(self.checkout(reference.as_str()).await?),
            Origin::Image { name, digest } => {
                self.pull(name, *digest).await?;
                None
            }
        };
        Ok(Fetched { attempt: self.attempt, commit, took_ms: millis(began) })
    }

    /// Builds what was fetched, and keeps it in the store.
    pub(super) async fn build(&self, evidence: &Evidence) -> Result<Made, Failure> {
        let began = Instant::now();
        let commit = evidence.fetched.as_ref().and_then(|fetched| fetched.commit.clone());
        let (plan, sandbox) = match (&self.deploy.origin, &commit) {
            (Origin::Image { name, digest }, _) => {
                if !self.output().exists() {
                    self.pull(name, *digest).await?;
                }
                ("image".to_owned(), None)
            }
            (Origin::Git { .. }, Some(commit)) => {
                if !self.source().exists() {
                    self.checkout(commit.as_str()).await?;
                }
                let (plan, sandbox) = self.run().await?;
                (plan, Some(sandbox))
            }
            (Origin::Git { .. }, None) => return Err(failed("NOT_FETCHED", "no commit is on record")),
        };
        let (packed, facts) = self.keep().await?;
        let built = Built {
            attempt: self.attempt,
            plan,
            sandbox,
            size: packed.size,
            files: packed.files,
            took_ms: millis(began),
        };
        Ok(Made { digest: packed.digest, facts, built })
    }
}

impl Maker {
    /// The release's own bytes, read back from the store.
    pub(super) async fn read_back(&self, release: &Deployment) -> Result<(Digest, ArtifactFacts), Failure> {
        let created = release.created.as_ref().ok_or_else(|| failed("NOT_FOUND", "the release is not on record"))?;
        let reading = Reading::of(self);
        let facts = self.stored_facts(created.digest, &reading.log).await;
        reading.end().await;
        Ok((created.digest, facts?))
    }

    /// What the stored bytes say of themselves, as soon as the store can be read.
    async fn stored_facts(&self, digest: Digest, log: &Log) -> Result<ArtifactFacts, Failure> {
        let once = || self.artifacts.facts(digest);
        let read = again(log, UNTIL_THE_END, StoredFactsError::may_pass, once).await;
        let unusable = |error: StoredFactsError| {
            deploy::failed("ARTIFACT_UNUSABLE", format!("the artifact cannot be used: {}", told(&error)))
        };
        read.map(|(_, facts)| facts).map_err(unusable)
    }

    fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    pub(super) fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// A fresh checkout of what the reference names: a commit, or the branch or tag of that name.
    async fn checkout(&self, reference: &str) -> Result<Commit, Failure> {
        let Origin::Git { repository, .. } = &self.deploy.origin else {
            return Err(failed("NOT_FETCHED", "an image has no commit"));
        };
        let reading = Reading::of(self);
        let mut fetched = self.fetch_one(repository.as_str(), first_reading(reference), &reading.log).await;
        if let (Err(SourceError::ReferenceNotFound { .. }), Some(tag)) = (&fetched, second_reading(reference)) {
            fetched = self.fetch_one(repository.as_str(), tag, &reading.log).await;
            // Whoever asked for a branch is not told of a tag.
            if let Err(SourceError::ReferenceNotFound { reference: missing }) = &mut fetched {
                *missing = format!("branch or tag {reference}");
            }
        }
        let fetched = fetched.map_err(|error| deploy::failed(error.code(), reading.log.hide(&told(&error))));
        if let Err(failure) = &fetched {
            reading.log.step(&failure.message).await;
        }
        reading.end().await;
        let fetched = fetched?;
        Commit::parse("commit", &fetched.commit).map_err(|invalid| deploy::failed("NOT_A_COMMIT", invalid.to_string()))
    }

    /// Fetches, and again when it may pass.
    async fn fetch_one(
        &self,
        repository: &str,
        reference: Reference,
        log: &Log,
    ) -> Result<source::Fetched, SourceError> {
        let source = Source { repository: repository.to_owned(), reference, sign_in: self.sign_in.clone() };
        let (limits, policy) = (&self.builds.source_limits, &self.builds.sources);
        let tools = Tools { guard: self.builds.guard.clone(), authorities: self.builds.authorities.clone() };
        let once = || async {
            let _ = fs::remove_dir_all(self.source()).await;
            source::fetch(&source, &self.source(), limits, policy, &tools, log).await
        };
        again(log, FETCHES, SourceError::may_pass, once).await
    }

    /// Builds the checkout into an artifact's folder; gives the kind of plan and of sandbox.
    async fn run(&self) -> Result<(String, String), Failure> {
        let _ = fs::remove_dir_all(self.output()).await;
        let reading = Reading::of(self);
        let built = self.build_logged(&reading.log).await;
        if let Err(failure) = &built {
            reading.log.step(&failure.message).await;
        }
        reading.end().await;
        built
    }

    async fn build_logged(&self, log: &Log) -> Result<(String, String), Failure> {
        let programs = Programs::of_this_machine();
        let machine = Machine::here(self.builds.limits, self.builds.guard.clone()).await;
        let plan = plan::settle(&self.source(), &self.folder, &programs, &machine, log).await;
        let plan = plan.map_err(|error| deploy::failed(error.code(), told(&error)))?;
        let built = build::build(&self.source(), &plan, &self.output(), &machine, log).await;
        let built = built.map_err(|error| deploy::failed(error.code(), told(&error)))?;
        Ok((word(plan.kind).to_owned(), sandbox(&built.sandbox).to_owned()))
    }

    /// Packs the artifact's folder and keeps it in the store.
    async fn keep(&self) -> Result<(Packed, ArtifactFacts), Failure> {
        let (folder, tar) = (self.output(), self.folder.join("artifact.tar"));
        let path = tar.clone();
        let packed = task::spawn_blocking(move || {
            let file = std::io::BufWriter::new(std::fs::File::create(path).map_err(|error| error.to_string())?);
            pack_directory(&folder, file).map_err(|error| told(&error))
        });
        let packed = packed.await.map_err(|error| broken("packing the artifact", &error))?;
        let packed = packed.map_err(|error| deploy::failed("ARTIFACT_UNUSABLE", error))?;
        let reading = Reading::of(self);
        let facts = self.keep_packed(&packed, &tar, &reading.log).await;
        reading.end().await;
        Ok((packed, facts?))
    }

    /// Puts the bytes into the store, as soon as it takes them, and reads them back.
    async fn keep_packed(&self, packed: &Packed, tar: &Path, log: &Log) -> Result<ArtifactFacts, Failure> {
        let once = || async {
            let bytes = fs::File::open(tar).await.map_err(|source| StoreError::Interrupted { source })?;
            self.artifacts.put_stream(packed.digest, self.builds.artifact_limit, ReaderStream::new(bytes)).await
        };
        let kept = again(log, UNTIL_THE_END, StoreError::may_pass, once).await;
        kept.map_err(|error| deploy::failed("ARTIFACT_NOT_KEPT", told(&error)))?;
        self.stored_facts(packed.digest, log).await
    }
}

/// Does it, and again while it may pass, so many times at most.
pub(super) async fn again<T, E: std::error::Error, F: Future<Output = Result<T, E>>>(
    log: &Log,
    tries: u32,
    may_pass: fn(&E) -> bool,
    once: impl Fn() -> F,
) -> Result<T, E> {
    let mut pause = AGAIN;
    for _ in 1..tries {
        match once().await {
            Err(error) if may_pass(&error) => {
                let told = log.hide(&told(&error));
                tracing::info!(error = %told, "a step of a deploy is tried again");
                log.step(format!("{told}; tried again in {} s", pause.as_secs())).await;
                tokio::time::sleep(pause).await;
                pause = (pause * 4).min(LONGEST);
            }
            other => return other,
        }
    }
    once().await
}

/// A build's lines on their way to where they are kept, without what its source is read with.
pub(super) struct Reading {
    pub(super) log: Log,
    kept: task::JoinHandle<()>,
}

impl Reading {
    pub(super) fn of(maker: &Maker) -> Self {
        let forms = maker.sign_in.as_ref().map(SignIn::forms).unwrap_or_default();
        let (log, lines) = Log::channel(LINES, Mask::of(&forms));
        Self { log, kept: tokio::spawn(keep_lines(maker.logs.clone(), lines)) }
    }

    /// Waits until every line is kept.
    pub(super) async fn end(self) {
        drop(self.log);
        let _ = self.kept.await;
    }
}

async fn keep_lines(logs: Writer, mut lines: mpsc::Receiver<Line>) {
    while let Some(line) = lines.recv().await {
        let stream = match line.stream {
            Stream::Step => LogStream::Rhone,
            Stream::Out => LogStream::Stdout,
            Stream::Err => LogStream::Stderr,
        };
        logs.line(line.at, stream, line.text).await;
    }
    if let Err(error) = logs.flush().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "lines of a build were not kept");
    }
}

/// What a name is taken for first.
fn first_reading(reference: &str) -> Reference {
    if Commit::parse("commit", reference).is_ok() {
        return Reference::Commit(reference.to_owned());
    }
    if reference == HEAD {
        return Reference::Default;
    }
    match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
        (Some(branch), _) => Reference::Branch(branch.to_owned()),
        (None, Some(tag)) => Reference::Tag(tag.to_owned()),
        (None, None) => Reference::Branch(reference.to_owned()),
    }
}

/// What a name is taken for when there is no branch of it.
fn second_reading(reference: &str) -> Option<Reference> {
    let bare = reference != HEAD && !reference.starts_with("refs/") && Commit::parse("commit", reference).is_err();
    bare.then(|| Reference::Tag(reference.to_owned()))
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Declared => "declared",
        Kind::Railpack => "railpack",
        Kind::Dockerfile => "dockerfile",
        Kind::Node => "node",
        Kind::Go => "go",
        Kind::Python => "python",
        Kind::Rust => "rust",
        Kind::Procfile => "procfile",
    }
}

fn sandbox(sandbox: &Sandbox) -> &'static str {
    match sandbox {
        Sandbox::Bubblewrap => "bubblewrap",
        Sandbox::Plain(_) => "process",
    }
}

fn failed(code: &str, message: &str) -> Failure {
    deploy::failed(code, message.to_owned())
}

/// An error with its causes, in one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

pub(super) fn broken(doing: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    deploy::failed("BUILDER_BROKEN", format!("{doing}: {}", told(error)))
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    //! What a name may stand for.
    use super::*;

    #[test]
    fn a_name_is_a_commit_a_branch_or_else_a_tag() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!((first_reading(commit), second_reading(commit)), (Reference::Commit(commit.into()), None));
        assert_eq!(first_reading("main"), Reference::Branch("main".into()));
        assert_eq!(second_reading("v1.0"), Some(Reference::Tag("v1.0".into())));
        assert_eq!(
            (first_reading("refs/tags/v1"), second_reading("refs/tags/v1")),
            (Reference::Tag("v1".into()), None)
        );
        assert_eq!((first_reading("HEAD"), second_reading("HEAD")), (Reference::Default, None));
        assert_eq!(first_reading("refs/heads/HEAD"), Reference::Branch("HEAD".into()));
        assert_eq!(first_reading("refs/heads/a/b"), Reference::Branch("a/b".into()));
    }
}

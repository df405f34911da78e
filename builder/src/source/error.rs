//! Why a source was not fetched: a stable code, and words that say what to do next. What git said is kept without the
//! repository's own words, which anybody may have written.

use rhone_domain::source_address::AddressRefused;
use std::io;

/// Why a source was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// An address that is none, or is not let in.
    #[error(transparent)]
    Address(#[from] AddressRefused),
    /// A name where a whole commit is wanted.
    #[error("a commit is named by all its 40 (or 64) lower-case hex digits: `git rev-parse HEAD` prints them")]
    ReferenceNotExact,
    /// No name of a branch or a tag.
    #[error("the branch or tag {rule}")]
    ReferenceInvalid {
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// No branch or tag of that name.
    #[error(
        "the repository has no {reference}: `git ls-remote` lists what it has; was it pushed? A commit is named by all its digits"
    )]
    ReferenceNotFound {
        /// What was asked for.
        reference: String,
    },
    /// A name that resolves to nothing.
    #[error("no address is known for the host {host}: check its spelling, or the resolver of the machine that builds")]
    HostNotFound {
        /// Which.
        host: String,
    },
    /// A host that does not answer.
    #[error("the repository's host cannot be reached from the machine that builds: {said}")]
    Unreachable {
        /// What git says of it.
        said: String,
    },
    /// Something else than a repository.
    #[error("there is no git repository at that address, or none that may be read{}", hint(.host))]
    NotARepository {
        /// Whose address; empty for a folder.
        host: String,
    },
    /// A repository that asks who is there.
    #[error(
        "{host} asks for a sign-in, and the app holds none for it: is the address right? `rhone credential set {host}` keeps one"
    )]
    SignInNeeded {
        /// Who asks.
        host: String,
    },
    /// A credential that its host does not take.
    #[error(
        "{host} refuses the app's credential for {username}: `rhone credential set {host}` replaces it; may it read this repository?"
    )]
    SignInRefused {
        /// Who refuses.
        host: String,
        /// As whom.
        username: String,
    },
    /// A credential that would be read by others.
    #[error("{host} asks for a sign-in, and the app's credential is not sent in clear: give the address with `https`")]
    SignInWithheld {
        /// Who asks.
        host: String,
    },
    /// A host that sends elsewhere.
    #[error(
        "the repository's host answers with a redirect, which is not followed: give the address that it leads to, which is often the \
         same with `.git` at its end"
    )]
    Moved,
    /// No such commit.
    #[error("the repository has no commit {commit}: was it pushed, and not rewritten since?")]
    CommitNotFound {
        /// What was asked for.
        commit: String,
    },
    /// A name of something else than a commit.
    #[error("{commit} is no commit but another object, an annotated tag for example: name the commit itself")]
    NotACommit {
        /// What was asked for.
        commit: String,
    },
    /// More than the limits allow.
    #[error(
        "the repository has more than {limit} {what}, which is the limit here: leave out of it what is generated or large"
    )]
    TooLarge {
        /// Bytes or files.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// A link that leads out of the commit.
    #[error("`{path}` is a link to `{target}`, which is not in the repository: replace it by what it leads to")]
    LinkLeavesTree {
        /// The link.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// It took too long.
    #[error("the repository was not fetched within {seconds} s: try again, or fetch a smaller one")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// Files where the source should go.
    #[error("{folder} has files in it already")]
    NotEmpty {
        /// Where it should go.
        folder: String,
    },
    /// No git on this machine.
    #[error("`git` is not installed on the machine that builds: install Debian's package `git`")]
    GitMissing,
    /// Git failed in a way that is not known.
    #[error("`git {step}` failed: {said}")]
    Git {
        /// Which of its words.
        step: &'static str,
        /// What it says.
        said: String,
    },
    /// A folder or file of the machine that builds.
    #[error("could not write the source on the machine that builds")]
    Io(#[from] io::Error),
}

impl SourceError {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(refused) => refused.code(),
            Self::ReferenceNotExact => "REFERENCE_NOT_EXACT",
            Self::ReferenceInvalid { .. } => "REFERENCE_INVALID",
            Self::ReferenceNotFound { .. } => "REFERENCE_NOT_FOUND",
            Self::HostNotFound { .. } => "HOST_NOT_FOUND",
            Self::Unreachable { .. } => "SOURCE_UNREACHABLE",
            Self::NotARepository { .. } => "NOT_A_REPOSITORY",
            Self::SignInNeeded { .. } => "SIGN_IN_NEEDED",
            Self::SignInRefused { .. } => "SIGN_IN_REFUSED",
            Self::SignInWithheld { .. } => "SIGN_IN_WITHHELD",
            Self::Moved => "REPOSITORY_MOVED",
            Self::CommitNotFound { .. } => "COMMIT_NOT_FOUND",
            Self::NotACommit { .. } => "NOT_A_COMMIT",
            Self::TooLarge { .. } => "REPOSITORY_TOO_LARGE",
            Self::LinkLeavesTree { .. } => "LINK_LEAVES_TREE",
            Self::Timeout { .. } => "SOURCE_TIMEOUT",
            Self::NotEmpty { .. } => "FOLDER_NOT_EMPTY",
            Self::GitMissing => "GIT_MISSING",
            Self::Git { .. } => "GIT_FAILED",
            Self::Io(_) => "SOURCE_IO",
        }
    }

    /// Whether the same again may go well.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::HostNotFound { .. } | Self::Unreachable { .. } | Self::Timeout { .. } | Self::Io(_))
    }

    /// What git's words in English mean, of what this host answered.
    pub(super) fn from_git(step: &'static str, said: &str, commit: &str, host: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|words| said.contains(words));
        if has(&["not our ref", "couldn't find remote ref"]) {
            return Self::CommitNotFound { commit: commit.to_owned() };
        }
        if has(&["could not read Username", "could not read Password", "Authentication failed", "returned error: 403"])
        {
            return Self::SignInNeeded { host: host.to_owned() };
        }
        if has(&["returned error: 301", "returned error: 302", "returned error: 307", "returned error: 308"]) {
            return Self::Moved;
        }
        let none = [
            "does not appear to be a git repository",
            "not found",
            "not a git repository",
            "repository not exported",
            "is this a git repository?",
            "returned error: 404",
            "returned error: 410",
            "access denied",
        ];
        if has(&none) {
            return Self::NotARepository { host: host.to_owned() };
        }
        let silent = [
            "unable to connect",
            "Failed to connect",
            "Connection refused",
            "Connection reset",
            "timed out",
            "Empty reply",
            "Couldn't connect",
            "SSL",
            "certificate",
            "GnuTLS",
            "the remote end hung up",
            "early EOF",
            "returned error: 5",
            "Could not resolve",
        ];
        let said = said.lines().filter(|line| !line.starts_with("remote:")).collect::<Vec<_>>().join("; ");
        let said = said.chars().filter(|c| !c.is_control()).take(400).collect();
        if has(&silent) { Self::Unreachable { said } } else { Self::Git { step, said } }
    }
}

/// A private repository is hidden from who may not read it by many a host.
fn hint(host: &str) -> String {
    if host.is_empty() { String::new() } else { format!("; for a private one, `rhone credential set {host}`") }
}

//! Which commit is meant. A commit is named whole; a branch or a tag is a name that moves and is resolved once.

use super::SourceError;
use rhone_domain::text::Commit;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A commit, or a name that stands for one at the moment it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// All 40 lower-case hex digits, or 64 in a repository of that kind.
    Commit(String),
    /// A branch's name, without `refs/heads/`.
    Branch(String),
    /// A tag's name, without `refs/tags/`; an annotated one stands for its commit.
    Tag(String),
    /// Whatever branch the repository itself shows first, which git calls `HEAD`.
    Default,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => write!(f, "commit {commit}"),
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Default => f.write_str("default branch"),
        }
    }
}

impl Reference {
    /// Judges it by its form.
    pub fn check(&self) -> Result<(), SourceError> {
        match self {
            Self::Commit(commit) => match Commit::parse("commit", commit) {
                Ok(_) => Ok(()),
                Err(_) => Err(SourceError::ReferenceNotExact),
            },
            Self::Default => Ok(()),
            Self::Branch(name) | Self::Tag(name) => named(name).map_err(|rule| SourceError::ReferenceInvalid { rule }),
        }
    }
}

/// The rules of `git check-ref-format`, and no name that reads as an option.
fn named(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 200 {
        return Err("must have 1 to 200 bytes");
    }
    if name.starts_with('-') {
        return Err("must not begin with `-`");
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c)) {
        return Err("must not contain blanks, control characters or any of ~^:?*[\\");
    }
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && part.strip_suffix(".lock").is_none()
    };
    if name.contains("..") || name.contains("@{") || name == "@" || !name.split('/').all(part) {
        return Err("must be a name as `git check-ref-format` takes it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_named_whole_or_not_at_all() {
        for good in ["a".repeat(40), "0".repeat(64)] {
            assert!(Reference::Commit(good).check().is_ok());
        }
        for bad in ["", "HEAD", "main", "abc1234", &"A".repeat(40), &"a".repeat(41), "--upload-pack=x"] {
            let refused = Reference::Commit(bad.to_owned()).check().expect_err(bad);
            assert_eq!(refused.code(), "REFERENCE_NOT_EXACT");
        }
    }

    #[test]
    fn names_that_git_would_read_otherwise_are_refused() {
        for good in ["main", "feature/one", "v1.2.3", "ümlaut", "a-b_c"] {
            assert!(Reference::Branch(good.into()).check().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-b",
            "--all",
            "a b",
            "a\0",
            "a\n",
            "a..b",
            "a~1",
            "a^{}",
            "a:b",
            "a*",
            "a?",
            "[a",
            "a\\b",
            "@",
            "a@{1}",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            &"a".repeat(201),
        ] {
            let refused = Reference::Tag(bad.into()).check().expect_err(bad);
            assert_eq!(refused.code(), "REFERENCE_INVALID", "{bad:?}");
        }
    }
}

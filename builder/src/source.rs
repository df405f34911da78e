//! Fetches exactly one commit with the machine's `git`. The traps avoided: a reference that moves between two builds, a
//! repository that runs something (hooks, filters, helpers, submodules), one that fills the disk, one that is reached through
//! a name which leads inward, and a link in it that leads out.

mod error;
mod git;
mod reference;
mod tree;

pub use error::SourceError;
pub use reference::Reference;
pub use rhone_domain::source_address::{Allowed, Remote, Scheme, SourceAddress, SourcePolicy};

use crate::log::Log;
use git::Git;
use rhone_domain::{
    app_source::HEAD,
    source_address::may_be_reached,
    source_credential::{SignIn, SourceHost},
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The file in which the fetched folder says where it is from; `providers::artifact_facts` reads it.
pub const SOURCE_FILE: &str = "rhone.source.json";

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// An address, as [`SourceAddress::parse`] takes it.
    pub repository: String,
    /// Which commit of it.
    pub reference: Reference,
    /// With what it is read where its host asks who is there; shown to no other host.
    pub sign_in: Option<SignIn>,
}

/// How much may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of what git stores, and again of the files.
    pub bytes: u64,
    /// Files of the commit.
    pub files: u64,
    /// For all of it.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1024 * 1024 * 1024, files: 100_000, timeout: Duration::from_mins(5) }
    }
}

/// With what it is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The program that ends git with whoever fetches: one that begins by calling [`crate::guard::asked`].
    pub guard: PathBuf,
    /// A file of certificates (PEM, by an absolute path) by which hosts are known, in place of the machine's.
    pub authorities: Option<PathBuf>,
}

/// What was fetched. Nothing of it names a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its full name.
    pub commit: String,
    /// The first line of its message, at most 200 characters, without control characters.
    pub subject: String,
    /// When it was committed, in seconds since 1970.
    pub committed: i64,
    /// Of its files together.
    pub bytes: u64,
    /// Files and links.
    pub files: u64,
}

/// The file that says where a folder is from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SourceFile {
    pub(crate) repository: String,
    pub(crate) commit: String,
    /// In seconds since 1970; a build's `SOURCE_DATE_EPOCH`.
    #[serde(default)]
    pub(crate) committed: i64,
}

/// Judges an address by its form and the policy: no network, no git.
pub fn validate(repository: &str, policy: &SourcePolicy) -> Result<SourceAddress, SourceError> {
    Ok(SourceAddress::parse(repository, policy)?)
}

/// Fetches the commit's files into `into`, which is absent or empty, and says there in [`SOURCE_FILE`] where they are from.
/// What was begun is removed when it fails.
pub async fn fetch(
    source: &Source,
    into: &Path,
    limits: &Limits,
    policy: &SourcePolicy,
    tools: &Tools,
    log: &Log,
) -> Result<Fetched, SourceError> {
    let address = validate(&source.repository, policy)?;
    source.reference.check()?;
    log.step(format!("fetching {} of {address}", source.reference)).await;
    let parent = into.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    fs::create_dir_all(parent)?;
    if fs::read_dir(into).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(SourceError::NotEmpty { folder: into.display().to_string() });
    }
    let made = Made(into);
    fs::create_dir_all(into)?;
    let work = Box::pin(fetch_into(source, &address, into, (limits, policy, tools), log));
    let fetched = match tokio::time::timeout(limits.timeout, work).await {
        Ok(fetched) => fetched?,
        Err(_) => return Err(SourceError::Timeout { seconds: limits.timeout.as_secs() }),
    };
    std::mem::forget(made);
    log.step(format!("fetched {}: {} files, {} bytes", fetched.commit, fetched.files, fetched.bytes)).await;
    Ok(fetched)
}

/// A folder that goes unless it is forgotten, also when nobody waits any more.
struct Made<'a>(&'a Path);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(self.0) {
            tracing::debug!(%error, "a half-fetched folder is left");
        }
    }
}

async fn fetch_into(
    source: &Source,
    address: &SourceAddress,
    into: &Path,
    (limits, policy, tools): (&Limits, &SourcePolicy, &Tools),
    log: &Log,
) -> Result<Fetched, SourceError> {
    let pin = pinned(address, policy).await?;
    let held = held(source.sign_in.as_ref(), address, pin);
    if let Held::Shown(sign_in) = held {
        log.step(format!("if {} asks, as {}, with the app's credential", sign_in.host, sign_in.username)).await;
    }
    let git = Git::prepare(address, (pin, held), into, limits, tools, log)?;
    let commit = match &source.reference {
        Reference::Commit(commit) => commit.clone(),
        Reference::Branch(name) => git.resolve(&format!("refs/heads/{name}"), &source.reference).await?,
        Reference::Tag(name) => git.resolve(&format!("refs/tags/{name}"), &source.reference).await?,
        Reference::Default => git.resolve(HEAD, &source.reference).await?,
    };
    git.init(&commit).await?;
    git.fetch(&commit).await?;
    let (subject, committed) = git.describe(&commit).await?;
    let listed = git.list(&commit).await?;
    let (bytes, files) = tree::weigh(&listed, limits)?;
    for path in tree::submodules(&listed) {
        log.step(format!("`{path}` is another repository (a submodule) and is not fetched")).await;
    }
    git.check_out(&commit).await?;
    tree::check_links(into, &listed)?;
    write_source_file(into, &SourceFile { repository: address.to_string(), commit: commit.clone(), committed })?;
    Ok(Fetched { commit, subject: log.masked(&subject), committed, bytes, files })
}

/// What may be said to a host that asks who is there.
#[derive(Clone, Copy, Debug)]
enum Held<'a> {
    /// There is nothing to say.
    Nothing,
    /// It would be read by everybody on the way.
    Withheld,
    /// This.
    Shown(&'a SignIn),
}

/// A credential is for exactly one host. It goes over TLS, or in clear to an address that no stranger is on the way to.
fn held<'a>(sign_in: Option<&'a SignIn>, address: &SourceAddress, pin: Option<IpAddr>) -> Held<'a> {
    let SourceAddress::Remote(remote) = address else { return Held::Nothing };
    let Some(sign_in) = sign_in.filter(|sign_in| sign_in.host == SourceHost::of(remote)) else { return Held::Nothing };
    let private = pin.is_some_and(|address| may_be_reached(address, &SourcePolicy::default()).is_err());
    match remote.scheme {
        Scheme::Https => Held::Shown(sign_in),
        Scheme::Http if private => Held::Shown(sign_in),
        Scheme::Http => Held::Withheld,
        Scheme::Git => Held::Nothing,
    }
}

/// Resolves the host's name once, judges everything it leads to, and keeps git to what was judged.
async fn pinned(address: &SourceAddress, policy: &SourcePolicy) -> Result<Option<IpAddr>, SourceError> {
    let SourceAddress::Remote(remote) = address else { return Ok(None) };
    let unknown = || SourceError::HostNotFound { host: remote.host.clone() };
    let found = tokio::net::lookup_host((remote.host.as_str(), remote.port)).await.map_err(|_| unknown())?;
    let addresses: Vec<_> = found.map(|at| at.ip()).collect();
    for address in &addresses {
        may_be_reached(*address, policy)?;
    }
    // A machine without IPv6 still gets IPv6 addresses.
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).ok_or_else(unknown)?;
    Ok(Some(*first))
}

/// In place of whatever the commit has under that name: it may be a link, or a claim.
fn write_source_file(into: &Path, source: &SourceFile) -> Result<(), SourceError> {
    let path = into.join(SOURCE_FILE);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(&path)?,
        Ok(_) => fs::remove_file(&path)?,
        Err(_) => {}
    }
    let mut text = serde_json::to_string_pretty(source).map_err(io::Error::from)?;
    text.push('\n');
    Ok(fs::write(path, text)?)
}

#[cfg(test)]
mod tests {
    //! To whom a credential is shown at all.
    use super::*;
    use rhone_domain::{hidden::Hidden, text::Username};

    fn shown(host: &str, repository: &str, pin: &str) -> &'static str {
        let username = Username::parse("username", "alice").expect("a user");
        let host = SourceHost::parse("host", host).expect("a host");
        let sign_in = SignIn { host, username, secret: Hidden::new("s".into()) };
        let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
        let address = validate(repository, &open).expect("an address");
        match held(Some(&sign_in), &address, pin.parse().ok()) {
            Held::Nothing => "nothing",
            Held::Withheld => "withheld",
            Held::Shown(_) => "shown",
        }
    }

    #[test]
    fn a_credential_is_for_its_host_alone_and_goes_in_clear_only_where_no_stranger_is_on_the_way() {
        let public = "93.184.216.34";
        for (host, repository, pin, told) in [
            ("git.example.com", "https://git.example.com/a", public, "shown"),
            ("git.example.com:8443", "https://git.example.com:8443/a", public, "shown"),
            ("git.example.com", "http://git.example.com/a", public, "withheld"),
            ("git.example.com", "http://git.example.com/a", "10.1.2.3", "shown"),
            ("git.example.com", "http://git.example.com/a", "127.0.0.1", "shown"),
            ("git.example.com", "https://git.example.com:8443/a", public, "nothing"),
            ("git.example.com", "https://example.com/a", public, "nothing"),
            ("git.example.com", "git://git.example.com/a", "10.1.2.3", "nothing"),
            ("git.example.com", "/srv/git.example.com", public, "nothing"),
        ] {
            assert_eq!(shown(host, repository, pin), told, "{repository} at {pin}");
        }
    }
}

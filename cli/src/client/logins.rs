//! The tokens that `rhone login` was given, one for each API, in a file that only its owner reads. Written by `rhone login` and
//! `rhone logout`. The trap avoided: a token that is shown to another API than the one that gave it.

use super::failure::Failure;
use crate::private_file;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, env, fs::DirBuilder, os::unix::fs::DirBuilderExt as _, path::PathBuf};

/// The file's contents.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Logins {
    /// Where the last login was.
    current: Option<String>,
    /// By the API's URL.
    tokens: BTreeMap<String, String>,
}

impl Logins {
    /// As they were written; none if they never were.
    pub(super) fn read() -> Result<Self, Failure> {
        let Some(path) = path() else { return Ok(Self::default()) };
        let read = private_file::read(&path).map_err(|error| Failure::local("reading the logins", error))?;
        Ok(read.unwrap_or_default())
    }

    /// Replaces the file.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let doing = "keeping the login";
        let Some(path) = path() else { return Err(Failure::local(doing, "neither RHONE_LOGINS nor HOME is set")) };
        if let Some(folder) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| Failure::local(doing, error))?;
        }
        private_file::write(&path, self).map_err(|error| Failure::local(doing, error))
    }

    /// The token for this API.
    pub(super) fn token(&self, url: &str) -> Option<&str> {
        self.tokens.get(plain(url)).map(String::as_str)
    }

    /// Where the last login was.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    pub(super) fn add(&mut self, url: &str, token: String) {
        self.tokens.insert(plain(url).to_owned(), token);
        self.current = Some(plain(url).to_owned());
    }

    pub(super) fn remove(&mut self, url: &str) {
        self.tokens.remove(plain(url));
        if self.current() == Some(plain(url)) {
            self.current = self.tokens.keys().next().cloned();
        }
    }
}

fn plain(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// `RHONE_LOGINS`, or a file in the user's configuration.
fn path() -> Option<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("RHONE_LOGINS").or_else(|| {
        let configuration = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
        Some(configuration.join("rhone").join("logins.json"))
    })
}

/// Where the API is and who asks, from what is said and what is kept.
pub(super) fn chosen(
    said: (Option<String>, Option<String>),
    up: Option<(String, String)>,
    logins: &Logins,
) -> Result<(String, String), Failure> {
    let (url, token) = said;
    let url = url.or_else(|| up.as_ref().map(|(url, _)| url.clone())).or_else(|| logins.current().map(str::to_owned));
    let url = url.ok_or(Failure::NoToken)?;
    // A token of this machine is not sent to whoever was named beside it.
    let of_up = up.filter(|(of, _)| plain(of) == plain(&url)).map(|(_, token)| token);
    let token = token.or_else(|| logins.token(&url).map(str::to_owned)).or(of_up).ok_or(Failure::NoToken)?;
    Ok((url, token))
}

#[cfg(test)]
mod tests {
    //! Which token goes where.
    use super::*;

    const UP: &str = "http://127.0.0.1:4000";
    const FAR: &str = "https://rhone.test";

    fn logins() -> Logins {
        let mut logins = Logins::default();
        logins.add(&format!("{FAR}/"), "far".into());
        logins
    }

    fn of(url: Option<&str>, token: Option<&str>, up: bool) -> Option<(String, String)> {
        let said = (url.map(str::to_owned), token.map(str::to_owned));
        let up = up.then(|| (UP.to_owned(), "up".to_owned()));
        chosen(said, up, &logins()).ok()
    }

    #[test]
    fn what_is_said_beats_a_login_and_a_login_beats_nothing() {
        let pair = |url: &str, token: &str| Some((url.to_owned(), token.to_owned()));
        assert_eq!(of(Some(FAR), Some("said"), true), pair(FAR, "said"));
        assert_eq!(of(Some(FAR), None, true), pair(FAR, "far"));
        assert_eq!(of(None, None, true), pair(UP, "up"));
        assert_eq!(of(None, None, false), pair(FAR, "far"));
        assert_eq!(of(None, Some("said"), true), pair(UP, "said"));
    }

    #[test]
    fn no_token_goes_to_an_api_that_did_not_give_it() {
        assert_eq!(of(Some("https://evil.test"), None, true), None);
        assert_eq!(of(Some("https://rhone.test.evil.test"), None, true), None);
    }

    #[test]
    fn a_login_that_ends_is_no_longer_the_current_one() {
        let mut logins = logins();
        logins.add(UP, "near".into());
        assert_eq!((logins.current(), logins.token(UP)), (Some(UP), Some("near")));
        logins.remove(UP);
        assert_eq!((logins.current(), logins.token(UP)), (Some(FAR), None));
    }
}

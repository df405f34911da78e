//! Where GitHub is and who we are there; the client's secret among it. Written by the binary's wiring. The traps avoided: a
//! secret in a `Debug`, and a public address without TLS, over which no browser would send our cookies.

use crate::settings::Exposure;
use axum::http::Uri;
use rhone_domain::ids::ActorId;
use rhone_providers::github::{App, AppError};
use std::net::IpAddr;

/// How people may sign in.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where browsers reach us: a scheme and a host. GitHub's way back and the device flow need it.
    pub public_url: Option<String>,
    /// GitHub; without it nobody signs in there.
    pub github: Option<App>,
    /// Who signs in at `/auth/dev/login` without being asked anything: `rhone up` alone names somebody.
    pub development_user: Option<ActorId>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// One of them breaks a rule.
    #[error("{field}: {rule}")]
    Field {
        /// Which.
        field: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// GitHub's app cannot be used.
    #[error("reading how people sign in at GitHub")]
    App(#[from] AppError),
}

impl Settings {
    /// Refuses a way in without a question where anybody but this machine may come.
    pub(crate) fn check_address(&self, listen: IpAddr) -> Result<(), BadSettings> {
        if self.development_user.is_none() || listen.is_loopback() {
            return Ok(());
        }
        let rule = "must not be there unless serve.listen is a loopback address, such as 127.0.0.1:4000";
        Err(BadSettings::Field { field: "serve.development_user", rule })
    }

    /// Refuses what would not be safe.
    pub(super) fn check(&self, exposure: Exposure) -> Result<(), BadSettings> {
        let bad = |field, rule| Err(BadSettings::Field { field, rule });
        if self.development_user.is_some() && exposure == Exposure::Production {
            return bad("serve.development_user", "must not be there when everybody can come in");
        }
        if let Some(text) = &self.public_url {
            let public = url("serve.public_url", text)?;
            if public.path() != "/" || public.query().is_some() || text.ends_with('/') {
                return bad("serve.public_url", "must be a scheme and a host, without a path");
            }
        }
        let Some(github) = &self.github else { return Ok(()) };
        if self.public_url.is_none() {
            return bad("serve.public_url", "must be there for GitHub to know the way back");
        }
        for (field, text) in [
            ("github.authorize_url", &github.authorize_url),
            ("github.token_url", &github.token_url),
            ("github.api_url", &github.api_url),
        ] {
            url(field, text)?;
        }
        if github.client_id.is_empty() || github.client_secret.is_empty() {
            return bad("github.client_secret", "must be there, like github.client_id");
        }
        Ok(())
    }
}

/// An address with TLS, or on this machine.
fn url(field: &'static str, text: &str) -> Result<Uri, BadSettings> {
    let uri: Uri = text.parse().map_err(|_| BadSettings::Field { field, rule: "must be a URL" })?;
    let here = matches!(uri.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if here => Ok(uri),
        _ => Err(BadSettings::Field { field, rule: "must begin with https://, but for this machine itself" }),
    }
}

#[cfg(test)]
mod tests {
    //! What is refused, and what is not shown.
    use super::*;
    use rhone_providers::github::ClientSecret;

    fn field(refused: BadSettings) -> &'static str {
        match refused {
            BadSettings::Field { field, .. } => field,
            BadSettings::App(error) => panic!("{error}"),
        }
    }

    fn settings(public_url: &str, token_url: &str) -> Settings {
        let github = App {
            client_id: "Iv1.0123".into(),
            client_secret: ClientSecret::new("hunter2".into()),
            authorize_url: "https://github.com/login/oauth/authorize".into(),
            token_url: token_url.into(),
            api_url: "https://api.github.com".into(),
        };
        Settings { public_url: Some(public_url.into()), github: Some(github), development_user: None }
    }

    #[test]
    fn addresses_without_tls_are_refused_but_for_this_machine() {
        let good = "https://github.com/login/oauth/access_token";
        for (public, token, expected) in [
            ("https://rhone.test", good, None),
            ("http://127.0.0.1:4000", good, None),
            ("http://rhone.test", good, Some("serve.public_url")),
            ("https://rhone.test/console", good, Some("serve.public_url")),
            ("rhone.test", good, Some("serve.public_url")),
            ("https://rhone.test", "http://github.com/x", Some("github.token_url")),
        ] {
            let refused = settings(public, token).check(Exposure::Production).err().map(field);
            assert_eq!(refused, expected, "{public} {token}");
        }
    }

    #[test]
    fn a_development_user_is_refused_where_everybody_can_come_in() {
        let settings = Settings { development_user: Some(ActorId(uuid::Uuid::nil())), ..Settings::default() };
        let refused = settings.check(Exposure::Production).expect_err("it is refused");
        assert_eq!(field(refused), "serve.development_user");
        settings.check(Exposure::Development).expect("among ourselves it is not");
    }

    #[test]
    fn a_development_user_is_refused_where_another_machine_can_come_in() {
        let settings = Settings { development_user: Some(ActorId(uuid::Uuid::nil())), ..Settings::default() };
        for (address, admitted) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.7", false),
            ("::ffff:127.0.0.1", false),
        ] {
            let listen = address.parse().expect("an address");
            let refused = settings.check_address(listen).err().map(field);
            assert_eq!(refused, (!admitted).then_some("serve.development_user"), "{address}");
            Settings::default().check_address(listen).expect("without one, anywhere");
        }
    }

    #[test]
    fn github_without_a_way_back_is_refused() {
        let settings = Settings { public_url: None, ..settings("https://rhone.test", "https://github.com") };
        assert_eq!(field(settings.check(Exposure::Production).expect_err("refused")), "serve.public_url");
    }

    #[test]
    fn the_secret_is_in_no_debug() {
        let shown = format!("{:?}", settings("https://rhone.test", "https://github.com"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

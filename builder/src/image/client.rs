//! Speaks HTTP to a registry. Every address is judged before it is connected to: what the name resolves to, where a redirect
//! leads, where a token is to be had. The one credential that an app holds for the registry is shown when it is asked for: to
//! the registry itself, and to the server of tokens that it names. The trap avoided: a redirect that carries it elsewhere.

use super::RegistryError;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
    redirect::Policy,
};
use rhone_domain::{
    source_address::{AddressRefused, Allowed, Remote, SourceAddress, SourcePolicy, may_be_reached},
    source_credential::{SignIn, SourceHost},
};
use serde::Deserialize;
use std::{io, net::IpAddr, sync::Arc, time::Duration};

/// A registry has this long to accept a connection, and between two parts of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 5;

/// One registry, and as whom it is asked.
pub(super) struct Registry {
    http: Client,
    policy: SourcePolicy,
    base: Url,
    /// As the image's name has it.
    pub(super) host: String,
    sign_in: Option<SignIn>,
    shows: Shows,
}

/// What a request to the registry itself shows.
enum Shows {
    /// Nothing: it has not asked.
    Nothing,
    /// The credential.
    Credential,
    /// What the server of tokens gave, for the credential or to anybody.
    Token(String),
}

/// Resolves names, and gives out only what may be reached.
struct Judged(SourcePolicy);

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for address in &found {
                may_be_reached(address.ip(), &policy).map_err(|refused| io::Error::other(Refused(refused)))?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// An address that was refused on the way, found again among an error's causes.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(AddressRefused);

/// What a token's server answers; the two names are the same thing.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// The registry of an image's name. It speaks TLS; one on this machine or in a private network may do without, where those
    /// are let in. A credential for another host is not for it.
    pub(super) fn of(name: &str, policy: SourcePolicy, sign_in: Option<&SignIn>) -> Result<Self, RegistryError> {
        let (named, path) = name.split_once('/').ok_or(RegistryError::Name)?;
        let part = |part: &str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            part.bytes().next().is_some_and(plain)
                && part.bytes().last().is_some_and(plain)
                && part.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
        };
        if name.len() > 255 || !path.split('/').all(part) {
            return Err(RegistryError::Name);
        }
        // What people call Docker's registry is not where it is.
        let host = if named == "docker.io" { "registry-1.docker.io" } else { named };
        let remote = remote(&format!("https://{host}/"), policy)?;
        let inner = match remote.host.parse::<IpAddr>() {
            Ok(address) => may_be_reached(address, &SourcePolicy::default()).is_err(),
            Err(_) => remote.host == "localhost" || remote.host.ends_with(".localhost"),
        };
        let scheme = if inner { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/v2/{path}/")).map_err(|_| RegistryError::Name)?;
        // Whoever is first installs it; a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .user_agent("rhone")
            .dns_resolver(Arc::new(Judged(policy)))
            .build()
            .map_err(|source| RegistryError::Unreachable { host: named.to_owned(), source })?;
        let own = SourceHost::parse("image", named).ok();
        let sign_in = sign_in.filter(|sign_in| Some(&sign_in.host) == own.as_ref()).cloned();
        Ok(Self { http, policy, base, host: named.to_owned(), sign_in, shows: Shows::Nothing })
    }

    /// What it is shown if it asks.
    pub(super) fn sign_in(&self) -> Option<&SignIn> {
        self.sign_in.as_ref()
    }

    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.base.join(path).map_err(|_| RegistryError::Name)
    }

    /// Where the registry itself says to go on; it may only stay where it is.
    pub(super) fn here(&self, location: &str) -> Result<Url, RegistryError> {
        let url = self.base.join(location).map_err(|_| RegistryError::Name)?;
        let same =
            url.host_str() == self.base.host_str() && url.port_or_known_default() == self.base.port_or_known_default();
        if same {
            Ok(url)
        } else {
            Err(RegistryError::Address(AddressRefused::NotAllowed("sends an upload elsewhere")))
        }
    }

    /// Asks, with a token where one is asked for, and follows what may be followed.
    pub(super) async fn ask(
        &mut self,
        method: &Method,
        url: Url,
        dress: impl Fn(RequestBuilder) -> io::Result<RequestBuilder>,
    ) -> Result<Response, RegistryError> {
        let mut url = url;
        let mut asked = false;
        for _ in 0..=REDIRECTS {
            self.judge(&url)?;
            let mut request = dress(self.http.request(method.clone(), url.clone()))?;
            // What opens the registry is not for where it redirects to, be it another port or without TLS.
            if url.origin() == self.base.origin() {
                request = self.shown(request);
            }
            let response = request.send().await.map_err(|source| self.failed(source))?;
            let home = url.origin() == self.base.origin();
            if response.status() == StatusCode::UNAUTHORIZED && home && !asked {
                asked = true;
                self.answer(&response).await?;
                continue;
            }
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            match to.filter(|_| response.status().is_redirection()).and_then(|to| url.join(to).ok()) {
                Some(to) => url = to,
                None => return Ok(response),
            }
        }
        Err(RegistryError::Answer { host: self.host.clone(), status: 310, asked: "follow so many redirects" })
    }

    fn judge(&self, url: &Url) -> Result<(), RegistryError> {
        let plain = Url::parse(url.as_str()).map(|mut plain| {
            plain.set_query(None);
            plain.set_fragment(None);
            let _ = plain.set_username("");
            let _ = plain.set_password(None);
            plain
        });
        let (host, scheme) = (plain.as_ref().ok().and_then(Url::host_str).unwrap_or_default(), url.scheme());
        if scheme == "http" && self.policy.private == Allowed::No {
            return Err(RegistryError::Address(AddressRefused::NotAllowed("redirects to where nothing is encrypted")));
        }
        remote(&format!("{scheme}://{host}/"), self.policy).map(|_| ())
    }

    fn shown(&self, request: RequestBuilder) -> RequestBuilder {
        match (&self.shows, &self.sign_in) {
            (Shows::Token(token), _) => request.bearer_auth(token),
            (Shows::Credential, Some(sign_in)) => basic(request, sign_in),
            (Shows::Credential | Shows::Nothing, _) => request,
        }
    }

    /// Does what the registry asks for: shows it the credential, or gets a token with it, or the token that anybody gets.
    async fn answer(&mut self, refusal: &Response) -> Result<(), RegistryError> {
        let asks = refusal.headers().get_all(header::WWW_AUTHENTICATE);
        let asks: Vec<_> = asks.iter().filter_map(|asks| asks.to_str().ok()).collect();
        let of = |scheme: &str| {
            let mut words = asks.iter().filter_map(|asks| asks.split_once(' '));
            words.find(|(word, _)| word.eq_ignore_ascii_case(scheme)).map(|(_, rest)| rest)
        };
        self.shows = match (of("Bearer"), of("Basic"), &self.sign_in) {
            (Some(asks), ..) => Shows::Token(self.token(asks).await?),
            (None, Some(_), Some(_)) => Shows::Credential,
            (None, ..) => return Err(self.unknown()),
        };
        Ok(())
    }

    /// A token of the server that the registry names.
    async fn token(&self, asks: &str) -> Result<String, RegistryError> {
        let realm = parameter(asks, "realm").and_then(|realm| Url::parse(realm).ok()).ok_or_else(|| self.unknown())?;
        let mut url = realm.clone();
        for name in ["service", "scope"] {
            if let Some(value) = parameter(asks, name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.judge(&url)?;
        let mut request = self.http.get(url);
        if let Some(sign_in) = &self.sign_in {
            self.trust(&realm)?;
            request = basic(request, sign_in);
        }
        let answer = request.send().await.map_err(|source| self.failed(source))?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let asked = "give a token";
            return Err(RegistryError::Answer { host: self.host.clone(), status: status.as_u16(), asked });
        }
        if !status.is_success() {
            return Err(self.unknown());
        }
        let token: Token = answer.json().await.map_err(|source| self.failed(source))?;
        token.token.or(token.access_token).ok_or_else(|| self.unknown())
    }

    /// Whether the credential may be shown where tokens are to be had: over TLS wherever the registry says, for that is where
    /// all its users show theirs; in clear to its own host alone.
    fn trust(&self, realm: &Url) -> Result<(), RegistryError> {
        let own = self.base.scheme() == "http" && realm.host_str() == self.base.host_str();
        if realm.scheme() == "https" || own { Ok(()) } else { Err(RegistryError::Realm { host: self.host.clone() }) }
    }

    /// Why whoever asks is nobody that the registry lets in.
    pub(super) fn unknown(&self) -> RegistryError {
        let host = self.host.clone();
        match &self.sign_in {
            Some(sign_in) => RegistryError::SignInRefused { host, username: sign_in.username.to_string() },
            None => RegistryError::SignInNeeded { host },
        }
    }

    pub(super) fn failed(&self, source: reqwest::Error) -> RegistryError {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&source);
        while let Some(error) = cause {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(Refused(refused)) = inner.and_then(|inner| inner.downcast_ref::<Refused>()) {
                return RegistryError::Address(*refused);
            }
            cause = error.source();
        }
        RegistryError::Unreachable { host: self.host.clone(), source: source.without_url() }
    }
}

fn basic(request: RequestBuilder, sign_in: &SignIn) -> RequestBuilder {
    request.basic_auth(sign_in.username.as_str(), Some(sign_in.secret.expose()))
}

/// Judges a host by the rules of every address that sources come from.
fn remote(url: &str, policy: SourcePolicy) -> Result<Remote, RegistryError> {
    match SourceAddress::parse(&format!("{url}x"), &policy) {
        Ok(SourceAddress::Remote(remote)) => Ok(remote),
        Ok(SourceAddress::Local(_)) | Err(AddressRefused::Malformed(_)) => Err(RegistryError::Name),
        Err(refused) => Err(RegistryError::Address(refused)),
    }
}

/// `name="value"` among others.
fn parameter<'a>(asks: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = asks;
    while let Some((key, after)) = rest.split_once("=\"") {
        let (value, more) = after.split_once('"')?;
        if key.trim_start_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = more;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhone_domain::{hidden::Hidden, text::Username};

    #[test]
    fn a_challenge_is_read_by_its_names() {
        let asks = r#"realm="https://auth.example.org/token",service="registry",scope="repository:a/b:pull,push""#;
        assert_eq!(parameter(asks, "realm"), Some("https://auth.example.org/token"));
        assert_eq!((parameter(asks, "scope"), parameter(asks, "error")), (Some("repository:a/b:pull,push"), None));
    }

    #[test]
    fn names_are_judged_like_every_address() {
        let code = |name: &str, policy: SourcePolicy| Registry::of(name, policy, None).err().map(|error| error.code());
        let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
        for bad in [
            "",
            "nginx",
            "a.example.org/",
            "a.example.org/A",
            "a.example.org/a:latest",
            "a.example.org/a@b",
            "a.example.org/../b",
            "u:p@a.example.org/b",
            "a.example.org/-b",
            "a.example.org/b?c",
        ] {
            assert_eq!(code(bad, open), Some("IMAGE_NAME_INVALID"), "{bad}");
        }
        assert_eq!(code("169.254.169.254/a", open), Some("SOURCE_NOT_ALLOWED"));
        for inner in ["127.0.0.1:5000/a", "localhost:5000/a", "10.1.2.3/a"] {
            assert_eq!(code(inner, SourcePolicy::default()), Some("SOURCE_NOT_ALLOWED"));
            assert_eq!(
                Registry::of(inner, open, None).map(|registry| registry.base.scheme().to_owned()).ok().as_deref(),
                Some("http")
            );
        }
        let docker = Registry::of("docker.io/library/nginx", SourcePolicy::default(), None)
            .map(|registry| registry.base.to_string());
        assert_eq!(docker.ok().as_deref(), Some("https://registry-1.docker.io/v2/library/nginx/"));
    }
    #[test]
    fn a_token_is_asked_for_with_the_credential_over_tls_or_in_clear_on_a_host_that_is_asked_in_clear_anyway() {
        let open = SourcePolicy { local: Allowed::Yes, private: Allowed::Yes };
        for (name, realm, shown) in [
            ("docker.io/acme/shop", "https://auth.docker.io/token", true),
            ("registry.example.com/a", "https://registry.example.com/token", true),
            ("registry.example.com/a", "http://registry.example.com/token", false),
            ("registry.example.com/a", "http://10.1.2.3/token", false),
            ("10.1.2.3:5000/a", "http://10.1.2.3:5001/token", true),
            ("10.1.2.3:5000/a", "http://10.1.2.4:5000/token", false),
        ] {
            let username = Username::parse("username", "alice").expect("a user");
            let host = SourceHost::parse("host", name.split_once('/').expect("a host").0).expect("a host");
            let sign_in = SignIn { host, username, secret: Hidden::new("s".into()) };
            let registry = Registry::of(name, open, Some(&sign_in)).expect("a registry");
            assert!(registry.sign_in().is_some(), "{name} is its own");
            let trusted = registry.trust(&Url::parse(realm).expect("a realm"));
            assert_eq!(trusted.err().map(|error| error.code()), (!shown).then_some("SIGN_IN_WITHHELD"), "{realm}");
        }
    }
}

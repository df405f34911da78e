//! Speaks HTTP to a registry. Every address is judged before it is connected to: what the name resolves to, where a redirect
//! leads, where a token is to be had. Nothing is ever sent that opens anything: what it reads is public.

use super::RegistryError;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
    redirect::Policy,
};
use rhone_domain::source_address::{AddressRefused, Allowed, Remote, SourceAddress, SourcePolicy, may_be_reached};
use serde::Deserialize;
use std::{io, net::IpAddr, sync::Arc, time::Duration};

/// A registry has this long to accept a connection, and between two parts of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 5;

/// One registry, as nobody in particular.
pub(super) struct Registry {
    http: Client,
    policy: SourcePolicy,
    base: Url,
    pub(super) host: String,
    token: Option<String>,
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
    /// are let in.
    pub(super) fn of(name: &str, policy: SourcePolicy) -> Result<Self, RegistryError> {
        let (host, path) = name.split_once('/').ok_or(RegistryError::Name)?;
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
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
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
            .map_err(|source| RegistryError::Unreachable { host: host.to_owned(), source })?;
        Ok(Self { http, policy, base, host: host.to_owned(), token: None })
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
            // A token is for the registry, and not for where it redirects to.
            if let (Some(token), true) = (&self.token, url.host_str() == self.base.host_str()) {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.map_err(|source| self.failed(source))?;
            if response.status() == StatusCode::UNAUTHORIZED && !asked {
                asked = true;
                self.sign_in(&response).await?;
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

    /// Gets the token that anybody gets.
    async fn sign_in(&mut self, refusal: &Response) -> Result<(), RegistryError> {
        let needed = || RegistryError::SignInNeeded { host: self.host.clone() };
        let asks = refusal.headers().get(header::WWW_AUTHENTICATE).and_then(|asks| asks.to_str().ok());
        let asks = asks.and_then(|asks| asks.strip_prefix("Bearer ")).ok_or_else(needed)?;
        let mut url = Url::parse(parameter(asks, "realm").ok_or_else(needed)?).map_err(|_| needed())?;
        for name in ["service", "scope"] {
            if let Some(value) = parameter(asks, name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.judge(&url)?;
        let answer = self.http.get(url).send().await.map_err(|source| self.failed(source))?;
        if !answer.status().is_success() {
            return Err(needed());
        }
        let token: Token = answer.json().await.map_err(|source| self.failed(source))?;
        self.token = token.token.or(token.access_token);
        if self.token.is_some() { Ok(()) } else { Err(needed()) }
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

    #[test]
    fn a_challenge_is_read_by_its_names() {
        let asks = r#"realm="https://auth.example.org/token",service="registry",scope="repository:a/b:pull,push""#;
        assert_eq!(parameter(asks, "realm"), Some("https://auth.example.org/token"));
        assert_eq!((parameter(asks, "scope"), parameter(asks, "error")), (Some("repository:a/b:pull,push"), None));
    }

    #[test]
    fn names_are_judged_like_every_address() {
        let code = |name: &str, policy: SourcePolicy| Registry::of(name, policy).err().map(|error| error.code());
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
                Registry::of(inner, open).map(|registry| registry.base.scheme().to_owned()).ok().as_deref(),
                Some("http")
            );
        }
        let docker =
            Registry::of("docker.io/library/nginx", SourcePolicy::default()).map(|registry| registry.base.to_string());
        assert_eq!(docker.ok().as_deref(), Some("https://registry-1.docker.io/v2/library/nginx/"));
    }
}

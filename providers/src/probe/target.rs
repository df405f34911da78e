//! Where a resource is and with what it is reached, read from one URL. The trap avoided: a credential that is printed with its
//! address; `Debug` and `endpoint` show neither user's password nor query.

use super::{Kind, s3};
use reqwest::Url;
use std::fmt;

/// A resource to be probed.
#[derive(Clone)]
pub struct Target {
    kind: Kind,
    url: Option<Url>,
    /// Where it is reached, if that is not what the address names.
    reached: Option<Url>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?} at {})", self.kind, self.endpoint())
    }
}

/// Why an address is refused; it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTarget(pub &'static str);

const MOST: usize = 2_000;

impl Target {
    /// Reads an address. What is the platform's own or in memory has none.
    pub fn parse(kind: Kind, text: Option<&str>) -> Result<Self, InvalidTarget> {
        let (schemes, rule): (&[&str], _) = match kind {
            Kind::Memory | Kind::Fs => {
                return if text.is_none() {
                    Ok(Self { kind, url: None, reached: None })
                } else {
                    Err(InvalidTarget("must be absent: memory and the platform's own storage have no address"))
                };
            }
            Kind::Postgres => {
                (&["postgres", "postgresql"], "must be such as postgres://user:password@host:5432/database")
            }
            Kind::Http => (&["http", "https"], "must be such as https://host/path"),
            Kind::Redis => (&["redis"], "must be such as redis://user:password@host:6379"),
            Kind::Nats => (&["nats"], "must be such as nats://host:4222"),
            Kind::S3 => (&["s3"], "must be such as s3://key:secret@bucket?region=eu-west-1"),
        };
        let text = text.filter(|text| text.len() <= MOST).ok_or(InvalidTarget(rule))?;
        let url = Url::parse(text).map_err(|_| InvalidTarget(rule))?;
        let fits = schemes.contains(&url.scheme()) && url.has_host() && !text.chars().any(char::is_control);
        let named = kind != Kind::Postgres || url.path().trim_matches('/').split('/').count() == 1;
        let database = kind != Kind::Postgres || !url.path().trim_matches('/').is_empty();
        if !(fits && named && database) {
            return Err(InvalidTarget(rule));
        }
        let reached = if kind == Kind::S3 { Some(s3::read(&url)?.0.base_url().clone()) } else { None };
        Ok(Self { kind, url: Some(url), reached })
    }

    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is, without credentials.
    pub fn endpoint(&self) -> String {
        match &self.url {
            None => match self.kind {
                Kind::Fs => "the platform's own storage".to_owned(),
                Kind::Postgres | Kind::Http | Kind::Redis | Kind::Nats | Kind::Memory | Kind::S3 => "memory".to_owned(),
            },
            Some(url) => {
                let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
                format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
        }
    }

    /// The whole address, credentials and all; none when it has none.
    pub fn secret(&self) -> Option<&str> {
        self.url.as_ref().map(Url::as_str)
    }

    pub(super) fn url(&self) -> &Url {
        self.url.as_ref().expect("only memory and the platform's own storage have no address, and ask for none")
    }

    /// Host and port; the port is the usual one unless it says otherwise.
    pub fn place(&self) -> Option<(&str, u16)> {
        let usual = match self.kind {
            Kind::Postgres => 5432,
            Kind::Redis => 6379,
            Kind::Nats => 4222,
            Kind::Http | Kind::Memory | Kind::Fs | Kind::S3 => 80,
        };
        let url = self.reached.as_ref().or(self.url.as_ref())?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        Some((host, url.port_or_known_default().unwrap_or(usual)))
    }
}

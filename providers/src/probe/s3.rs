//! Buckets, of Amazon or of anybody who speaks its language: an object is put, got and deleted, each request signed
//! (Signature Version 4, in the query). The identity is the endpoint and the bucket. The trap avoided: a bucket that counts
//! because it can be listed or read; what sessions and uploads need is writing.

use super::{Ground, Probe, ProbeError, Proven, Target, http, target::InvalidTarget};
use futures_util::{FutureExt as _, future::BoxFuture};
use percent_encoding::percent_decode_str;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use std::time::Duration;

pub(super) struct S3;

/// For how long a signed request counts; longer than a probe may take.
const SIGNED_FOR: Duration = Duration::from_mins(1);
/// What is put.
const WORD: &str = "rhone";
/// More is not read of any answer.
const MOST: usize = 4_096;

impl Probe for S3 {
    fn probe<'a>(&'a self, target: &'a Target, ground: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>> {
        probe(target, ground).boxed()
    }
}

async fn probe(target: &Target, ground: &Ground) -> Result<Proven, ProbeError> {
    let address = ground.reach.resolve(target).await?;
    let (bucket, credentials) = read(target.url()).map_err(|invalid| ProbeError::fatal("MALFORMED", invalid.0))?;
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(|_| ProbeError::retry("PROBE_FAILED", "there is no randomness here"))?;
    let asking = Asking { target, client: http::client(target, address, ground)?, bucket, credentials };
    let identity = asking.identity();
    asking.round(&format!("rhone-probe-{}", hex::encode(name))).await?;
    Ok(Proven { identity: Some(identity), evidence: vec!["an object was put, got and deleted".to_owned()] })
}

/// Bucket and credentials of an address such as `s3://key:secret@bucket?region=eu-west-1&endpoint=https://s3.example.com`. Who
/// names an endpoint is asked there by path; Amazon is asked by the bucket's own host.
pub(super) fn read(url: &Url) -> Result<(Bucket, Credentials), InvalidTarget> {
    let text = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).ok();
    let key = text(url.username()).filter(|key| !key.is_empty());
    let secret = url.password().and_then(text).filter(|secret| !secret.is_empty());
    let (Some(key), Some(secret)) = (key, secret) else {
        return Err(InvalidTarget("must have a key and a secret, as in s3://key:secret@bucket"));
    };
    let name = url.host_str().filter(|name| is_bucket(name)).map(str::to_owned);
    let name = name.filter(|_| url.port().is_none() && url.path().trim_matches('/').is_empty());
    let name = name.ok_or(InvalidTarget("must name a bucket and nothing below it: 3 to 63 of a-z, 0-9, - and ."))?;
    let (mut region, mut endpoint) = ("us-east-1".to_owned(), None);
    for (word, value) in url.query_pairs() {
        match word.as_ref() {
            "region" if is_region(&value) => region = value.into_owned(),
            "region" => return Err(InvalidTarget("must have a region of 1 to 40 of a-z, 0-9 and -")),
            "endpoint" => endpoint = Some(read_endpoint(&value)?),
            _ => return Err(InvalidTarget("must have no other words than region and endpoint")),
        }
    }
    let (endpoint, style) = match endpoint {
        Some(endpoint) => (endpoint, UrlStyle::Path),
        // A name with dots is nobody's host under Amazon's certificate.
        None if name.contains('.') => (amazon(&region)?, UrlStyle::Path),
        None => (amazon(&region)?, UrlStyle::VirtualHost),
    };
    let bucket = Bucket::new(endpoint, style, name, region);
    Ok((
        bucket.map_err(|_| InvalidTarget("must have an endpoint such as https://s3.example.com"))?,
        Credentials::new(key, secret),
    ))
}

fn amazon(region: &str) -> Result<Url, InvalidTarget> {
    Url::parse(&format!("https://s3.{region}.amazonaws.com")).map_err(|_| InvalidTarget("must have a region"))
}

fn read_endpoint(text: &str) -> Result<Url, InvalidTarget> {
    let plain = |url: &Url| {
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && bare && url.path() == "/"
    };
    let url = Url::parse(text).ok().filter(plain);
    url.ok_or(InvalidTarget("must have an endpoint such as https://s3.example.com"))
}

fn is_bucket(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    (3..=63).contains(&name.len()) && name.bytes().all(fits) && !name.contains("..")
}

fn is_region(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&name.len()) && name.bytes().all(fits)
}

struct Asking<'a> {
    target: &'a Target,
    client: Client,
    bucket: Bucket,
    credentials: Credentials,
}

impl Asking<'_> {
    fn identity(&self) -> String {
        let endpoint = self.bucket.base_url().origin().ascii_serialization();
        format!("s3:{endpoint}/{}", self.bucket.name())
    }

    /// Whatever was put is deleted, also when it could not be got.
    async fn round(&self, name: &str) -> Result<(), ProbeError> {
        let credentials = Some(&self.credentials);
        let put = self.bucket.put_object(credentials, name).sign(SIGNED_FOR);
        self.ask(self.client.put(put).body(WORD)).await?;
        let got = self.ask(self.client.get(self.bucket.get_object(credentials, name).sign(SIGNED_FOR))).await;
        let delete = self.bucket.delete_object(credentials, name).sign(SIGNED_FOR);
        let deleted = self.ask(self.client.delete(delete)).await;
        let got = begun(got?).await;
        deleted?;
        if got == WORD.as_bytes() {
            return Ok(());
        }
        Err(ProbeError::fatal("WRONG_ANSWER", "what was put was not what was got"))
    }

    /// A signed address is a credential for a while, so no error of the client is shown.
    async fn ask(&self, request: RequestBuilder) -> Result<Response, ProbeError> {
        let answer = request.send().await.map_err(|_| ProbeError::unreachable(self.target))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refused(answer).await) }
    }

    async fn refused(&self, answer: Response) -> ProbeError {
        let (status, endpoint) = (answer.status(), self.target.endpoint());
        let body = begun(answer).await;
        match (code_in(&String::from_utf8_lossy(&body)), status) {
            (Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken"), _)
            | (_, StatusCode::UNAUTHORIZED) => {
                ProbeError::fatal("CREDENTIAL_REFUSED", format!("{endpoint} refuses the credential"))
            }
            (Some("NoSuchBucket"), _) => ProbeError::fatal("BUCKET_MISSING", format!("there is no bucket {endpoint}")),
            (Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "AuthorizationQueryParametersError"), _)
            | (_, StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT) => {
                ProbeError::fatal("WRONG_REGION", format!("{endpoint} is in another region than was said"))
            }
            (Some("RequestTimeTooSkewed"), _) => {
                ProbeError::retry("PROBE_FAILED", format!("{endpoint} has another time than we have"))
            }
            (_, StatusCode::FORBIDDEN) => {
                ProbeError::fatal("NOT_PERMITTED", format!("{endpoint} does not let us put, get and delete an object"))
            }
            (_, status) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                ProbeError::retry("PROBE_FAILED", format!("{endpoint} answered {status}"))
            }
            (_, status) => ProbeError::fatal("PROBE_FAILED", format!("{endpoint} answered {status}")),
        }
    }
}

/// The beginning of an answer.
async fn begun(mut answer: Response) -> Vec<u8> {
    let mut read = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        read.extend_from_slice(&piece);
        if read.len() > MOST {
            read.truncate(MOST);
            break;
        }
    }
    read
}

/// The code of an error's document; its words are a stranger's, and are not repeated.
fn code_in(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

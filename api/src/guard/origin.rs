//! Which pages may call us from a browser. Checked before anything else is read, on HTTP and on the WebSocket upgrade alike.
//! The trap avoided: trusting "same site": customers' apps live on sibling hosts, so a sibling is as foreign as any page.

use std::{collections::HashSet, sync::Arc};

use axum::http::{HeaderMap, header::ORIGIN};

use crate::fault::{Code, Fault};

/// The allow-list of origins (`scheme://host[:port]`, lower case, no path).
#[derive(Debug, Clone, Default)]
pub struct Origins(Arc<HashSet<String>>);

impl Origins {
    /// The origins that may call.
    pub fn new(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Arc::new(origins.into_iter().map(|origin| origin.into().to_ascii_lowercase()).collect()))
    }

    /// Refuses a browser's request from a page that is not on the list; callers that are no browser send neither header.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let mut origins = headers.get_all(ORIGIN).iter();
        if let Some(origin) = origins.next() {
            let listed = origin.to_str().is_ok_and(|text| self.0.contains(&text.to_ascii_lowercase()));
            return if listed && origins.next().is_none() { Ok(()) } else { Err(foreign("Origin")) };
        }
        match headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes) {
            None | Some(b"same-origin" | b"none") => Ok(()),
            Some(_) => Err(foreign("Sec-Fetch-Site")),
        }
    }

    /// Whether a page of the list has this host and port.
    pub(crate) fn names(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.iter().any(|origin| origin.split_once("://").is_some_and(|(_, listed)| listed == host))
    }

    /// Refuses what does not say that it comes from a page on the list: for requests that a browser's cookie speaks for.
    pub(crate) fn require(&self, headers: &HeaderMap) -> Result<(), Fault> {
        if headers.contains_key(ORIGIN) { self.admit(headers) } else { Err(foreign("Origin")) }
    }
}

fn foreign(header: &'static str) -> Fault {
    Fault {
        field: Some(header.into()),
        rule: Some("must be on the allow-list".into()),
        ..Fault::new(Code::Forbidden, "this origin may not call the API")
    }
}

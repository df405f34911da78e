//! Which host a request means. Pure. The trap: two spellings of one host that reach two owners, so there is one normal
//! form, made once, and what has none is refused with 400.

use hyper::{HeaderMap, Uri, header::HOST};
use std::borrow::Cow;

/// Why a request names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHost {
    /// No `Host` header.
    #[error("the request has no Host header")]
    Missing,
    /// More than one.
    #[error("the request has more than one Host header")]
    Duplicate,
    /// Not a hostname.
    #[error("the Host header is not a hostname")]
    Invalid,
    /// The request target names another host.
    #[error("the request target and the Host header differ")]
    Differs,
}

/// The host of a request, in normal form.
pub(crate) fn requested<'a>(headers: &'a HeaderMap, target: &Uri) -> Result<Cow<'a, str>, BadHost> {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next().ok_or(BadHost::Missing)?;
    if hosts.next().is_some() {
        return Err(BadHost::Duplicate);
    }
    let text = first.to_str().map_err(|_| BadHost::Invalid)?;
    let host = normalised(text)?;
    if target.authority().is_some_and(|authority| normalised(authority.as_str()).ok().as_deref() != Some(&*host)) {
        return Err(BadHost::Differs);
    }
    Ok(host)
}

/// Lower-case, without port and one trailing dot.
pub(crate) fn normalised(text: &str) -> Result<Cow<'_, str>, BadHost> {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) => return Err(BadHost::Invalid),
        None => text,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > 253 || !name.split('.').all(is_label) {
        return Err(BadHost::Invalid);
    }
    Ok(if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    //! One host, one spelling.
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn spellings_of_one_host_are_one_host() {
        for text in ["shop.example", "SHOP.Example", "shop.example.", "shop.example:8080", "Shop.example.:1"] {
            assert_eq!(normalised(text).as_deref(), Ok("shop.example"), "{text}");
        }
    }

    #[test]
    fn what_is_no_hostname_is_refused() {
        let long = "a".repeat(64);
        for text in ["", ".", "a..b", "a b", "a/b", "-a.b", "a-.b", "a:b", "a:", "ü.de", "a@b", "[::1]", &long, "a.b.."]
        {
            assert_eq!(normalised(text), Err(BadHost::Invalid), "{text}");
        }
    }

    #[test]
    fn a_request_has_exactly_one_host() {
        let target = Uri::from_static("/");
        let mut headers = HeaderMap::new();
        assert_eq!(requested(&headers, &target), Err(BadHost::Missing));
        headers.append(HOST, HeaderValue::from_static("a.example"));
        assert_eq!(requested(&headers, &target).as_deref(), Ok("a.example"));
        headers.append(HOST, HeaderValue::from_static("a.example"));
        assert_eq!(requested(&headers, &target), Err(BadHost::Duplicate));
    }

    #[test]
    fn a_target_that_names_another_host_is_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("a.example"));
        assert_eq!(requested(&headers, &Uri::from_static("http://b.example/")), Err(BadHost::Differs));
        assert_eq!(requested(&headers, &Uri::from_static("http://A.example:80/")).as_deref(), Ok("a.example"));
    }
}

//! Our cookies: their names, how they are read and how they are set. The trap avoided: two cookies of one name, of which one
//! may be planted by a page of a sibling host. The prefix `__Host-` forbids that to browsers; if it happens all the same,
//! neither counts.

use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
use std::time::Duration;

/// The session of a browser.
pub(crate) const SESSION: &str = "__Host-rhone_session";

/// Which browser began a sign-in.
pub(super) const SIGN_IN: &str = "__Host-rhone_sign_in";

/// The value of a cookie that is there exactly once.
pub(crate) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

/// Sets a cookie: never to be read by a script, sent over TLS alone, and with a foreign page's request only when a person
/// follows its link.
pub(super) fn set(name: &str, value: &str, age: Duration) -> HeaderValue {
    header(format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; Secure; SameSite=Lax", age.as_secs()))
}

/// Takes a cookie away.
pub(super) fn unset(name: &str) -> HeaderValue {
    set(name, "", Duration::ZERO)
}

fn header(text: String) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).expect("names are constants and values are base64");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    //! Which cookie counts.
    use super::*;

    fn of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).expect("a header"));
        }
        value(&headers, SESSION).map(str::to_owned)
    }

    #[test]
    fn a_cookie_counts_when_it_is_there_once() {
        assert_eq!(of(&["a=b; __Host-rhone_session=one; c=d"]).as_deref(), Some("one"));
        assert_eq!(of(&["a=b", "__Host-rhone_session=one"]).as_deref(), Some("one"));
        for lines in [
            &["__Host-rhone_session="][..],
            &["__Host-rhone_session=one; __Host-rhone_session=two"],
            &["__Host-rhone_session=one", "__Host-rhone_session=one"],
            &["rhone_session=one"],
            &["__host-rhone_session=one"],
            &["x__Host-rhone_session=one"],
            &[],
        ] {
            assert_eq!(of(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn what_is_set_is_closed_to_scripts_and_to_other_hosts() {
        let set = set(SESSION, "x", Duration::from_mins(1));
        let text = set.to_str().expect("text");
        for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=60"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("Domain"), "{text}");
        assert!(set.is_sensitive());
    }
}

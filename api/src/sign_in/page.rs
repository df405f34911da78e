//! The few pages that the API itself shows to people: small, without a script, and never in a frame. The trap avoided: text of
//! a stranger that becomes markup; `maud` escapes whatever is put in.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}\
    code,input{font:1.2em ui-monospace,monospace}input,button{padding:.4rem .8rem}dt{color:#666}";

/// Nothing is loaded, nothing runs, nobody frames it, and forms go to us alone.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page.
pub(super) fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; meta name="viewport" content="width=device-width"; title { (title) " - Rhone" } style { (STYLE) } }
            body { h1 { (title) } (body) }
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Without a referrer a browser would hide from us where a form comes from.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, page.into_string()).into_response()
}

/// Why somebody was not let in.
pub(super) fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    page(status, "Not signed in", &html! { p { (message) } p { code { (code) } } })
}

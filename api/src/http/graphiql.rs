//! The `GraphiQL` page, mounted in development only. Everything it runs is served from here, and the browser is told to run
//! nothing else. The trap avoided: a page with an owner's session that loads whatever a host of others serves today.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

/// GraphiQL styles itself as it goes; everything else is a file of the table below.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [(&str, &str, &str); 6] = [
    ("graphiql.min.css", "text/css; charset=utf-8", include_str!("../../assets/graphiql/graphiql.min.css")),
    ("graphiql.min.js", SCRIPT, include_str!("../../assets/graphiql/graphiql.min.js")),
    ("react.production.min.js", SCRIPT, include_str!("../../assets/graphiql/react.production.min.js")),
    ("react-dom.production.min.js", SCRIPT, include_str!("../../assets/graphiql/react-dom.production.min.js")),
    ("start.js", SCRIPT, include_str!("../../assets/graphiql/start.js")),
    ("walk.graphql", "text/plain; charset=utf-8", include_str!("../../../docs/walk.graphql")),
];

/// The page.
pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(include_str!("../../assets/graphiql/page.html"))).into_response()
}

/// What it consists of.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(known, _, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, *text).into_response()
}

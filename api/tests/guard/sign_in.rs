//! What is not configured has no route; without a database a sign-in says so, in words of ours.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use chrono::DateTime;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rhone_api::{
    Exposure, IdSource, Origins, RateLimits, Rates,
    sign_in::{Settings, SignIn, router},
};
use rhone_domain::ids::ActorId;
use rhone_eventstore::Clock;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::server::CONSOLE;

/// The status of a path, asked for from a page of ours.
async fn status(settings: Settings, exposure: Exposure, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    // Nobody listens there.
    let pool =
        PgPoolOptions::new().acquire_timeout(Duration::from_millis(100)).connect_lazy("postgres://127.0.0.1:1/x");
    let sign_in = SignIn::new(pool.unwrap(), Clock::system(), Origins::new([CONSOLE]), settings, exposure).unwrap();
    let rates = Arc::new(Rates::new(&RateLimits::default(), || DateTime::UNIX_EPOCH));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(Arc::new(sign_in), IdSource::new(Uuid::nil), rates);
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut request = Request::builder().uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let reply = client.request(request.body(Body::empty()).unwrap()).await.unwrap();
    task.abort();
    reply.status()
}

#[tokio::test]
async fn a_way_in_that_is_not_configured_is_not_there() {
    for exposure in [Exposure::Production, Exposure::Development] {
        for path in ["/auth/dev/login", "/auth/github/login", "/auth/github/callback", "/auth/device"] {
            assert_eq!(status(Settings::default(), exposure, path, &[]).await, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn the_development_user_has_a_way_in_from_our_own_host() {
    let user = || Settings { development_user: Some(ActorId(Uuid::nil())), ..Settings::default() };
    let ask = async |headers: &[(&str, &str)]| status(user(), Exposure::Development, "/auth/dev/login", headers).await;
    assert_eq!(ask(&[("host", "console.rhone.test")]).await, 503, "it is there, but for the database");
    assert_eq!(ask(&[("host", "evil.test")]).await, 403);
    assert_eq!(ask(&[("host", "console.rhone.test"), ("sec-fetch-site", "cross-site")]).await, 403);
}

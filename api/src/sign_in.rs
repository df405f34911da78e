//! How people get in: GitHub's web flow, sessions of browsers, the development user's sign-in, and the device flow of the
//! command line. Served beside GraphQL, under `/auth`. The trap avoided: an address made from what a request says of itself;
//! where we are, and where GitHub is, comes from the configuration alone.

mod asker;
mod budget;
pub(crate) mod cookie;
mod development;
mod device;
mod device_page;
mod entrance;
mod github;
mod page;
mod refusal;
mod return_to;
mod sessions;
mod settings;

use crate::{
    guard::Origins,
    rate::Rates,
    request::{self, IdSource},
    settings::Exposure,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    response::IntoResponse,
    routing::{get, post},
};
use rhone_eventstore::{Clock, Wake};
use rhone_providers::github::GitHub;
use sqlx::PgPool;
use std::{fmt, sync::Arc};
use tower_http::catch_panic::CatchPanicLayer;

pub use sessions::{Callers, EndedSessionRow, NewSession, SessionRow, Sessions};
pub use settings::{BadSettings, Settings};

/// No form here is longer.
const MOST: usize = 4096;

/// What the sign-in works with.
pub struct SignIn {
    pool: PgPool,
    sessions: Sessions,
    origins: Origins,
    clock: Clock,
    settings: Settings,
    github: Option<GitHub>,
    /// Who is woken once a token is in the log.
    wakes: Vec<Arc<dyn Wake>>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl SignIn {
    /// Through a pool of role `rhone_api`; pages of these origins may call.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        origins: Origins,
        settings: Settings,
        exposure: Exposure,
    ) -> Result<Self, BadSettings> {
        settings.check(exposure)?;
        let back = format!("{}/auth/github/callback", settings.public_url.as_deref().unwrap_or_default());
        let github = settings.github.clone().map(|app| GitHub::new(app, back)).transpose()?;
        let sessions = Sessions::new(pool.clone(), clock.clone());
        Ok(Self { sessions, pool, origins, clock, settings, github, wakes: Vec::new() })
    }

    /// Also wakes this one once a token is in the log.
    #[must_use]
    pub fn waking(mut self, wake: Arc<dyn Wake>) -> Self {
        self.wakes.push(wake);
        self
    }
}

/// `/auth`: what is not configured has no route.
pub fn router(sign_in: Arc<SignIn>, ids: IdSource, rates: Arc<Rates>) -> Router {
    let mut router = Router::new().route("/auth/logout", post(entrance::log_out));
    if sign_in.github.is_some() {
        router = router
            .route("/auth/github/login", get(github::log_in))
            .route("/auth/github/callback", get(github::call_back));
    }
    if sign_in.settings.public_url.is_some() {
        router = router
            .route("/auth/device", get(device_page::show).post(device_page::decide))
            .route("/auth/device/code", post(device::begin))
            .route("/auth/device/token", post(device::poll));
    }
    if sign_in.settings.development_user.is_some() {
        router = router.route("/auth/dev/login", get(development::log_in));
    }
    router
        .with_state(sign_in)
        .layer(DefaultBodyLimit::max(MOST))
        .layer(middleware::from_fn_with_state(rates, budget::spend))
        .layer(CatchPanicLayer::custom(|_panic| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        .layer(middleware::from_fn_with_state(ids, request::identify))
}

//! Every number and list of the API's guard, said once. Written by the binary's wiring, read by the shell. The trap avoided:
//! a limit left to a library's default; each has a value here, and `limits` hands the library's own four to the schema.

use std::time::Duration;

use async_graphql::SchemaBuilder;

use crate::{
    guard::{DocumentLimits, Documents, Origins},
    load::LoadLimits,
    rate::RateLimits,
};

/// Whom the server is shown to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Introspection, suggestions and the `GraphiQL` page are off.
    Production,
    /// All three are on.
    Development,
}

/// How the guard behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whom the server is shown to.
    pub exposure: Exposure,
    /// The pages that may call us from a browser.
    pub origins: Origins,
    /// Which documents may run.
    pub documents: Documents,
    /// How large a document may be.
    pub limits: DocumentLimits,
    /// Time to receive a request's body.
    pub body_timeout: Duration,
    /// Time from the upgrade to an accepted `connection_init`; then 4408.
    pub init_timeout: Duration,
    /// Between our pings; silence over two of them closes with 3008.
    pub ping_interval: Duration,
    /// Between checks that an open connection's token still stands.
    pub recheck_interval: Duration,
    /// How long a connection lives on while nobody can check its token; then 1013.
    pub recheck_grace: Duration,
    /// Time for a slow reader to take one message.
    pub send_timeout: Duration,
    /// Operations at a time on one connection.
    pub operations_per_connection: usize,
    /// How much everybody may ask.
    pub rates: RateLimits,
    /// How much is carried out at a time.
    pub load: LoadLimits,
}

impl Settings {
    /// The values of the house.
    pub fn new(exposure: Exposure, origins: Origins) -> Self {
        Self {
            exposure,
            origins,
            documents: Documents::any(),
            limits: DocumentLimits::default(),
            body_timeout: Duration::from_secs(10),
            init_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            recheck_interval: Duration::from_millis(500),
            recheck_grace: Duration::from_secs(30),
            send_timeout: Duration::from_secs(5),
            operations_per_connection: 32,
            rates: RateLimits::default(),
            load: LoadLimits::default(),
        }
    }
}

/// Sets the library's four limits and its two disclosures explicitly; the schema's builder ends with this.
pub fn limits<Q, M, S>(
    builder: SchemaBuilder<Q, M, S>,
    limits: &DocumentLimits,
    exposure: Exposure,
) -> SchemaBuilder<Q, M, S> {
    let builder = builder
        .limit_depth(limits.depth)
        .limit_complexity(limits.cost)
        .limit_recursive_depth(limits.height)
        .limit_directives(limits.directives_per_field);
    match exposure {
        Exposure::Development => builder,
        Exposure::Production => builder.disable_introspection().disable_suggestions(),
    }
}

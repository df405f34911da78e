//! The API: GraphQL over HTTP and WebSocket, behind a guard. A list without logic.

mod authenticate;
mod fault;
pub mod graphql;
mod guard;
mod http;
pub mod identity;
pub mod infrastructure;
mod lines;
pub mod live;
mod load;
pub mod page;
mod rate;
mod readiness;
mod request;
pub mod serve;
mod settings;
mod shell;
pub mod sign_in;
mod websocket;

pub use authenticate::{AuthError, Authenticator, bearer_of};
pub use fault::{Code, Fault};
pub use guard::{DocumentLimits, Documents, Origins, dear};
pub use http::router;
pub use load::{Load, LoadLimits};
pub use page::Page;
pub use rate::{Accountable, Accounts, Budget, RateLimits, Rates, Standing, Whose};
pub use readiness::{Readiness, ReadinessCheck};
pub use request::{IdSource, REQUEST_ID, RequestInfo};
pub use settings::{Exposure, Settings, limits};
pub use shell::{ContextBuilder, Shell};

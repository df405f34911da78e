//! `rhone <noun> <verb>`: the API's client on the command line. Data goes to standard output, progress to standard error. The
//! trap avoided: a rule of the house decided here; the client asks, waits and shows, and the exit code says how it went.

mod app_history;
pub mod args;
mod connection;
mod daily;
pub mod deploy;
pub(crate) mod documents;
mod dotenv;
mod explain;
mod failure;
mod fetch;
mod follow;
mod gates;
mod history;
pub mod history_args;
mod image;
mod invitation;
pub mod link;
mod list;
mod login;
mod logins;
mod logs;
pub mod logs_args;
pub(crate) mod mutation;
pub(crate) mod named;
mod plan;
mod push;
mod run;
mod show;
mod token;

pub use connection::Connection;
pub use failure::{Failure, Refusal};
pub use follow::{Progress, follow};
pub use mutation::{Mutation, Payload};
pub use push::{Pushed, push};
pub(crate) use run::{cell, region, run, timeline};
pub(crate) use show::told;

//! From a commit or an image to the folder that becomes an artifact: fetched by git, planned, built in a sandbox. No database,
//! no bus; whoever calls it keeps what it says.

pub mod build;
mod clock;
pub mod guard;
pub mod image;
pub mod log;
pub mod plan;
mod process;
mod sandbox;
mod scratch;
pub mod source;

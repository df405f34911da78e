//! The layer in front of async-graphql: one file for each hole of the stock integration. A list without logic.

pub(crate) mod body;
pub(crate) mod document;
pub(crate) mod documents;
mod lexer;
pub(crate) mod negotiate;
pub(crate) mod origin;
pub(crate) mod outcome;
pub(crate) mod panic;
mod price;
mod weigh;

pub use document::DocumentLimits;
pub use documents::Documents;
pub use origin::Origins;
#[doc(hidden)]
pub use price::dear;

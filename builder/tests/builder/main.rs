//! The builder on real repositories, real programs and a real sandbox. What a machine cannot do is said on the error output
//! and skipped.

#![expect(clippy::unwrap_used, reason = "a test's panic is its report, in its helpers too")]

mod apps;
mod build;
mod dockerfile;
mod image;
mod limits;
mod machines;
mod plain;
mod private;
mod railpack;
mod repository;
mod source;

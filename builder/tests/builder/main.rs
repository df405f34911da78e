//! The builder on real repositories, real programs and a real sandbox. What a machine cannot do is said on the error output
//! and skipped.

mod repository;
mod source;

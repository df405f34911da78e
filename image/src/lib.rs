//! Images as the Open Container Initiative writes them: a layout on disk, made and read, and its layers unpacked into a root.
//! A crate of its own, for whoever makes images and whoever runs them have nothing else in common.

pub mod archive;
mod error;
pub mod layout;
pub mod sandbox;
pub mod unpack;
pub mod user;

pub use error::ImageError;

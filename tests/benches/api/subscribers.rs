//! A thousand live subscribers on one process.

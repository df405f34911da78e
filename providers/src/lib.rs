//! The outside world behind names: servers, the artifact store, what an artifact is. One file a vendor.

pub mod servers;

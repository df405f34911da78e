//! The outside world behind names: private servers, the artifact store, what an artifact is. One file a vendor.

pub mod artifact_facts;
pub mod artifact_oci;
pub mod artifact_pack;
pub mod artifact_store;
pub mod github;
pub mod log_store;
pub mod probe;
pub mod servers;

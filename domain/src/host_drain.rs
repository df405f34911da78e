//! Host drain: a host is cordoned, what runs on it gets replacements elsewhere, its own then ends by policy, its system is
//! brought up to date, checked, and taken back. Owner: Rhone. Writer: its operation, of the platform's workspace. Trap: taking a
//! cordon for a drain; without headroom nothing is evacuated.

pub mod headroom;

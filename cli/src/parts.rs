//! The parts that run for long, one file each. A list without logic.

pub(crate) mod bus;
pub(crate) mod edge;
pub(crate) mod runner;
pub(crate) mod serve;
pub(crate) mod work;

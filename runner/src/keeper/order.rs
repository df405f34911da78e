//! Whether an order can be followed at all. What is refused here would otherwise fail later in a place that says less.

use rhone_domain::host_protocol::Desired;
use std::{
    path::{Component, Path},
    time::Duration,
};

/// The flaw, in one sentence.
pub(super) fn check(order: &Desired) -> Result<(), String> {
    let Some(program) = order.command.first().filter(|program| !program.is_empty()) else {
        return Err("the command is empty".to_owned());
    };
    let inside = Path::new(program).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err(format!("the command `{program}` leads outside of the artifact"));
    }
    if order.command.iter().any(|word| word.contains('\0')) {
        return Err("the command holds a NUL".to_owned());
    }
    let path = &order.health_path;
    if !path.starts_with('/') || path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(format!("the health path {path:?} is no path"));
    }
    Ok(())
}

/// How long it may take from start to ready.
pub(super) fn patience(order: &Desired) -> Duration {
    Duration::from_millis(order.ready_timeout_ms)
}

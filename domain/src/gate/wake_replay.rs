//! What a sleeping app costs those who send something and not only look: whether the artifact promises to recognise requests
//! that are held while it wakes. It never closes; a risk is shown before the button is pressed. Trap: "unsafe wake replay", and
//! an environment that falls asleep with nobody told that its webhooks will be sent away. A person may put any
//! environment to sleep (`environmentSleep`), so that one without a policy is no exception.

use super::{Facts, Judged};

const KIND: &str = "wake_replay";
/// What no edge holds unless the app promises to recognise it.
const UNSAFE: &str = "POST, PUT, PATCH and DELETE";

pub(super) fn judge(facts: &Facts<'_>) -> Judged {
    let asleep = match facts.environment.sleep.sleep_after_seconds {
        0 => "asleep when a person puts it to sleep".to_owned(),
        seconds => format!("asleep after {seconds} s"),
    };
    let contract = facts.next.and_then(|next| next.wake.as_ref()).filter(|contract| !contract.hold.is_empty());
    if let Some(contract) = contract {
        let held = contract.hold.join(", ");
        let reason =
            format!("while it sleeps, what it promises to recognise by `{}` is held", contract.idempotency_header);
        return Judged::open(KIND, reason, format!("{asleep}; held: {held}; all else gets 503"));
    }
    let routes = facts.next.map(|next| next.routes.join(", ")).filter(|routes| !routes.is_empty());
    let routes = routes.unwrap_or_else(|| "every path".to_owned());
    let reason = format!(
        "{UNSAFE} on {routes} will be answered 503 with Retry-After while the app sleeps, webhooks too: the artifact \
         promises no replay contract (`[wake]` in rhone.toml)"
    );
    Judged::warning(KIND, reason, format!("{asleep}; nothing is held"))
}

#[cfg(test)]
mod tests;

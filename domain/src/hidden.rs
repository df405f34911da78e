//! A text that nobody shall see: the value of a variable, a key. It has no `Display`, its `Debug` tells nothing, and it leaves
//! memory with its owner. It is serialised only where it must travel: to the runner that starts the app, and into a key file.
//! The trap avoided: a `#[derive(Debug)]` three types further up that prints it.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// Such a text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(Zeroizing<String>);

impl Hidden {
    /// Hides it.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Shows it, to code that has a reason.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

#[cfg(test)]
mod tests {
    //! It hides.
    use super::*;

    #[test]
    fn what_is_hidden_is_not_printed() {
        let hidden = Hidden::new("canary".into());
        assert!(!format!("{hidden:?} {:#?}", Some(&hidden)).contains("canary"));
        assert_eq!(hidden.expose(), "canary");
    }
}

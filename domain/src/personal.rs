//! Personal fields: ciphertext under a key of the subject's own, from the first event on. Destroying that key erases the
//! field everywhere, in every backup, and no hash changes. The encryption itself is done where keys are kept (eventstore).

use crate::ids::SubjectId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A personal field as events carry it: AES-256-GCM under the subject's key, associated data = subject and the field's name.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose data.
    pub subject: SubjectId,
    /// Which field it was sealed as, such as `workspace.contact_email`.
    pub field: String,
    /// 96-bit nonce, base64.
    pub nonce: String,
    /// Ciphertext and tag, base64.
    pub ciphertext: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} of {})", self.field, self.subject)
    }
}

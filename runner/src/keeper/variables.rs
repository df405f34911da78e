//! An allocation's variables: fetched once, kept sealed under the host's key, removed when the allocation ends. With them on
//! disk the app is started while the control plane is dead. The trap avoided: the newest set in place of the allocation's own.

use super::{Keeper, stop::remove_if_there};
use crate::{
    control_plane::{PullError, chain},
    error::Error,
    variables::SealedFile,
};
use rhone_domain::{
    host_protocol::{AllocationVariables, Desired, SECRET_MISSING},
    numbers::EnvSet,
};
use std::time::Duration;
use tokio::time::sleep;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Keeper {
    /// Has the order's variables on disk, however long the control plane is away; that there are none such is final.
    pub(super) async fn have_variables(&mut self, order: &Desired) -> Result<Result<(), String>, Error> {
        let Some(sealed) = self.sealed(order) else { return Ok(Ok(())) };
        if sealed.open(order.allocation).is_ok() {
            return Ok(Ok(()));
        }
        let mut pause = FIRST_PAUSE;
        let fetched = loop {
            let error = match self.host.control.variables(order.allocation).await {
                Ok(fetched) => break fetched,
                Err(missing @ PullError::SecretMissing(_)) => return Ok(Err(missing.to_string())),
                Err(
                    error @ (PullError::Transport(_)
                    | PullError::Status(_)
                    | PullError::Forbidden(_)
                    | PullError::Unknown),
                ) => error,
            };
            tracing::warn!(allocation.id = %order.allocation, error = chain(&error), "the variables are not here yet");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        if let Err(flaw) = as_ordered(order, &fetched) {
            return Ok(Err(flaw));
        }
        sealed.write(&fetched)?;
        Ok(Ok(()))
    }

    /// Where they lie; none when the order is for none.
    pub(super) fn sealed(&self, order: &Desired) -> Option<SealedFile> {
        let path = self.folder.variables_path();
        (order.env_set > EnvSet(0)).then(|| SealedFile { path, key: self.host.key.path(), env_set: order.env_set })
    }

    /// Nothing of them stays when the allocation has ended.
    pub(super) fn forget_variables(&self) -> Result<(), Error> {
        remove_if_there(&self.folder.variables_path())
    }
}

/// Exactly the set that was ordered, for exactly this allocation.
fn as_ordered(order: &Desired, fetched: &AllocationVariables) -> Result<(), String> {
    if fetched.allocation != order.allocation || fetched.env_set != order.env_set {
        let (wanted, got) = (order.env_set, fetched.env_set);
        return Err(format!("{SECRET_MISSING}: set {wanted} was ordered and set {got} was handed out"));
    }
    Ok(())
}

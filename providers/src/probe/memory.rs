//! Memory: there is nothing to try and nothing to be proven but what it is. Its reach says the rest: the same allocation only.

use super::{Ground, Probe, ProbeError, Proven, Target};
use futures_util::{FutureExt as _, future::BoxFuture};

pub(super) struct Memory;

impl Probe for Memory {
    fn probe<'a>(&'a self, _: &'a Target, _: &'a Ground) -> BoxFuture<'a, Result<Proven, ProbeError>> {
        let evidence = vec!["memory is the same allocation's only, and needs no probe".to_owned()];
        async { Ok(Proven { identity: None, evidence }) }.boxed()
    }
}

//! Horizontal-scale readiness: whether this many allocations of an artifact can serve one environment, by the runtime
//! services that are proven there; pure. Trap: allowing horizontal scale while required runtime services are missing;
//! what is declared, bound or merely in memory is not proven.

use crate::runtime_service::{Backend, Needed, Reach, Service, Standing, Standings};
use std::fmt;

/// What more than one allocation always needs: sessions that another one can hydrate, and updates that reach it.
pub const SHARED: [Service; 2] = [Service::SessionStore, Service::Broadcast];

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Every service that is needed is there, each with what it is made of.
    Allowed(Vec<(Service, Backend)>),
    /// Exactly what is missing.
    Blocked(Vec<Missing>),
}

/// A service that is needed and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub service: Service,
    /// In which way.
    pub lack: Lack,
}

/// In which way a service is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Nothing is bound.
    NotBound,
    /// Bound, and not proven.
    Unproven(Backend),
    /// Proven, and of another make than the artifact needs.
    Other {
        /// As the artifact says.
        needed: Backend,
        /// As it is.
        bound: Backend,
    },
    /// What one allocation writes, another does not see.
    NotShared(Backend),
}

/// Judges `replicas` allocations of an artifact that needs these services, where the services stand like this.
pub fn judge(replicas: u64, needed: &Needed, standings: &Standings) -> Readiness {
    let required = |service: &Service| needed.contains_key(service) || (replicas > 1 && SHARED.contains(service));
    let services = Service::ALL.iter().copied().filter(|service| replicas > 0 && required(service));
    let judged = services.map(|service| {
        let wanted = needed.get(&service).copied().flatten();
        one(replicas, wanted, standings.get(&service)).map_err(|lack| Missing { service, lack }).map(|b| (service, b))
    });
    let (there, missing): (Vec<_>, Vec<_>) = judged.partition(Result::is_ok);
    if missing.is_empty() {
        Readiness::Allowed(there.into_iter().flatten().collect())
    } else {
        Readiness::Blocked(missing.into_iter().filter_map(Result::err).collect())
    }
}

fn one(replicas: u64, wanted: Option<Backend>, standing: Option<&Standing>) -> Result<Backend, Lack> {
    match standing {
        None => Err(Lack::NotBound),
        Some(Standing::Unproven(backend)) => Err(Lack::Unproven(*backend)),
        Some(Standing::Verified(bound)) => match wanted {
            Some(needed) if needed != *bound => Err(Lack::Other { needed, bound: *bound }),
            _ if replicas > 1 && bound.reach() < Reach::Region => Err(Lack::NotShared(*bound)),
            _ => Ok(*bound),
        },
    }
}

impl Readiness {
    /// What is missing, in words; none when nothing is.
    pub fn lacking(&self) -> Option<String> {
        match self {
            Self::Allowed(_) => None,
            Self::Blocked(missing) => Some(missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.service.spoken();
        match self.lack {
            Lack::NotBound => write!(f, "no {name} is bound"),
            Lack::Unproven(backend) => write!(f, "the {name} ({backend}) is bound, and no probe has proven it"),
            Lack::Other { needed, bound } => {
                write!(f, "the artifact needs {needed} as its {name}, and {bound} is bound")
            }
            Lack::NotShared(Backend::Memory) => {
                write!(f, "the {name} is memory, which only the same allocation sees")
            }
            Lack::NotShared(backend) => write!(f, "the {name} ({backend}) is not seen by every allocation"),
        }
    }
}

#[cfg(test)]
mod tests;

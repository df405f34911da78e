//! The macro that writes what provider bindings and runtime service bindings share: one stream for each environment holds all
//! of its bindings of a noun, so that a gate asserts one version for all. Trap: a stream for each binding; a gate could not
//! assert that there is no other one.

/// `lane_of_bindings!(State, What, "category", ["category.requested", ...])`, in a module with `What` and `impossible(&What)`.
macro_rules! lane_of_bindings {
    ($(#[$doc:meta])* $state:ident, $what:ty, $category:literal,
     $requested:literal, $verified:literal, $failed:literal, $disabled:literal,
     $request:literal, $verify:literal, $fail:literal, $disable:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct $state {
            /// By id; none is ever forgotten.
            pub bindings: BTreeMap<BindingId, Bound<$what>>,
        }

        /// What may be asked.
        #[derive(Clone, Debug)]
        pub enum Command {
            /// Ask for it; it counts for nothing yet.
            Request(Declared<$what>),
            /// A probe has proven it.
            Verify {
                /// Which.
                binding: BindingId,
                /// What was proven.
                proof: Proof,
                /// With which credential.
                credential: Option<Credential>,
            },
            /// A probe has not.
            Fail {
                /// Which.
                binding: BindingId,
                /// Why not.
                unproven: Unproven,
            },
            /// Attach it no longer.
            Disable {
                /// Which.
                binding: BindingId,
                /// Why.
                reason: Reason,
            },
        }

        aggregate::commands!(Command {
            Command::Request(_) => $request,
            Command::Verify { .. } => $verify,
            Command::Fail { .. } => $fail,
            Command::Disable { .. } => $disable,
        });

        /// What happened.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data")]
        #[expect(missing_docs, reason = "the fields are those of the command that leads to the event")]
        pub enum Event {
            /// It was asked for.
            #[serde(rename = $requested)]
            Requested(Declared<$what>),
            /// It is proven.
            #[serde(rename = $verified)]
            Verified {
                binding: BindingId,
                proof: Proof,
                #[serde(default, skip_serializing_if = "Option::is_none")]
                credential: Option<Credential>,
            },
            /// It is not.
            #[serde(rename = $failed)]
            Failed { binding: BindingId, unproven: Unproven },
            /// It is attached no longer.
            #[serde(rename = $disabled)]
            Disabled { binding: BindingId, reason: Reason },
        }

        impl aggregate::Event for Event {
            const TYPES: &'static [(&'static str, u16)] =
                &[($requested, 1), ($verified, 1), ($failed, 1), ($disabled, 1)];
        }

        /// Why not.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            /// The id is taken.
            #[error("this binding exists already")]
            Exists,
            /// There is none.
            #[error("there is no such binding")]
            NotFound,
            /// There is one for this already.
            #[error("there is a binding of this in this region already: {0}; end it first")]
            AlreadyBound(BindingId),
            /// This cannot be made of that.
            #[error("{0}")]
            Impossible(String),
            /// It is attached no longer.
            #[error("the binding is disabled")]
            Disabled,
        }

        impl aggregate::Rejection for Rejection {
            fn code(&self) -> &'static str {
                match self {
                    Self::Exists => "ALREADY_EXISTS",
                    Self::NotFound => "NOT_FOUND",
                    Self::AlreadyBound(_) => "ALREADY_BOUND",
                    Self::Impossible(_) => "INVALID",
                    Self::Disabled => "BINDING_DISABLED",
                }
            }

            fn field(&self) -> Option<&'static str> {
                matches!(self, Self::Impossible(_)).then_some(MADE_OF)
            }
        }

        impl Aggregate for $state {
            const CATEGORY: &'static str = $category;
            type Command = Command;
            type Event = Event;
            type Rejection = Rejection;

            fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
                match command {
                    Command::Request(declared) => self.request(declared),
                    Command::Verify { binding, proof, credential } => {
                        let bound = self.attached(binding)?;
                        let so = bound.state == State::Verified && bound.proof.as_ref().is_some_and(|p| p.by == proof.by);
                        Ok(if so { vec![] } else { vec![Event::Verified { binding, proof, credential }] })
                    }
                    Command::Fail { binding, unproven } => {
                        let bound = self.attached(binding)?;
                        let so = bound.unproven.as_ref().is_some_and(|known| known.by == unproven.by);
                        Ok(if so { vec![] } else { vec![Event::Failed { binding, unproven }] })
                    }
                    Command::Disable { binding, reason } => match self.bindings.get(&binding) {
                        None => Err(Rejection::NotFound),
                        Some(bound) if bound.state == State::Disabled => Ok(vec![]),
                        Some(_) => Ok(vec![Event::Disabled { binding, reason }]),
                    },
                }
            }

            fn apply(&mut self, event: &Event) {
                match event {
                    Event::Requested(declared) => {
                        let (declared, credential) = (declared.clone(), declared.credential);
                        let state = State::Requested;
                        let fresh = Bound { declared, state, credential, proof: None, unproven: None };
                        self.bindings.insert(fresh.declared.id, fresh);
                    }
                    Event::Verified { binding, proof, credential } => self.change(*binding, |bound| {
                        bound.state = State::Verified;
                        bound.proof = Some(proof.clone());
                        bound.credential = *credential;
                        bound.unproven = None;
                    }),
                    Event::Failed { binding, unproven } => self.change(*binding, |bound| {
                        bound.state = State::Failed;
                        bound.unproven = Some(unproven.clone());
                    }),
                    Event::Disabled { binding, .. } => self.change(*binding, |bound| bound.state = State::Disabled),
                }
            }
        }

        impl $state {
            fn request(&self, declared: Declared<$what>) -> Result<Vec<Event>, Rejection> {
                if let Some(known) = self.bindings.get(&declared.id) {
                    return if known.declared == declared { Ok(vec![]) } else { Err(Rejection::Exists) };
                }
                if let Some(why) = impossible(declared.what) {
                    return Err(Rejection::Impossible(why));
                }
                let in_place = |bound: &&Bound<$what>| {
                    matches!(bound.state, State::Requested | State::Verified)
                        && bound.declared.region == declared.region
                        && bound.declared.what.same_place(declared.what)
                };
                match self.bindings.values().find(in_place) {
                    Some(bound) => Err(Rejection::AlreadyBound(bound.declared.id)),
                    None => Ok(vec![Event::Requested(declared)]),
                }
            }

            fn attached(&self, binding: BindingId) -> Result<&Bound<$what>, Rejection> {
                match self.bindings.get(&binding) {
                    None => Err(Rejection::NotFound),
                    Some(bound) if bound.state == State::Disabled => Err(Rejection::Disabled),
                    Some(bound) => Ok(bound),
                }
            }

            fn change(&mut self, binding: BindingId, change: impl FnOnce(&mut Bound<$what>)) {
                if let Some(bound) = self.bindings.get_mut(&binding) {
                    change(bound);
                }
            }
        }
    };
}
pub(crate) use lane_of_bindings;

//! A noun whose whole life, so far, is to be created: the same again changes nothing, another one under its id is refused.
//! The macro writes what such nouns share beside their `Created`; a noun that grows more life writes it out instead.

/// `created_once!(State, "category", "category.verbed", "noun for people")`, in a module with a `Created`.
macro_rules! created_once {
    ($(#[$doc:meta])* $state:ident, $category:literal, $event:literal, $noun:literal) => {
        created_once! { $(#[$doc])* $state, $category, $event, $noun, PartialEq::eq }
    };
    // With a say in what is the same again.
    ($(#[$doc:meta])* $state:ident, $category:literal, $event:literal, $noun:literal, $same:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Serialize)]
        pub struct $state {
            /// What it was created as; none before it exists.
            pub created: Option<Created>,
        }

        /// What may be asked.
        #[derive(Clone, Debug)]
        pub enum Command {
            /// Bring it into being.
            Create(Created),
        }

        aggregate::commands!(Command { Command::Create(_) => concat!($category, ".create"), });

        /// What happened.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data")]
        pub enum Event {
            /// It exists.
            #[serde(rename = $event)]
            Created(Created),
        }

        impl aggregate::Event for Event {
            const TYPES: &'static [(&'static str, u16)] = &[($event, 1)];
        }

        /// Why not.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            /// The id is taken by something else.
            #[error("this {} exists already", $noun)]
            Exists,
        }

        impl aggregate::Rejection for Rejection {
            fn code(&self) -> &'static str {
                match self {
                    Self::Exists => "ALREADY_EXISTS",
                }
            }
        }

        impl Aggregate for $state {
            const CATEGORY: &'static str = $category;
            type Command = Command;
            type Event = Event;
            type Rejection = Rejection;

            fn decide(&self, Command::Create(created): Command) -> Result<Vec<Event>, Rejection> {
                match &self.created {
                    None => Ok(vec![Event::Created(created)]),
                    Some(known) if $same(known, &created) => Ok(vec![]),
                    Some(_) => Err(Rejection::Exists),
                }
            }

            fn apply(&mut self, Event::Created(created): &Event) {
                self.created = Some(created.clone());
            }
        }
    };
}
pub(crate) use created_once;

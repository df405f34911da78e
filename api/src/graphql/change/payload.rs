//! What every mutation answers with, written once. The trap: an answer that says less than another mutation's, because its
//! payload was written by hand.

/// Defines the payload of a mutation: its object, and what all payloads have.
macro_rules! payload {
    // The object is asked of the read models once they have taken the change in.
    ($(#[$doc:meta])* $name:ident { $field:ident: $object:ty }) => {
        $crate::graphql::change::payload! { $(#[$doc])* $name { $field: $object, awaited } }
    };
    // For a mutation that changes nothing about its object: there is nothing that the read models must take in first.
    ($(#[$doc:meta])* $name:ident { $field:ident: unchanged $object:ty }) => {
        $crate::graphql::change::payload! { $(#[$doc])* $name { $field: $object, unchanged } }
    };
    // For a mutation that creates its object: the log has it already.
    ($(#[$doc:meta])* $name:ident { $field:ident: created $object:ty }) => {
        $crate::graphql::change::payload! { $(#[$doc])* $name { $field: $object, created } }
    };
    ($(#[$doc:meta])* $name:ident { $field:ident: $object:ty, $how:ident }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name(pub(crate) $crate::graphql::change::Answer);

        #[async_graphql::Object]
        impl $name {
            /// What was created or changed, as it is now; null when refused, on a dry run, or when the read models are late.
            async fn $field(&self, ctx: &async_graphql::Context<'_>) -> async_graphql::Result<Option<$object>> {
                match self.0.object {
                    Some(id) => {
                        Ok($crate::graphql::change::found!($how, $object, ctx, id.into(), self.0.position))
                    }
                    None => Ok(None),
                }
            }

            /// The operation that carries it on.
            async fn operation(
                &self,
                ctx: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<Option<$crate::graphql::operation::Operation>> {
                match self.0.operation {
                    Some(id) => Ok($crate::graphql::operation::Operation::find(ctx, id, None).await?),
                    None => Ok(None),
                }
            }

            /// Whether this is the answer of an earlier request under the same key.
            async fn replayed(&self) -> bool {
                self.0.replayed
            }

            /// Where the log stands with it; hand it to a query as `atLeastPosition`.
            async fn position(&self, ctx: &async_graphql::Context<'_>) -> Option<String> {
                self.0.position.map(|position| $crate::graphql::context::shown(ctx, position))
            }

            /// Why it was refused; empty when it was not.
            async fn user_errors(&self) -> &[$crate::graphql::user_error::UserError] {
                &self.0.user_errors
            }

            /// On a dry run: the events that would be appended.
            async fn planned_events(&self) -> &[$crate::graphql::change::PlannedEvent] {
                &self.0.planned
            }
        }
    };
}
pub(crate) use payload;

/// Where a payload's object comes from.
macro_rules! found {
    (awaited, $object:ty, $ctx:expr, $id:expr, $position:expr) => {
        <$object>::find($ctx, $id, $position).await?
    };
    (unchanged, $object:ty, $ctx:expr, $id:expr, $position:expr) => {
        <$object>::find($ctx, $id, None).await?
    };
    (created, $object:ty, $ctx:expr, $id:expr, $position:expr) => {
        <$object>::created($ctx, $id).await?
    };
}
pub(crate) use found;

//! Ids as clients see them: a prefix that says of what, and 32 hex digits. Opaque to clients; checked before anything is
//! looked up. The trap: an id of one kind taken for one of another.

use crate::fault::{Code, Fault};
use async_graphql::ID;
use rhone_domain::ids::{
    AllocationId, AppId, ArtifactId, BindingId, CellId, DeploymentId, EnvironmentId, HostId, InvitationId, OperationId,
    ProjectId, RegionId, SupportId, WorkspaceId,
};
use uuid::Uuid;

/// An id with a prefix of its own.
pub(crate) trait TypedId: From<Uuid> + Into<Uuid> + Copy {
    /// What it begins with.
    const PREFIX: &'static str;
    /// Of what, for people.
    const NOUN: &'static str;
}

macro_rules! prefixes {
    ($($id:ident $prefix:literal $noun:literal;)*) => {
        $(impl TypedId for $id {
            const PREFIX: &'static str = $prefix;
            const NOUN: &'static str = $noun;
        })*
    };
}

prefixes! {
    WorkspaceId "ws" "a workspace";
    ProjectId "prj" "a project";
    AppId "app" "an app";
    EnvironmentId "env" "an environment";
    DeploymentId "dep" "a deployment";
    ArtifactId "art" "an artifact";
    AllocationId "alc" "an allocation";
    OperationId "op" "an operation";
    RegionId "reg" "a region";
    CellId "cell" "a cell";
    HostId "host" "a host";
    SupportId "sup" "a support access";
    BindingId "bnd" "a binding";
    InvitationId "inv" "an invitation";
}

/// As clients see it.
pub(crate) fn show<T: TypedId>(id: T) -> ID {
    let uuid: Uuid = id.into();
    ID(format!("{}_{}", T::PREFIX, uuid.simple()))
}

/// Reads the id in `field`.
pub(crate) fn read<T: TypedId>(field: &'static str, id: &ID) -> Result<T, Fault> {
    let digits = id.strip_prefix(T::PREFIX).and_then(|rest| rest.strip_prefix('_'));
    let hex =
        digits.filter(|digits| digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    hex.and_then(|digits| Uuid::try_parse(digits).ok())
        .map(T::from)
        .ok_or_else(|| Fault::bad_input(field, format!("must be the id of {}, such as {}_…", T::NOUN, T::PREFIX)))
}

/// There is none, or none that this caller may see: the same answer.
pub(crate) fn not_found<T: TypedId>(field: &'static str) -> Fault {
    let mut fault = Fault::new(
        Code::NotFound,
        format!("{field}: there is no such {}", &T::NOUN[T::NOUN.find(' ').map_or(0, |at| at + 1)..]),
    );
    fault.field = Some(field.into());
    fault
}

#[cfg(test)]
mod tests {
    //! An id is read as it is shown, and only as what it is.
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown_and_not_as_another_kind() {
        let app = AppId(Uuid::from_u128(7));
        assert_eq!(read::<AppId>("appId", &show(app)).ok(), Some(app));
        let refused = read::<EnvironmentId>("environmentId", &show(app)).expect_err("an app is no environment");
        assert_eq!(refused.field.as_deref(), Some("environmentId"));
        for text in
            ["", "app_", "app_zz", "app_00000000-0000-0000-0000-000000000007", &format!("app_{}\0", "0".repeat(31))]
        {
            assert!(read::<AppId>("appId", &ID(text.into())).is_err(), "{text:?}");
        }
    }
}

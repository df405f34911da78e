//! What a ciphertext is bound to, field by field and without a database: there, the row's own workspace and the app's key stand
//! before the cipher, and would hide that a field of the place is not bound.

use super::*;

fn place() -> Place {
    Place {
        workspace: WorkspaceId(Uuid::from_u128(1)),
        app: AppId(Uuid::from_u128(2)),
        environment: Some(EnvironmentId(Uuid::from_u128(3))),
        name: "TOKEN".into(),
        set: EnvSet(4),
    }
}

/// The same place but for one field, and as if that field were always the same.
type Field = (&'static str, fn(&Place) -> Place, Binding);

const FIELDS: [Field; 5] = [
    (
        "workspace",
        |place| Place { workspace: WorkspaceId(Uuid::from_u128(9)), ..place.clone() },
        |place| whole(&Place { workspace: WorkspaceId(Uuid::nil()), ..place.clone() }),
    ),
    (
        "app",
        |place| Place { app: AppId(Uuid::from_u128(9)), ..place.clone() },
        |place| whole(&Place { app: AppId(Uuid::nil()), ..place.clone() }),
    ),
    (
        "environment",
        |place| Place { environment: Some(EnvironmentId(Uuid::from_u128(9))), ..place.clone() },
        |place| whole(&Place { environment: None, ..place.clone() }),
    ),
    (
        "name",
        |place| Place { name: "TOKENS".into(), ..place.clone() },
        |place| whole(&Place { name: String::new(), ..place.clone() }),
    ),
    (
        "set",
        |place| Place { set: EnvSet(9), ..place.clone() },
        |place| whole(&Place { set: EnvSet(0), ..place.clone() }),
    ),
];

/// The fields of its place that a ciphertext under this binding does not know.
fn unbound(binding: Binding) -> Vec<&'static str> {
    let (key, nonce, place) = ([7; 32], [1; NONCE], place());
    let sealed = encrypt(&key, nonce, b"canary", &binding(&place));
    let opens = |place: &Place| decrypt(&key, nonce, &sealed, &binding(place)).is_some();
    assert!(opens(&place), "it opens in its own place");
    FIELDS.iter().filter(|(_, other, _)| opens(&other(&place))).map(|(field, ..)| *field).collect()
}

#[test]
fn a_ciphertext_opens_under_no_other_workspace_app_environment_name_or_set() {
    assert_eq!(unbound(whole), Vec::<&str>::new());
    for (field, _, without) in FIELDS {
        assert_eq!(unbound(without), [field], "the sin: a binding without its {field}");
    }
}

/// The app's own values have no environment; that is a place of its own, and not any environment's.
#[test]
fn what_belongs_to_no_environment_opens_in_none() {
    let own = Place { environment: None, ..place() };
    let sealed = encrypt(&[7; 32], [1; NONCE], b"canary", &whole(&own));
    assert!(decrypt(&[7; 32], [1; NONCE], &sealed, &whole(&own)).is_some());
    for environment in [Uuid::nil(), Uuid::from_u128(3)] {
        let other = Place { environment: Some(EnvironmentId(environment)), ..place() };
        assert!(decrypt(&[7; 32], [1; NONCE], &sealed, &whole(&other)).is_none(), "{environment}");
    }
}

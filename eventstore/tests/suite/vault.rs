//! Values: readable in their own place only, by their own tenant only, through every rotation. The mutants bind a ciphertext to
//! less than its whole place; the test that moves ciphertexts must notice each of them.

use crate::{
    database::{API, Database, WORKER},
    story::{ACME, ALICE, BOB, GLOBEX, clock},
};
use rhone_domain::{
    hidden::Hidden,
    ids::{ActorId, AppId, EnvironmentId, ValueId},
    numbers::EnvSet,
};
use rhone_eventstore::{
    Transaction,
    vault::{Binding, KeyFile, KeyRing, Place, Vault, VaultError},
};
use sqlx::PgPool;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use uuid::Uuid;

const SHOP: AppId = AppId(Uuid::from_u128(0x5409));
const BLOG: AppId = AppId(Uuid::from_u128(0xb109));
const PRODUCTION: EnvironmentId = EnvironmentId(Uuid::from_u128(0x940d));
const PREVIEW: EnvironmentId = EnvironmentId(Uuid::from_u128(0x94e));
const CANARY: &str = "canary-in-the-vault-5f1c";

/// The file of keys, as all processes see it.
#[derive(Clone)]
struct File(Arc<Mutex<KeyFile>>);

impl File {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(KeyFile::first("kek-1", [1; 32]))))
    }

    /// The keys as another process reads them.
    fn ring(&self) -> KeyRing {
        let file = self.0.clone();
        KeyRing::open(move || Ok(file.lock().expect("the file").clone())).expect("keys")
    }

    fn change(&self, change: impl FnOnce(KeyFile) -> KeyFile) {
        let mut file = self.0.lock().expect("the file");
        *file = change(file.clone());
    }
}

fn place() -> Place {
    Place { workspace: ACME, app: SHOP, environment: Some(PRODUCTION), name: "TOKEN".into(), set: EnvSet(1) }
}

fn hidden(text: &str) -> Hidden {
    Hidden::new(text.to_owned())
}

async fn with_members() -> Database {
    let database = Database::new().await;
    database
        .run(format!(
            "INSERT INTO authority.members (actor, workspace, role)
             VALUES ('{ALICE}', '{ACME}', 'owner'), ('{BOB}', '{GLOBEX}', 'owner')"
        ))
        .await;
    database
}

async fn acting(pool: &PgPool, actor: ActorId) -> Transaction {
    let mut transaction = Transaction::begin(pool).await.expect("begins");
    let set = sqlx::query("SELECT set_config('rhone.actor', $1, true)").bind(actor.to_string());
    set.execute(&mut *transaction).await.expect("is set");
    transaction
}

async fn seal(pool: &PgPool, vault: &Vault, place: &Place, text: &str) -> ValueId {
    let value = clock().new_id();
    let mut transaction = acting(pool, ALICE).await;
    vault.seal(&mut transaction, value, place, &hidden(text)).await.expect("seals");
    transaction.commit().await.expect("commits");
    value
}

#[tokio::test]
async fn a_value_opens_in_its_place_and_lies_there_encrypted() {
    let database = with_members().await;
    let (api, worker) = (database.role(API, 2).await, database.role(WORKER, 2).await);
    let vault = Vault::new(File::new().ring());
    let value = seal(&api, &vault, &place(), CANARY).await;
    let mut transaction = acting(&api, ALICE).await;
    assert_eq!(vault.open(&mut transaction, value, &place()).await.expect("opens").expose(), CANARY);
    let mut connection = worker.acquire().await.expect("connects");
    assert_eq!(vault.open(&mut connection, value, &place()).await.expect("opens").expose(), CANARY);
    let clear =
        "SELECT count(*) FROM vault.values v WHERE v::text LIKE '%canary%' OR position('canary' IN ciphertext) > 0";
    assert_eq!(database.number(clear).await, 0);
    let again = seal(&api, &vault, &place(), CANARY).await;
    assert_ne!(value, again);
    assert_eq!(database.number("SELECT count(DISTINCT ciphertext) FROM vault.values").await, 2);
}

/// Every place but its own; each differs in one thing.
fn elsewhere() -> Vec<(&'static str, Place)> {
    vec![
        ("workspace", Place { workspace: GLOBEX, ..place() }),
        ("app", Place { app: BLOG, ..place() }),
        ("environment", Place { environment: Some(PREVIEW), ..place() }),
        ("environment, for the app's own", Place { environment: None, ..place() }),
        ("key", Place { name: "TOKENS".into(), ..place() }),
        ("set", Place { set: EnvSet(2), ..place() }),
    ]
}

/// Where a moved ciphertext opens although it must not.
async fn opens_elsewhere(binding: Option<Binding>) -> Vec<&'static str> {
    let database = with_members().await;
    let api = database.role(API, 2).await;
    let ring = File::new().ring();
    let vault = binding.map_or_else(|| Vault::new(ring.clone()), |binding| Vault::bound_by(ring.clone(), binding));
    let value = seal(&api, &vault, &place(), CANARY).await;
    let mut found = Vec::new();
    for (what, place) in elsewhere() {
        let mut transaction = acting(&api, ALICE).await;
        match vault.open(&mut transaction, value, &place).await {
            Ok(_) => found.push(what),
            // The key of another app does not even unwrap.
            Err(VaultError::KeyNotAuthentic(_)) if what == "app" => {}
            // No other tenant's row is even found; that its cipher is bound too, `vault/tests.rs` shows.
            Err(VaultError::Missing { .. }) if what == "workspace" => {}
            Err(error) => assert!(matches!(error, VaultError::NotAuthentic(_)), "{what}: {error:?}"),
        }
    }
    found
}

#[tokio::test]
async fn a_ciphertext_that_was_moved_does_not_open() {
    assert_eq!(opens_elsewhere(None).await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_vault_that_binds_a_ciphertext_to_less_is_caught() {
    let nothing: Binding = |_| Vec::new();
    let without_set: Binding = |place| format!("{} {:?} {}", place.app, place.environment, place.name).into_bytes();
    let without_name: Binding = |place| format!("{} {:?} {}", place.app, place.environment, place.set).into_bytes();
    let without_environment: Binding = |place| format!("{} {} {}", place.app, place.name, place.set).into_bytes();
    assert_eq!(opens_elsewhere(Some(nothing)).await, ["environment", "environment, for the app's own", "key", "set"]);
    assert_eq!(opens_elsewhere(Some(without_set)).await, ["set"]);
    assert_eq!(opens_elsewhere(Some(without_name)).await, ["key"]);
    assert_eq!(opens_elsewhere(Some(without_environment)).await, ["environment", "environment, for the app's own"]);
}

#[tokio::test]
async fn a_changed_ciphertext_or_wrapped_key_does_not_open() {
    let database = with_members().await;
    let api = database.role(API, 2).await;
    let vault = Vault::new(File::new().ring());
    let value = seal(&api, &vault, &place(), CANARY).await;
    database.run("UPDATE vault.values SET ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)").await;
    let opened = vault.open(&mut *acting(&api, ALICE).await, value, &place()).await;
    assert!(matches!(&opened, Err(VaultError::NotAuthentic(name)) if name == "TOKEN"), "{opened:?}");
    database.run("UPDATE vault.app_keys SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)").await;
    let opened = vault.open(&mut *acting(&api, ALICE).await, value, &place()).await;
    assert!(matches!(opened, Err(VaultError::KeyNotAuthentic(app)) if app == SHOP), "{opened:?}");
    let missing = vault.open(&mut *acting(&api, ALICE).await, ValueId(Uuid::nil()), &place()).await;
    assert!(matches!(missing, Err(VaultError::Missing { .. })), "{missing:?}");
}

#[tokio::test]
async fn another_tenant_neither_reads_nor_writes_here() {
    let database = with_members().await;
    let api = database.role(API, 2).await;
    let vault = Vault::new(File::new().ring());
    let value = seal(&api, &vault, &place(), CANARY).await;
    let mut bob = acting(&api, BOB).await;
    let opened = vault.open(&mut bob, value, &place()).await;
    assert!(matches!(opened, Err(VaultError::Missing { .. })), "{opened:?}");
    let seen: i64 =
        sqlx::query_scalar("SELECT (SELECT count(*) FROM vault.values) + (SELECT count(*) FROM vault.app_keys)")
            .fetch_one(&mut *bob)
            .await
            .expect("a number");
    assert_eq!(seen, 0);
    let refused = vault.seal(&mut bob, clock().new_id(), &place(), &hidden("mine")).await;
    assert!(matches!(refused, Err(VaultError::Unavailable(_))), "{refused:?}");
    let as_admin = "SELECT count(*) FROM vault.values";
    assert_eq!(database.number(as_admin).await, 1, "whoever bypasses the policies sees what Bob does not");
}

#[tokio::test]
async fn digests_tell_equal_values_of_one_place_and_nothing_else() {
    let database = with_members().await;
    let api = database.role(API, 2).await;
    let vault = Vault::new(File::new().ring());
    let mut transaction = acting(&api, ALICE).await;
    let shop = vault.digester(&mut transaction, ACME, SHOP).await.expect("a key");
    let again = vault.digester(&mut transaction, ACME, SHOP).await.expect("the same key");
    let blog = vault.digester(&mut transaction, ACME, BLOG).await.expect("another key");
    let value = hidden("hunter2");
    let digest = shop.of(PRODUCTION, "TOKEN", &value);
    assert_eq!(digest, again.of(PRODUCTION, "TOKEN", &value));
    let others = [
        shop.of(PRODUCTION, "TOKEN", &hidden("hunter3")),
        shop.of(PRODUCTION, "OTHER", &value),
        shop.of(PREVIEW, "TOKEN", &value),
        blog.of(PRODUCTION, "TOKEN", &value),
        rhone_domain::digest::Digest::of(&[b"hunter2"]),
    ];
    assert!(others.iter().all(|other| *other != digest), "{others:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_while_values_are_written_and_read() {
    let database = with_members().await;
    let (api, file) = (database.role(API, 6).await, File::new());
    let first = seal(&api, &Vault::new(file.ring()), &place(), CANARY).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut at_work = tokio::task::JoinSet::new();
    for n in 0..3_u64 {
        // Each a process of its own: it has read the file before the rotation begins.
        let (api, vault, stop) = (api.clone(), Vault::new(file.ring()), stop.clone());
        at_work.spawn(async move {
            let mut done = 0_u64;
            while !stop.load(Ordering::SeqCst) {
                let place = Place { name: format!("K{n}"), set: EnvSet(done + 1), ..place() };
                let app = AppId(Uuid::from_u128(u128::from(n * 1_000_000 + done)));
                for place in [place.clone(), Place { app, ..place }] {
                    let value = seal(&api, &vault, &place, "written").await;
                    let opened = vault.open(&mut *acting(&api, ALICE).await, value, &place).await.expect("opens");
                    assert_eq!(opened.expose(), "written");
                }
                let opened = vault.open(&mut *acting(&api, ALICE).await, first, &self::place()).await.expect("opens");
                assert_eq!(opened.expose(), CANARY);
                done += 1;
            }
            done
        });
    }
    let mut admin = database.admin().await;
    let before: Vec<u8> = ciphertext(&database, first).await;
    let mut rewrapped = 0;
    for n in 2..=6_u8 {
        file.change(|file| file.with(&format!("kek-{n}"), [n; 32]));
        let vault = Vault::new(file.ring());
        rewrapped += vault.rewrap(&mut admin).await.expect("rewraps");
        vault.rotate_data_keys(&mut admin).await.expect("rotates");
    }
    stop.store(true, Ordering::SeqCst);
    let done: u64 = at_work.join_all().await.into_iter().sum();
    println!("{done} rounds of writing and reading during 5 rotations; {rewrapped} keys wrapped anew");
    assert!(done > 0 && rewrapped >= 5, "{done} rounds, {rewrapped} keys");
    assert_eq!(ciphertext(&database, first).await, before, "values are untouched");
    let vault = Vault::new(file.ring());
    vault.rewrap(&mut admin).await.expect("rewraps what was made meanwhile");
    assert_eq!(Vault::keks_in_use(&mut admin).await.expect("reads"), ["kek-6"]);
    // The former keys are needed no more, by nothing.
    file.change(|mut file| {
        file.keys.retain(|name, _| name == "kek-6");
        file
    });
    let vault = Vault::new(file.ring());
    assert_eq!(vault.open(&mut *acting(&api, ALICE).await, first, &place()).await.expect("opens").expose(), CANARY);
    assert!(database.number("SELECT max(generation) FROM vault.app_keys").await >= 6);
}

#[tokio::test]
async fn without_its_key_encryption_key_the_vault_opens_nothing() {
    let database = with_members().await;
    let api = database.role(API, 2).await;
    let value = seal(&api, &Vault::new(File::new().ring()), &place(), CANARY).await;
    let other = |name: &'static str| KeyRing::open(move || Ok(KeyFile::first(name, [9; 32]))).expect("keys");
    let opened = Vault::new(other("kek-2")).open(&mut *acting(&api, ALICE).await, value, &place()).await;
    assert!(matches!(&opened, Err(VaultError::UnknownKek(id)) if id == "kek-1"), "{opened:?}");
    let opened = Vault::new(other("kek-1")).open(&mut *acting(&api, ALICE).await, value, &place()).await;
    assert!(matches!(opened, Err(VaultError::KeyNotAuthentic(_))), "{opened:?}");
}

#[tokio::test]
async fn first_values_sealed_at_the_same_moment_share_one_key() {
    let database = with_members().await;
    let (api, vault) = (database.role(API, 8).await, Vault::new(File::new().ring()));
    let mut seals = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (api, vault) = (api.clone(), vault.clone());
        let place = Place { name: format!("K{n}"), ..place() };
        seals.spawn(async move { (seal(&api, &vault, &place, "x").await, place) });
    }
    for (value, place) in seals.join_all().await {
        assert_eq!(vault.open(&mut *acting(&api, ALICE).await, value, &place).await.expect("opens").expose(), "x");
    }
    assert_eq!(database.number("SELECT count(*) FROM vault.app_keys WHERE purpose = 'data'").await, 1);
}

#[test]
fn nothing_of_it_prints_a_key_or_a_value() {
    let file = KeyFile::first("kek-1", [0xab; 32]);
    let ring = KeyRing::open({
        let file = file.clone();
        move || Ok(file.clone())
    });
    let told = format!("{file:?} {ring:?} {:?}", hidden(CANARY));
    assert!(!told.contains("abab") && !told.contains(CANARY), "{told}");
    let broken = KeyFile { current: "kek-1".into(), keys: [("kek-1".into(), hidden("not hex: abababab"))].into() };
    let error = KeyRing::open(move || Ok(broken.clone())).expect_err("no key");
    assert!(!format!("{error} {error:?}").contains("abab"), "{error:?}");
}

async fn ciphertext(database: &Database, value: ValueId) -> Vec<u8> {
    let query = sqlx::query_scalar("SELECT ciphertext FROM vault.values WHERE value = $1").bind(value.0);
    query.fetch_one(&mut database.admin().await).await.expect("it is there")
}

/// What a restore asks. The keys alone are no proof: they unwrap whatever became of the values.
#[tokio::test]
async fn every_value_is_opened_and_one_that_was_damaged_or_moved_is_found() {
    let database = with_members().await;
    let api = database.role(API, 2).await;
    let vault = Vault::new(File::new().ring());
    let mut admin = database.admin().await;
    assert_eq!(vault.open_every(&mut admin).await.expect("an empty vault is whole"), 0);
    let of_app = Place { environment: None, name: "source:git.example.com".into(), ..place() };
    for (number, place) in [place(), Place { app: BLOG, ..place() }, of_app].iter().cycle().take(504).enumerate() {
        let place = Place { set: EnvSet(number as u64 + 1), ..place.clone() };
        seal(&api, &vault, &place, CANARY).await;
    }
    assert_eq!(vault.open_every(&mut admin).await.expect("all of them open"), 504);
    for damage in [
        "UPDATE vault.values SET ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1) WHERE env_set = 504",
        "UPDATE vault.values SET name = 'source:elsewhere' WHERE env_set = 504",
    ] {
        let mut damaged = sqlx::Connection::begin(&mut admin).await.expect("begins");
        assert_eq!(sqlx::query(damage).execute(&mut *damaged).await.expect("damaged").rows_affected(), 1);
        let found = vault.open_every(&mut damaged).await;
        assert!(matches!(found, Err(VaultError::NotAuthentic(ref name)) if name.starts_with("source:")), "{found:?}");
        assert!(vault.unwrap_every(&mut damaged).await.is_ok(), "the sin: whoever unwraps keys alone notices nothing");
        damaged.rollback().await.expect("as it was");
    }
}

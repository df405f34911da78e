//! Sign-ins that are broken on purpose, on a platform of their own: each must be found by the attack that it lets in. The trap
//! avoided: an attack that is refused for another reason than the one it is there for.

use super::{Tally, device, flow, kept, session};
use crate::sign_in::{browser, url_word};
use futures_util::future::BoxFuture;
use rhone_tests::{browser::SESSION, database::administrator, github::GitHub, github::Trouble, platform::Platform};
use sqlx::{AssertSqlSafe, PgConnection};

/// Which attacks are run.
type Attacks = for<'a> fn(&'a Platform, &'a mut Tally) -> BoxFuture<'a, ()>;

/// A function of the database, what is taken out of it, what stands there instead, and which attack must notice.
struct Mutant {
    function: &'static str,
    from: &'static str,
    to: &'static str,
    attacks: Attacks,
    noticed: &'static str,
}

const FLOW: Attacks = |platform, tally| Box::pin(flow::attack(platform, tally));
const SESSIONS: Attacks = |platform, tally| Box::pin(session::attack(platform, tally));
const KEPT: Attacks = |platform, tally| Box::pin(kept::attack(platform, tally));
const DEVICES: Attacks = |platform, tally| Box::pin(device::attack(platform, tally));

const fn mutant(
    function: &'static str,
    (from, to): (&'static str, &'static str),
    attacks: Attacks,
    noticed: &'static str,
) -> Mutant {
    Mutant { function, from, to, attacks, noticed }
}

/// Of sign-ins (S14).
const MUTANTS: [Mutant; 9] = [
    mutant("take_sign_in", ("AND browser = p_browser", ""), FLOW, "the attacker's way back during a sign-in"),
    mutant("take_sign_in", ("AND expires_at > clock_timestamp()", ""), FLOW, "a sign-in that took too long"),
    mutant("take_sign_in", ("AND NOT taken", ""), FLOW, "a code after the person said no"),
    mutant("decide_device", (">= 5", ">= 500"), DEVICES, "the right user code after five wrong ones"),
    mutant(
        "decide_device",
        ("WHERE s.actor = who AND s.missed_at", "WHERE s.session = p_session AND s.missed_at"),
        DEVICES,
        "the same from another session of the guesser",
    ),
    mutant("decide_device", ("AND d.state = 'pending'", ""), DEVICES, "letting in what another person let in"),
    mutant("decide_device", ("AND d.expires_at > clock_timestamp()", ""), DEVICES, "letting in too late"),
    mutant(
        "poll_device",
        ("coalesce(d.token, p_token)", "p_token"),
        DEVICES,
        "a device code redeemed eight times at once",
    ),
    mutant("poll_device", ("AND identity.stands(s)", ""), DEVICES, "a session that ended before the token was fetched"),
];

/// Of sessions (S15).
const OF_SESSIONS: [Mutant; 11] = [
    mutant("stands", ("s.revoked_at IS NULL", "true"), SESSIONS, "a revoked session"),
    mutant("stands", ("s.expires_at > clock_timestamp()", "true"), SESSIONS, "a session older than two weeks"),
    mutant(
        "stands",
        ("s.used_at + s.idle > clock_timestamp()", "true"),
        SESSIONS,
        "a session that was not used for a day",
    ),
    mutant(
        "open_session",
        ("(hash = p_before OR former_hash = p_before)", "false"),
        KEPT,
        "the cookie from before another sign-in",
    ),
    mutant("session", ("s.former_until > clock_timestamp()", "true"), KEPT, "the former cookie half a minute later"),
    mutant(
        "session",
        ("held.privileges <> identity.privileges(held.actor)", "false"),
        KEPT,
        "the same cookie after its owner may do more",
    ),
    mutant(
        "end_session",
        ("SET revoked_at = clock_timestamp()", "SET revoked_at = NULL"),
        KEPT,
        "the cookie after signing out",
    ),
    mutant("revoke_session", ("AND s.actor = identity.asking()", ""), KEPT, "another person's session ended by its id"),
    mutant(
        "revoke_other_sessions",
        ("s.actor = identity.asking() AND", ""),
        KEPT,
        "a stranger's session among all others",
    ),
    mutant("sessions_of", ("s.actor = identity.asking() AND", ""), KEPT, "a session of another person in one's list"),
    mutant("sessions_of", ("AND identity.stands(s)", ""), KEPT, "a session in the list after it ended"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_is_broken_on_purpose_is_found_by_its_attack() {
    let platform = Platform::start_with_sign_in().await;
    let mut database = administrator(&platform).await;
    let caught = caught(&platform, &mut database, &MUTANTS).await;
    // GitHub without PKCE lets a stolen code in: it is PKCE that refuses it, and nothing else.
    let caught = caught + usize::from(stolen_code_gets_in(&platform).await);
    println!("S14 mutants: {caught}/{} caught", MUTANTS.len() + 1);
    assert_eq!(caught, MUTANTS.len() + 1);
    let caught = self::caught(&platform, &mut database, &OF_SESSIONS).await;
    println!("S15 mutants: {caught}/{} caught", OF_SESSIONS.len());
}

/// How many were found by the attack that each lets in; one that was not is a failed test.
async fn caught(platform: &Platform, database: &mut PgConnection, mutants: &[Mutant]) -> usize {
    for mutant in mutants {
        let sound = definition(&mut *database, mutant.function).await;
        let broken = sound.replace(mutant.from, mutant.to);
        assert_ne!(broken, sound, "{}: {} is not in it", mutant.function, mutant.from);
        define(&mut *database, broken).await;
        let mut tally = Tally::default();
        (mutant.attacks)(platform, &mut tally).await;
        define(&mut *database, sound).await;
        let accepted = tally.accepted();
        let noticed = accepted.iter().any(|attack| attack.starts_with(mutant.noticed));
        assert!(noticed, "{} without {}: {accepted:?}", mutant.function, mutant.from);
    }
    mutants.len()
}

async fn stolen_code_gets_in(platform: &Platform) -> bool {
    let (github, victim, attacker) = (GitHub::shared(), browser(platform), browser(platform));
    let account = github.somebody();
    github.trouble(&account, Trouble::IgnoresPkce);
    let stolen = victim.at_github(&victim.begin("/").await, &account, true).await;
    let own = attacker.begin("/").await;
    let (code, state) = (url_word(&stolen, "code"), url_word(&own, "state"));
    attacker.get(&format!("/auth/github/callback?code={code}&state={state}")).await;
    attacker.cookie(SESSION).is_some()
}

async fn definition(database: &mut PgConnection, function: &str) -> String {
    sqlx::query_scalar(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1 AND pronamespace = 'identity'::regnamespace",
    )
    .bind(function)
    .fetch_one(database)
    .await
    .expect("there is one such function")
}

async fn define(database: &mut PgConnection, definition: String) {
    sqlx::raw_sql(AssertSqlSafe(definition)).execute(database).await.expect("it is SQL");
}

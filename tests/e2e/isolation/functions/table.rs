//! What each function of the database is about, by role. The trap avoided: a function that runs as the owner, answers about
//! anybody, and that nobody tried; one without a line here is red.

/// How it is known that a function tells nobody what is another's.
pub(super) enum How {
    /// These are asked as somebody else, and by who does not have the key: no row may come of them. As the one whose things they
    /// are, and with the key, each must bring some.
    Asked(&'static [&'static str]),
    /// It is about nobody's, for this reason.
    Because(&'static str),
}
use How::{Asked, Because};

/// What the API's role, whose statements answer strangers, may execute.
pub(super) const OF_THE_API: &[(&str, How)] = &[
    (
        "authority.memberships(uuid,uuid)",
        Asked(&["SELECT FROM authority.memberships({me}, NULL) AS m WHERE m.workspace = '{workspace}'"]),
    ),
    ("authority.opened(bytea)", Asked(&["SELECT FROM authority.opened(sha256('{key}')) AS of (id) WHERE id IS NOT NULL"])),
    (
        "authority.read_opened(bytea,text,bigint)",
        Asked(&["SELECT FROM authority.read_opened(sha256('{key}'), 'workspace:{workspace}', 0)"]),
    ),
    (
        "authority.workspaces()",
        Asked(&["SELECT FROM unnest(authority.workspaces()) AS of (id) WHERE id = '{workspace}'"]),
    ),
    ("identity.authenticate(bytea)", Asked(&["SELECT FROM identity.authenticate(sha256('{key}'))"])),
    (
        "identity.begin_device(bytea,text,text,text,integer,integer)",
        Because("keeps what a device says of itself, and answers whether a user code is free for ten minutes"),
    ),
    ("identity.begin_sign_in(bytea,bytea,text,integer)", Because("keeps what it is given, and answers nothing")),
    (
        "identity.decide_device(uuid,text,text)",
        Asked(&["SELECT FROM identity.decide_device('{session}', '{code}', 'approved')"]),
    ),
    ("identity.ended_sessions()", Asked(&["SELECT FROM identity.ended_sessions()"])),
    ("identity.end_session(bytea)", Because("ends what is shown, by its SHA-256, and answers nothing")),
    (
        "identity.names(uuid[])",
        Because("what an actor is called, by an id that row-level security showed (ADR 0014); nobody is listed by it"),
    ),
    (
        "identity.open_session(uuid,bytea,text,text,integer,integer,bytea)",
        Because("a session of whoever is asking, in place of the one that is shown by its SHA-256; answers nothing"),
    ),
    ("identity.person()", Asked(&["SELECT FROM identity.person()"])),
    (
        "identity.poll_device(bytea,uuid)",
        Asked(&["SELECT FROM identity.poll_device(sha256('{key}'), gen_random_uuid()) WHERE outcome <> 'unknown'"]),
    ),
    (
        "identity.revoke_other_sessions(uuid,uuid)",
        Asked(&["SELECT FROM identity.revoke_other_sessions(NULL) AS these (ended) WHERE ended > 0"]),
    ),
    (
        "identity.revoke_session(uuid,uuid)",
        Asked(&["SELECT FROM identity.revoke_session('{session}') AS it (ended) WHERE ended"]),
    ),
    (
        "identity.rotate_session(uuid,bytea,bytea)",
        Asked(&["SELECT FROM identity.rotate_session('{session}', sha256('{key}'), sha256('{key}2')) AS it (done) WHERE done"
            ]),
    ),
    ("identity.session(bytea)", Asked(&["SELECT FROM identity.session(sha256('{key}'))"])),
    (
        "identity.session_stands(uuid)",
        Asked(&["SELECT FROM identity.session_stands('{session}') AS it (stands) WHERE stands"]),
    ),
    ("identity.sessions_of()", Asked(&["SELECT FROM identity.sessions_of()"])),
    (
        "identity.signed_in(bytea,uuid,text,text,text,text,text)",
        Asked(&["SELECT FROM identity.signed_in(sha256('{key}-taken'), gen_random_uuid(), 'github', '{subject}', 'x', NULL, NULL)
                 AS of (id) WHERE id IS NOT NULL"]),
    ),
    (
        "identity.supported_until(uuid)",
        Asked(&["SELECT FROM identity.supported_until('{access}') AS until (at) WHERE at IS NOT NULL"]),
    ),
    (
        "identity.take_sign_in(bytea,bytea)",
        Asked(&["SELECT FROM identity.take_sign_in(sha256('{key}'), sha256('{key}')) AS back (to_page) WHERE to_page IS NOT NULL"
            ]),
    ),
    (
        "identity.token(uuid)",
        Asked(&["SELECT FROM identity.token('{token}')", "SELECT FROM identity.token('{machine}')"]),
    ),
    (
        "identity.tokens_of(uuid,boolean,bigint)",
        Asked(&["SELECT FROM identity.tokens_of(NULL, false, 1000000) AS t WHERE t.token = '{token}'"]),
    ),
    ("identity.used(bytea)", Because("notes that what is shown, by its SHA-256, was shown, and answers nothing")),
    (APPEND, Asked(&[APPENDED])),
    ("log.check_boot()", Because("whether the log is older than its cluster")),
    ("log.incarnation()", Because("which life of the log this is")),
    (
        "log.read_all(integer,xid8,bigint,bigint)",
        Asked(&["SELECT FROM log.read_all(0, '0', 0, 1000000) AS e WHERE e.workspace = '{workspace}'"]),
    ),
    ("log.read_claim(uuid,uuid,uuid)", Asked(&["SELECT FROM log.read_claim({me}, NULL, '{claim}')"])),
    (
        "log.read_stream(uuid,uuid,text,bigint)",
        Asked(&["SELECT FROM log.read_stream({me}, NULL, 'environment:{environment}', 0)"]),
    ),
    (
        "log.read_streams(uuid,uuid,text[])",
        Asked(&["SELECT FROM log.read_streams({me}, NULL, ARRAY['environment:{environment}'])"]),
    ),
    ("log.watermark()", Because("for how long readers are held back, and by which program's statement, without its values")),
    (
        "status.emptied_hosts(uuid[],double precision)",
        Asked(&["SELECT FROM status.emptied_hosts(ARRAY['{host}']::uuid[], 15)"]),
    ),
    (
        "status.hosts_seen(uuid[])",
        Because("for how long machines of the platform were silent; only who runs it is told of them"),
    ),
    (
        "status.live_edges(uuid,double precision)",
        Because("which edges serve a region, which is everybody's; what they say of sessions and traffic is left out"),
    ),
    (
        "status.used_environments(uuid[],double precision,double precision)",
        Asked(&["SELECT FROM status.used_environments(ARRAY['{environment}']::uuid[], 15, 600)"]),
    ),
];

const APPEND: &str = "log.append(uuid,uuid,uuid,text,bytea,json,text,bigint,text[],bigint[],text[],bigint[],text[],bigint[],\
     uuid[],text[],smallint[],uuid[],uuid[],uuid[],text[],uuid[],text[],uuid[],uuid[],text[],text[],\
     timestamp with time zone[],text[],bytea[],json)";

/// One event in the owner's workspace, by who asks.
const APPENDED: &str = "SELECT FROM log.append('{workspace}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, ARRAY['project:{new}'], \
     ARRAY[0]::bigint[], '{}', '{}', ARRAY['project:{new}'], ARRAY[1]::bigint[], ARRAY[gen_random_uuid()], \
     ARRAY['project.created'], ARRAY[1]::smallint[], ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[], ARRAY[{me}]::uuid[], \
     ARRAY['user'], ARRAY[NULL]::uuid[], ARRAY['api'], ARRAY[gen_random_uuid()], ARRAY[NULL]::uuid[], ARRAY[NULL]::text[], \
     ARRAY[NULL]::text[], ARRAY[now()], ARRAY['{}'], ARRAY[sha256('x')], '[]')";

/// What the other programs may execute: the function, and why. Strangers reach none of them; they see every tenant's.
pub(super) const OF_THE_OTHERS: [(&str, &[(&str, &str)]); 2] = [
    (
        "rhone_worker",
        &[
            ("log.append", EVERY_TENANTS),
            ("log.read_stream", EVERY_TENANTS),
            ("log.read_all", EVERY_TENANTS),
            ("authority.workspaces", "whoever is said to ask, whom a worker never names"),
            ("log.incarnation", ORDER),
            ("log.check_boot", ORDER),
            ("log.watermark", ORDER),
            ("log.claim_lease", TURNS),
            ("log.renew_lease", TURNS),
            ("log.release_lease", TURNS),
            ("log.release_leases", TURNS),
            ("authority.claim_operations", TURNS),
            ("authority.claim_deploys", TURNS),
            ("log.take_checkpoint", TURNS),
            ("log.advance_checkpoint", TURNS),
            ("log.fail_checkpoint", TURNS),
            ("log.forget_requests", "old idempotency keys"),
            ("log.subject_key", ERASED),
            ("log.create_subject_key", ERASED),
            ("log.destroy_subject_key", ERASED),
            ("authority.settle_feeds", FEED),
            ("authority.trim_feed", FEED),
            ("authority.open_feed", FEED),
            ("identity.authenticate", "edges and runners, by the SHA-256 of what they show"),
            ("identity.used", "the same"),
            ("identity.issue", "the first tokens of a platform, which nobody could ask for"),
            ("diagnostics.keep_chunk", LINES),
            ("diagnostics.next_line", LINES),
            ("diagnostics.newest_chunks", LINES),
            ("diagnostics.chunks_to_forget", LINES),
            ("diagnostics.forget_chunk", LINES),
            ("diagnostics.orphans", LINES),
        ],
    ),
    (
        "rhone_projector",
        &[
            ("log.read_stream", EVERY_TENANTS),
            ("log.read_all", EVERY_TENANTS),
            ("authority.workspaces", "whoever is said to ask, whom a projector never names"),
            ("log.incarnation", ORDER),
            ("log.check_boot", ORDER),
            ("log.watermark", ORDER),
            ("log.claim_lease", TURNS),
            ("log.renew_lease", TURNS),
            ("log.release_lease", TURNS),
            ("log.take_checkpoint", TURNS),
            ("log.advance_checkpoint", TURNS),
            ("log.fail_checkpoint", TURNS),
        ],
    ),
];

const EVERY_TENANTS: &str = "it carries every tenant's work on";
const ORDER: &str = "how the log as a whole stands";
const TURNS: &str = "whose turn it is, and how far it came";
const ERASED: &str = "keys of personal fields, which it alone asks for and destroys";
const FEED: &str = "the edges' feed, of whole regions";
const LINES: &str = "lines of apps and builds, as they come in from hosts and are forgotten";

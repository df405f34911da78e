-- People: who they are at GitHub, the sessions of their browsers, sign-ins and device sign-ins under way. None of it is an
-- event: no workspace's audit is about it, and it must be possible to forget it. Written by the functions here alone, which
-- the API calls; its role owns nothing and reads no table of them. The trap avoided: a secret that a dump gives away; a
-- session's cookie, a sign-in's state and cookie, and a device code are kept as SHA-256 only, and PKCE's verifier nowhere.
SET ROLE rhone_owner;

CREATE TABLE identity.users (
    actor      uuid PRIMARY KEY,
    provider   text NOT NULL CHECK (provider = 'github'),
    -- GitHub's number of the account: logins are given up and taken by others.
    subject    text NOT NULL,
    login      text NOT NULL,
    name       text,
    email      text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (provider, subject)
);

CREATE TABLE identity.sessions (
    session      uuid PRIMARY KEY,
    actor        uuid NOT NULL,
    hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    -- What the cookie was before it was replaced, for requests that were under way.
    former_hash  bytea UNIQUE,
    former_until timestamptz,
    -- What the actor might do when the cookie was made; another answer makes another cookie.
    privileges   bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    idle         interval NOT NULL,
    expires_at   timestamptz NOT NULL,
    agent        text NOT NULL,
    address      text NOT NULL,
    revoked_at   timestamptz,
    -- Wrong user codes that were tried with it, and when the last one was.
    misses       int NOT NULL DEFAULT 0,
    missed_at    timestamptz
) WITH (fillfactor = 80);
CREATE INDEX sessions_of_actor ON identity.sessions (actor, created_at);

CREATE TABLE identity.sign_ins (
    state      bytea PRIMARY KEY CHECK (octet_length(state) = 32),
    -- The cookie of the browser that began it.
    browser    bytea NOT NULL CHECK (octet_length(browser) = 32),
    return_to  text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_ins_by_end ON identity.sign_ins (expires_at);

CREATE TABLE identity.device_codes (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    user_code  text NOT NULL UNIQUE,
    agent      text NOT NULL,
    address    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    every      int NOT NULL,
    polled_at  timestamptz,
    state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'redeemed')),
    actor      uuid,
    session    uuid,
    CHECK ((state = 'pending') = (actor IS NULL))
);
CREATE INDEX device_codes_by_end ON identity.device_codes (expires_at);

-- A fingerprint of everything that an actor may do.
CREATE FUNCTION identity.privileges(p_actor uuid) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to(coalesce(string_agg(concat_ws(':', m.workspace, m.role, m.projects, m.environments), ','
                                                 ORDER BY m.workspace), ''), 'UTF8'))
    FROM authority.members m WHERE m.actor = p_actor
$$;

-- Whether a session may still be used.
CREATE FUNCTION identity.stands(s identity.sessions) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT s.revoked_at IS NULL AND s.expires_at > clock_timestamp() AND s.used_at + s.idle > clock_timestamp()
$$;

-- A sign-in begins; those that nobody finished are forgotten.
CREATE FUNCTION identity.begin_sign_in(p_state bytea, p_browser bytea, p_return_to text, p_seconds int) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM identity.sign_ins WHERE expires_at < clock_timestamp();
    INSERT INTO identity.sign_ins (state, browser, return_to, expires_at)
    VALUES (p_state, p_browser, p_return_to, clock_timestamp() + make_interval(secs => p_seconds))
$$;

-- A sign-in comes back, once, in the browser that began it. Nothing tells a wrong state from a wrong browser.
CREATE FUNCTION identity.take_sign_in(p_state bytea, p_browser bytea) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM identity.sign_ins
    WHERE state = p_state AND browser = p_browser AND expires_at > clock_timestamp() RETURNING return_to
$$;

-- The actor of an account: the one it was given the first time.
CREATE FUNCTION identity.signed_in(p_actor uuid, p_provider text, p_subject text, p_login text, p_name text, p_email text)
RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO identity.users (actor, provider, subject, login, name, email)
    VALUES (p_actor, p_provider, p_subject, p_login, p_name, p_email)
    ON CONFLICT (provider, subject) DO UPDATE
        SET login = excluded.login, name = excluded.name, email = excluded.email, seen_at = clock_timestamp()
    RETURNING actor
$$;

CREATE FUNCTION identity.person(p_actor uuid) RETURNS TABLE (provider text, login text, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT u.provider, u.login, u.name FROM identity.users u WHERE u.actor = p_actor
$$;

-- A session begins. What the same browser had before ends; so do the oldest beyond fifty; what ended long ago is forgotten.
CREATE FUNCTION identity.open_session(p_session uuid, p_hash bytea, p_actor uuid, p_agent text, p_address text,
                                      p_idle int, p_seconds int, p_before bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.sessions SET revoked_at = clock_timestamp()
    WHERE revoked_at IS NULL AND (hash = p_before OR former_hash = p_before);
    DELETE FROM identity.sessions s
    WHERE s.actor = p_actor AND NOT identity.stands(s) AND s.used_at < clock_timestamp() - interval '30 days';
    UPDATE identity.sessions SET revoked_at = clock_timestamp() WHERE session IN (
        SELECT s.session FROM identity.sessions s WHERE s.actor = p_actor AND identity.stands(s)
        ORDER BY s.created_at DESC, s.session OFFSET 49);
    INSERT INTO identity.sessions (session, actor, hash, privileges, idle, expires_at, agent, address)
    VALUES (p_session, p_actor, p_hash, identity.privileges(p_actor), make_interval(secs => p_idle),
            clock_timestamp() + make_interval(secs => p_seconds), p_agent, p_address)
$$;

-- Whose cookie it is, and whether it must be replaced because the actor may do something else by now. Written at most once
-- a minute.
CREATE FUNCTION identity.session(p_hash bytea) RETURNS TABLE (session uuid, actor uuid, stale boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    held identity.sessions;
BEGIN
    SELECT * INTO held FROM identity.sessions s
    WHERE (s.hash = p_hash OR (s.former_hash = p_hash AND s.former_until > clock_timestamp())) AND identity.stands(s);
    IF held.session IS NULL THEN
        RETURN;
    END IF;
    IF held.used_at < clock_timestamp() - interval '1 minute' THEN
        UPDATE identity.sessions s SET used_at = clock_timestamp() WHERE s.session = held.session;
    END IF;
    RETURN QUERY SELECT held.session, held.actor,
        held.hash = p_hash AND held.privileges <> identity.privileges(held.actor);
END $$;

CREATE FUNCTION identity.session_stands(p_session uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM identity.sessions s WHERE s.session = p_session AND identity.stands(s))
$$;

-- Another cookie for the same session. Of several requests with the old one, one is given the new one; the others had
-- better not be told that they are nobody, so the old one counts for a moment.
CREATE FUNCTION identity.rotate_session(p_session uuid, p_hash bytea, p_next bytea) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH done AS (
        UPDATE identity.sessions s
        SET former_hash = s.hash, former_until = clock_timestamp() + interval '30 seconds', hash = p_next,
            privileges = identity.privileges(s.actor)
        WHERE s.session = p_session AND s.hash = p_hash AND identity.stands(s) RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
$$;

CREATE FUNCTION identity.sessions_of(p_actor uuid)
RETURNS TABLE (session uuid, created_at timestamptz, used_at timestamptz, expires_at timestamptz, agent text, address text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT s.session, s.created_at, s.used_at, least(s.expires_at, s.used_at + s.idle), s.agent, s.address
    FROM identity.sessions s WHERE s.actor = p_actor AND identity.stands(s) ORDER BY s.created_at DESC, s.session LIMIT 50
$$;

CREATE FUNCTION identity.end_session(p_hash bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.sessions SET revoked_at = clock_timestamp()
    WHERE revoked_at IS NULL AND (hash = p_hash OR former_hash = p_hash)
$$;

CREATE FUNCTION identity.revoke_session(p_session uuid, p_actor uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH done AS (
        UPDATE identity.sessions s SET revoked_at = clock_timestamp()
        WHERE s.session = p_session AND s.actor = p_actor AND identity.stands(s) RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
$$;

CREATE FUNCTION identity.revoke_other_sessions(p_actor uuid, p_but uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH done AS (
        UPDATE identity.sessions s SET revoked_at = clock_timestamp()
        WHERE s.actor = p_actor AND s.session IS DISTINCT FROM p_but AND identity.stands(s) RETURNING 1)
    SELECT count(*) FROM done
$$;

-- A device asks to be let in. False: the user code is another's at the moment.
CREATE FUNCTION identity.begin_device(p_hash bytea, p_user_code text, p_agent text, p_address text, p_seconds int,
                                      p_every int) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM identity.device_codes WHERE expires_at < clock_timestamp() - interval '1 hour';
    WITH made AS (
        INSERT INTO identity.device_codes (hash, user_code, agent, address, expires_at, every)
        VALUES (p_hash, p_user_code, p_agent, p_address, clock_timestamp() + make_interval(secs => p_seconds), p_every)
        ON CONFLICT (user_code) DO NOTHING RETURNING 1)
    SELECT EXISTS (SELECT FROM made)
$$;

-- What a signed-in person does with a user code: looks at it, lets it in, or turns it away. Wrong codes are counted over
-- all sessions of the actor: five within ten minutes, and for ten minutes no code is right. No row: nobody is signed in.
CREATE FUNCTION identity.decide_device(p_session uuid, p_user_code text, p_verdict text)
RETURNS TABLE (outcome text, agent text, address text, created_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    who    uuid;
    device identity.device_codes;
BEGIN
    SELECT s.actor INTO who FROM identity.sessions s WHERE s.session = p_session AND identity.stands(s);
    IF who IS NULL THEN
        RETURN;
    END IF;
    -- Guesses side by side would each count from the same number.
    PERFORM pg_advisory_xact_lock(hashtextextended('identity.decide_device:' || who::text, 0));
    IF (SELECT coalesce(sum(s.misses), 0) >= 5 FROM identity.sessions s
        WHERE s.actor = who AND s.missed_at > clock_timestamp() - interval '10 minutes') THEN
        RETURN QUERY SELECT 'limited', NULL::text, NULL::text, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT * INTO device FROM identity.device_codes d
    WHERE d.user_code = p_user_code AND d.state = 'pending' AND d.expires_at > clock_timestamp() FOR UPDATE;
    IF device.hash IS NULL THEN
        UPDATE identity.sessions s SET missed_at = clock_timestamp(), misses = 1
            + CASE WHEN s.missed_at > clock_timestamp() - interval '10 minutes' THEN s.misses ELSE 0 END
        WHERE s.session = p_session;
        RETURN QUERY SELECT 'unknown', NULL::text, NULL::text, NULL::timestamptz;
        RETURN;
    END IF;
    IF p_verdict IN ('approved', 'denied') THEN
        UPDATE identity.device_codes d SET state = p_verdict, actor = who, session = p_session WHERE d.hash = device.hash;
    END IF;
    RETURN QUERY SELECT p_verdict, device.agent, device.address, device.created_at;
END $$;

-- A device asks whether it was let in; its token is made in the same step, once.
CREATE FUNCTION identity.poll_device(p_hash bytea, p_token uuid, p_token_hash bytea, p_name text, p_seconds int)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    device identity.device_codes;
BEGIN
    SELECT * INTO device FROM identity.device_codes d WHERE d.hash = p_hash FOR UPDATE;
    IF device.hash IS NULL OR device.state = 'redeemed' THEN
        RETURN 'unknown';
    ELSIF device.expires_at <= clock_timestamp() THEN
        RETURN 'expired';
    ELSIF device.polled_at > clock_timestamp() - make_interval(secs => device.every) THEN
        UPDATE identity.device_codes d SET every = d.every + 5, polled_at = clock_timestamp() WHERE d.hash = p_hash;
        RETURN 'slow_down';
    ELSIF device.state = 'pending' THEN
        UPDATE identity.device_codes d SET polled_at = clock_timestamp() WHERE d.hash = p_hash;
        RETURN 'pending';
    ELSIF device.state = 'denied' OR NOT identity.session_stands(device.session) THEN
        RETURN 'denied';
    END IF;
    UPDATE identity.device_codes d SET state = 'redeemed' WHERE d.hash = p_hash;
    INSERT INTO identity.tokens (token, hash, kind, actor, name, expires_at)
    VALUES (p_token, p_token_hash, 'token', device.actor, p_name, clock_timestamp() + make_interval(secs => p_seconds));
    RETURN 'issued';
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.begin_sign_in(bytea, bytea, text, int), identity.take_sign_in(bytea, bytea),
    identity.signed_in(uuid, text, text, text, text, text), identity.person(uuid),
    identity.open_session(uuid, bytea, uuid, text, text, int, int, bytea), identity.session(bytea),
    identity.session_stands(uuid), identity.rotate_session(uuid, bytea, bytea), identity.sessions_of(uuid),
    identity.end_session(bytea), identity.revoke_session(uuid, uuid), identity.revoke_other_sessions(uuid, uuid),
    identity.begin_device(bytea, text, text, text, int, int), identity.decide_device(uuid, text, text),
    identity.poll_device(bytea, uuid, bytea, text, int) TO rhone_api;

RESET ROLE;

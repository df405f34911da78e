-- Functions that run as the owner answer for whoever the transaction says is asking (`rhone.actor`, as row-level security goes by
-- it), and take nobody's id in its place. At the door, where nobody is known yet, they answer to who holds a secret's SHA-256.
-- The trap avoided: a function that passes by row-level security and believes the id that it is given.
SET ROLE rhone_owner;

-- Who is asking; NULL: nobody.
CREATE FUNCTION identity.asking() RETURNS uuid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('rhone.actor', true), '')::uuid
$$;
-- The only workspace that who is asking may touch; NULL: all of theirs.
CREATE FUNCTION identity.scope() RETURNS uuid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('rhone.workspace', true), '')::uuid
$$;
-- Whether who is asking runs the platform, with a token that is good for it.
CREATE FUNCTION identity.runs_the_platform() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM authority.members m
                   WHERE m.actor = identity.asking() AND m.workspace = '00000000-0000-7000-8000-000000000001')
       AND coalesce(identity.scope() = '00000000-0000-7000-8000-000000000001', true)
$$;

DROP FUNCTION identity.person(uuid);
CREATE FUNCTION identity.person() RETURNS TABLE (provider text, login text, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.provider, u.login, u.name FROM identity.users u WHERE u.actor = identity.asking()
$$;

-- A sign-in that came back is taken once, and stays until the account is known.
ALTER TABLE identity.sign_ins ADD COLUMN taken boolean NOT NULL DEFAULT false;
CREATE OR REPLACE FUNCTION identity.take_sign_in(p_state bytea, p_browser bytea) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE identity.sign_ins SET taken = true
    WHERE state = p_state AND browser = p_browser AND NOT taken AND expires_at > clock_timestamp() RETURNING return_to
$$;

-- The actor of an account: the one it was given the first time. Only at the end of a sign-in that was taken; none without one.
DROP FUNCTION identity.signed_in(uuid, text, text, text, text, text);
CREATE FUNCTION identity.signed_in(p_state bytea, p_actor uuid, p_provider text, p_subject text, p_login text, p_name text,
                                   p_email text)
RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH came_back AS (DELETE FROM identity.sign_ins WHERE state = p_state AND taken RETURNING state)
    INSERT INTO identity.users (actor, provider, subject, login, name, email)
    SELECT p_actor, p_provider, p_subject, p_login, p_name, p_email FROM came_back
    ON CONFLICT (provider, subject) DO UPDATE
        SET login = excluded.login, name = excluded.name, email = excluded.email, seen_at = clock_timestamp()
    RETURNING actor
$$;

-- A session of who is asking begins. What the same browser had before ends; so do the oldest beyond fifty; what ended long ago
-- is forgotten.
DROP FUNCTION identity.open_session(uuid, bytea, uuid, text, text, int, int, bytea);
CREATE FUNCTION identity.open_session(p_session uuid, p_hash bytea, p_agent text, p_address text, p_idle int, p_seconds int,
                                      p_before bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE identity.sessions SET revoked_at = clock_timestamp()
    WHERE revoked_at IS NULL AND (hash = p_before OR former_hash = p_before);
    DELETE FROM identity.sessions s
    WHERE s.actor = identity.asking() AND NOT identity.stands(s) AND s.used_at < clock_timestamp() - interval '30 days';
    UPDATE identity.sessions SET revoked_at = clock_timestamp() WHERE session IN (
        SELECT s.session FROM identity.sessions s WHERE s.actor = identity.asking() AND identity.stands(s)
        ORDER BY s.created_at DESC, s.session OFFSET 49);
    INSERT INTO identity.sessions (session, actor, hash, privileges, idle, expires_at, agent, address)
    VALUES (p_session, identity.asking(), p_hash, identity.privileges(identity.asking()), make_interval(secs => p_idle),
            clock_timestamp() + make_interval(secs => p_seconds), p_agent, p_address)
$$;

CREATE OR REPLACE FUNCTION identity.session_stands(p_session uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM identity.sessions s
                   WHERE s.session = p_session AND s.actor = identity.asking() AND identity.stands(s))
$$;

DROP FUNCTION identity.sessions_of(uuid);
CREATE FUNCTION identity.sessions_of()
RETURNS TABLE (session uuid, created_at timestamptz, used_at timestamptz, expires_at timestamptz, agent text, address text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.session, s.created_at, s.used_at, least(s.expires_at, s.used_at + s.idle), s.agent, s.address
    FROM identity.sessions s WHERE s.actor = identity.asking() AND identity.stands(s)
    ORDER BY s.created_at DESC, s.session LIMIT 50
$$;

DROP FUNCTION identity.revoke_session(uuid, uuid);
CREATE FUNCTION identity.revoke_session(p_session uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE identity.sessions s SET revoked_at = clock_timestamp()
        WHERE s.session = p_session AND s.actor = identity.asking() AND identity.stands(s) RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
$$;

DROP FUNCTION identity.revoke_other_sessions(uuid, uuid);
CREATE FUNCTION identity.revoke_other_sessions(p_but uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE identity.sessions s SET revoked_at = clock_timestamp()
        WHERE s.actor = identity.asking() AND s.session IS DISTINCT FROM p_but AND identity.stands(s) RETURNING 1)
    SELECT count(*) FROM done
$$;

-- What a signed-in person does with a user code: looks at it, lets it in, or turns it away. Wrong codes are counted over
-- all sessions of the actor: five within ten minutes, and for ten minutes no code is right. No row: the session is over, or
-- not of who is asking.
CREATE OR REPLACE FUNCTION identity.decide_device(p_session uuid, p_user_code text, p_verdict text)
RETURNS TABLE (outcome text, agent text, address text, created_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who    uuid;
    device identity.device_codes;
BEGIN
    SELECT s.actor INTO who FROM identity.sessions s
    WHERE s.session = p_session AND s.actor = identity.asking() AND identity.stands(s);
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

-- A device asks whether it was let in, and as whom. It holds the code alone, and is nobody yet.
CREATE OR REPLACE FUNCTION identity.poll_device(p_hash bytea, p_token uuid)
RETURNS TABLE (outcome text, actor uuid, token uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    device identity.device_codes;
BEGIN
    SELECT * INTO device FROM identity.device_codes d WHERE d.hash = p_hash FOR UPDATE;
    IF device.hash IS NULL OR device.state = 'redeemed' THEN
        outcome := 'unknown';
    ELSIF device.expires_at <= clock_timestamp() THEN
        outcome := 'expired';
    ELSIF device.polled_at > clock_timestamp() - make_interval(secs => device.every) THEN
        UPDATE identity.device_codes d SET every = d.every + 5, polled_at = clock_timestamp() WHERE d.hash = p_hash;
        outcome := 'slow_down';
    ELSIF device.state = 'pending' THEN
        UPDATE identity.device_codes d SET polled_at = clock_timestamp() WHERE d.hash = p_hash;
        outcome := 'pending';
    ELSIF device.state = 'denied'
        OR NOT EXISTS (SELECT FROM identity.sessions s WHERE s.session = device.session AND identity.stands(s)) THEN
        outcome := 'denied';
    ELSE
        UPDATE identity.device_codes d SET token = coalesce(d.token, p_token) WHERE d.hash = p_hash
        RETURNING d.actor, d.token INTO actor, token;
        outcome := 'granted';
    END IF;
    RETURN NEXT;
END $$;

-- Of many at once one writes.
DROP FUNCTION identity.used(uuid);
CREATE FUNCTION identity.used(p_hash bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE identity.tokens SET last_used_at = clock_timestamp()
    WHERE hash = p_hash AND coalesce(last_used_at <= clock_timestamp() - interval '1 minute', true)
$$;

-- What who is asking has, the ended ones too; to a token of one workspace only those of that workspace exist.
DROP FUNCTION identity.tokens_of(uuid, uuid, uuid, boolean, bigint);
CREATE FUNCTION identity.tokens_of(p_from uuid, p_newer boolean, p_most bigint)
RETURNS TABLE (token uuid, name text, hint text, workspace uuid, grants text[], created_at timestamptz,
               expires_at timestamptz, last_used_at timestamptz, rotated_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.token, t.name, t.hint, t.workspace, t.grants, t.created_at, t.expires_at, t.last_used_at, t.rotated_at,
           t.revoked_at
    FROM identity.tokens t
    WHERE t.actor = identity.asking() AND t.kind IN ('user', 'token', 'support')
      AND (identity.scope() IS NULL OR t.workspace = identity.scope())
      AND (p_from IS NULL OR CASE WHEN p_newer THEN t.token > p_from ELSE t.token < p_from END)
    ORDER BY CASE WHEN p_newer THEN t.token END, t.token DESC LIMIT p_most
$$;

-- One token, for whoever shows tokens as who is asking; those of machines and of support for whoever runs the platform.
DROP FUNCTION identity.token(uuid, uuid, uuid);
CREATE FUNCTION identity.token(p_token uuid)
RETURNS TABLE (token uuid, kind text, actor uuid, region uuid, host uuid, access uuid, name text, hint text,
               workspace uuid, grants text[], created_at timestamptz, expires_at timestamptz, last_used_at timestamptz,
               rotated_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.token, t.kind, t.actor, t.region, t.host, t.access, t.name, t.hint, t.workspace, t.grants, t.created_at,
           t.expires_at, t.last_used_at, t.rotated_at, t.revoked_at
    FROM identity.tokens t
    WHERE t.token = p_token
      AND (t.actor = identity.asking() AND (identity.scope() IS NULL OR t.workspace = identity.scope())
           OR t.kind IN ('edge', 'runner', 'support') AND identity.runs_the_platform())
$$;

-- Until when support may act, for who runs the platform; none where it may not, or no longer.
CREATE OR REPLACE FUNCTION identity.supported_until(p_access uuid) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.until FROM authority.supported(p_access) s WHERE identity.runs_the_platform()
$$;

-- How long the oldest write transaction of the cluster has been holding readers back, and whose it is. What it says only where
-- it is a program's: an administrator's statement may hold a password.
CREATE OR REPLACE FUNCTION log.watermark() RETURNS TABLE (lag_seconds double precision, pid integer, holder text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(greatest(extract(epoch FROM clock_timestamp() - o.since), 0), 0)::double precision, o.pid, o.holder
    FROM (SELECT) AS always
    LEFT JOIN (
        SELECT a.backend_xid AS xid, a.xact_start AS since, a.pid,
               format('%s in %s, %s: %s', coalesce(nullif(a.application_name, ''), a.usename, 'unknown'),
                      coalesce(a.datname, '-'), coalesce(a.state, a.backend_type),
                      CASE WHEN a.usename IN ('rhone_api', 'rhone_worker', 'rhone_projector') THEN left(a.query, 200)
                           ELSE 'a statement of ' || coalesce(a.usename, 'nobody') END) AS holder
        FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()
        UNION ALL
        SELECT p.transaction, p.prepared, NULL, format('prepared transaction %s in %s', p.gid, p.database)
        FROM pg_prepared_xacts p
        ORDER BY 2 LIMIT 1
    ) AS o ON true
$$;

-- The first tokens of a platform, which nobody asks for, are made by the worker's role: it answers no stranger.
REVOKE EXECUTE ON FUNCTION identity.issue(uuid, bytea, text, uuid, uuid, uuid, uuid, text, timestamptz) FROM rhone_api;
GRANT EXECUTE ON FUNCTION identity.issue(uuid, bytea, text, uuid, uuid, uuid, uuid, text, timestamptz) TO rhone_worker;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.used(bytea) TO rhone_api, rhone_worker;
GRANT EXECUTE ON FUNCTION identity.person(), identity.signed_in(bytea, uuid, text, text, text, text, text),
    identity.open_session(uuid, bytea, text, text, int, int, bytea), identity.sessions_of(), identity.revoke_session(uuid),
    identity.revoke_other_sessions(uuid), identity.tokens_of(uuid, boolean, bigint), identity.token(uuid) TO rhone_api;

RESET ROLE;

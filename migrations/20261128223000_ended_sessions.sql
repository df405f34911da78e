-- How a session ended, and which session or token ended it: a person whose browser was signed out can look at that afterwards, for
-- thirty days from its last use on. The trap avoided: the former program, which names nobody, must go on while this one is put in.
SET ROLE rhone_owner;

ALTER TABLE identity.sessions
    ADD COLUMN ended text CHECK (ended IN ('signed_out', 'revoked', 'replaced')),
    ADD COLUMN ended_by uuid;

CREATE OR REPLACE FUNCTION identity.open_session(p_session uuid, p_hash bytea, p_agent text, p_address text, p_idle int,
                                                 p_seconds int, p_before bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE identity.sessions SET revoked_at = clock_timestamp(), ended = 'replaced', ended_by = p_session
    WHERE revoked_at IS NULL AND (hash = p_before OR former_hash = p_before);
    DELETE FROM identity.sessions s
    WHERE s.actor = identity.asking() AND NOT identity.stands(s) AND s.used_at < clock_timestamp() - interval '30 days';
    UPDATE identity.sessions SET revoked_at = clock_timestamp(), ended = 'replaced', ended_by = p_session WHERE session IN (
        SELECT s.session FROM identity.sessions s WHERE s.actor = identity.asking() AND identity.stands(s)
        ORDER BY s.created_at DESC, s.session OFFSET 49);
    INSERT INTO identity.sessions (session, actor, hash, privileges, idle, expires_at, agent, address)
    VALUES (p_session, identity.asking(), p_hash, identity.privileges(identity.asking()), make_interval(secs => p_idle),
            clock_timestamp() + make_interval(secs => p_seconds), p_agent, p_address)
$$;

CREATE OR REPLACE FUNCTION identity.end_session(p_hash bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE identity.sessions SET revoked_at = clock_timestamp(), ended = 'signed_out', ended_by = session
    WHERE revoked_at IS NULL AND (hash = p_hash OR former_hash = p_hash)
$$;

DROP FUNCTION identity.revoke_session(uuid);
CREATE FUNCTION identity.revoke_session(p_session uuid, p_by uuid DEFAULT NULL) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE identity.sessions s SET revoked_at = clock_timestamp(), ended = 'revoked', ended_by = p_by
        WHERE s.session = p_session AND s.actor = identity.asking() AND identity.stands(s) RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
$$;

DROP FUNCTION identity.revoke_other_sessions(uuid);
CREATE FUNCTION identity.revoke_other_sessions(p_but uuid, p_by uuid DEFAULT NULL) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        UPDATE identity.sessions s SET revoked_at = clock_timestamp(), ended = 'revoked', ended_by = p_by
        WHERE s.actor = identity.asking() AND s.session IS DISTINCT FROM p_but AND identity.stands(s) RETURNING 1)
    SELECT count(*) FROM done
$$;

CREATE FUNCTION identity.ended_sessions()
RETURNS TABLE (session uuid, created_at timestamptz, ended_at timestamptz, ended text, ended_by uuid, agent text, address text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.session, s.created_at, coalesce(s.revoked_at, least(s.expires_at, s.used_at + s.idle)),
           CASE WHEN s.revoked_at IS NULL THEN 'expired' ELSE s.ended END, s.ended_by, s.agent, s.address
    FROM identity.sessions s WHERE s.actor = identity.asking() AND NOT identity.stands(s)
    ORDER BY 3 DESC, s.session LIMIT 50
$$;

REVOKE ALL ON FUNCTION identity.revoke_session(uuid, uuid), identity.revoke_other_sessions(uuid, uuid),
    identity.ended_sessions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.revoke_session(uuid, uuid), identity.revoke_other_sessions(uuid, uuid),
    identity.ended_sessions() TO rhone_api;

RESET ROLE;

-- The answer that brings a session's next cookie may be lost: a client that hangs up never has it. So the former cookie counts until
-- the next one is shown for the first time, and for half a minute in any case; and whoever still shows it after that half minute is
-- given another one, while the one that nobody ever showed ends. Not sooner: answers that arrive in another order than they were
-- made would leave a browser with one that has ended.
SET ROLE rhone_owner;

-- The cookie was made in place of the former one, and nobody has shown it yet.
ALTER TABLE identity.sessions ADD COLUMN unshown boolean NOT NULL DEFAULT false;

-- Whose cookie it is, and whether it must be replaced: because the actor may do something else by now, or because what was made in
-- its place never came back. Written at most once a minute, and when a new cookie is shown for the first time.
CREATE OR REPLACE FUNCTION identity.session(p_hash bytea) RETURNS TABLE (session uuid, actor uuid, stale boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    held identity.sessions;
BEGIN
    SELECT * INTO held FROM identity.sessions s
    WHERE (s.hash = p_hash OR (s.former_hash = p_hash AND (s.unshown OR s.former_until > clock_timestamp())))
      AND identity.stands(s);
    IF held.session IS NULL THEN
        RETURN;
    END IF;
    IF held.used_at < clock_timestamp() - interval '1 minute' OR (held.unshown AND held.hash = p_hash) THEN
        UPDATE identity.sessions s SET used_at = clock_timestamp(), unshown = s.unshown AND s.hash <> p_hash
        WHERE s.session = held.session;
    END IF;
    RETURN QUERY SELECT held.session, held.actor,
        CASE WHEN held.hash = p_hash THEN held.privileges <> identity.privileges(held.actor) ELSE held.unshown END;
END $$;

-- Another cookie for the same session. Of several requests with the old one, one is given the new one; the others had
-- better not be told that they are nobody, so the old one counts for a moment, and until the new one has arrived.
CREATE OR REPLACE FUNCTION identity.rotate_session(p_session uuid, p_hash bytea, p_next bytea) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH done AS (
        UPDATE identity.sessions s
        SET former_hash = p_hash, former_until = clock_timestamp() + interval '30 seconds', hash = p_next, unshown = true,
            privileges = identity.privileges(s.actor)
        WHERE s.session = p_session AND identity.stands(s)
          AND (s.hash = p_hash OR (s.former_hash = p_hash AND s.unshown AND s.former_until <= clock_timestamp()))
        RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
$$;

RESET ROLE;

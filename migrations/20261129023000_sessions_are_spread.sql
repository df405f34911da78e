-- When a session was last used is written down as it is of a token: at most every half a minute to a minute, which of that is each
-- cookie's own. Those that were used in one second were all due in one second a minute later.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION identity.session(p_hash bytea) RETURNS TABLE (session uuid, actor uuid, stale boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    held identity.sessions;
BEGIN
    SELECT * INTO held FROM identity.sessions s
    WHERE (s.hash = p_hash OR (s.former_hash = p_hash AND s.former_until > clock_timestamp())) AND identity.stands(s);
    IF held.session IS NULL THEN
        RETURN;
    END IF;
    IF held.used_at <= clock_timestamp() - interval '30 seconds' * (1 + get_byte(held.hash, 31) / 256.0) THEN
        UPDATE identity.sessions s SET used_at = clock_timestamp() WHERE s.session = held.session;
    END IF;
    RETURN QUERY SELECT held.session, held.actor,
        held.hash = p_hash AND held.privileges <> identity.privileges(held.actor);
END $$;

RESET ROLE;

-- A session that ran out had ended before its browser signed in or out once more with the cookie that it still had: it is told as
-- expired, and since when. The trap avoided: an end that is told as what came after it.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION identity.ended_sessions()
RETURNS TABLE (session uuid, created_at timestamptz, ended_at timestamptz, ended text, ended_by uuid, agent text, address text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.session, s.created_at, least(s.revoked_at, o.until), CASE WHEN o.ran_out THEN 'expired' ELSE s.ended END,
           CASE WHEN NOT o.ran_out THEN s.ended_by END, s.agent, s.address
    FROM identity.sessions s
    CROSS JOIN LATERAL (SELECT least(s.expires_at, s.used_at + s.idle) AS until) u
    CROSS JOIN LATERAL (SELECT u.until, coalesce(s.revoked_at >= u.until, true) AS ran_out) o
    WHERE s.actor = identity.asking() AND NOT identity.stands(s)
    ORDER BY 3 DESC, s.session LIMIT 50
$$;

RESET ROLE;

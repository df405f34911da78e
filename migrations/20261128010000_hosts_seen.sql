-- When hosts were heard last, for the API to judge whether one may be retired. What an edge or a runner says besides stays out of
-- its reach.
SET ROLE rhone_owner;

CREATE FUNCTION status.hosts_seen(p_hosts uuid[]) RETURNS TABLE (host uuid, seen_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT h.host, h.seen_at FROM status.hosts h WHERE h.host = ANY (p_hosts)
$$;
REVOKE ALL ON FUNCTION status.hosts_seen(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION status.hosts_seen(uuid[]) TO rhone_api;

RESET ROLE;

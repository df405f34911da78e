-- For how long hosts were not heard, by the clock that notes when they are, for the API to judge whether one may be retired; beside
-- it for how long none of the others was that may come back. What an edge or a runner says besides stays out of its reach.
SET ROLE rhone_owner;

CREATE FUNCTION status.hosts_seen(p_hosts uuid[])
    RETURNS TABLE (host uuid, silence_ms bigint, others_silence_ms bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT h.host,
           (extract(epoch FROM clock_timestamp() - h.seen_at) * 1000)::bigint,
           (SELECT (extract(epoch FROM clock_timestamp() - max(o.seen_at)) * 1000)::bigint
            FROM status.hosts o JOIN authority.hosts a ON a.host = o.host
            WHERE o.host <> h.host AND a.state <> 'retired')
    FROM status.hosts h WHERE h.host = ANY (p_hosts)
$$;
REVOKE ALL ON FUNCTION status.hosts_seen(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION status.hosts_seen(uuid[]) TO rhone_api;

RESET ROLE;

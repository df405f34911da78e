-- What edges say of themselves, as any user may see it: nothing of what names a tenant's allocations or environments, such as
-- when they were used and how many of their sockets were closed.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION status.live_edges(p_region uuid, p_seconds double precision) RETURNS SETOF json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT (e.body::jsonb
            || '{"sessions": [], "observations": [], "quarantined": [], "activity": [], "closed": []}')::json
    FROM status.edges e
    WHERE e.region = p_region AND e.reported_at > clock_timestamp() - make_interval(secs => p_seconds)
    ORDER BY e.edge
$$;

RESET ROLE;

-- What the API judges sleeps and drains of hosts by, before anybody asks for one. What an edge says of other tenants' sessions,
-- and what runs on a host besides the caller's own, stays out of its reach but for who runs the platform. The trap avoided: a
-- function that passes by row-level security and tells of the environment, or host, that it is given.
SET ROLE rhone_owner;

-- What is open on the allocations of each of these environments, and when they were used last, as every edge says that reported
-- within so many seconds; and how many more were heard within the longer time and are silent now. To those who belong there.
CREATE FUNCTION status.used_environments(p_environments uuid[], p_live double precision, p_silent double precision)
    RETURNS TABLE (environment uuid, edges json, silent bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    -- Each report is read once, however many environments are asked about.
    WITH said AS MATERIALIZED (
        SELECT e.edge, e.region, e.reported_at, e.body::jsonb AS body FROM status.edges e
        WHERE e.reported_at > clock_timestamp() - make_interval(secs => p_live))
    SELECT r.environment,
           (SELECT coalesce(json_agg(e.body || jsonb_build_object('observations', '[]'::jsonb, 'quarantined', '[]'::jsonb,
                       'closed', '[]'::jsonb,
                       'sessions', jsonb_path_query_array(e.body, '$.sessions[*] ? (@.allocation == $of[*])', of.it),
                       'activity', jsonb_path_query_array(e.body, '$.activity[*] ? (@.allocation == $of[*])', of.it))
                       ORDER BY e.edge), '[]')
            FROM said e
            WHERE e.region = r.region),
           (SELECT count(*) FROM status.edges e
            WHERE e.region = r.region AND e.reported_at <= clock_timestamp() - make_interval(secs => p_live)
              AND e.reported_at > clock_timestamp() - make_interval(secs => p_silent))
    FROM authority.route_owners r
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object('of', coalesce(jsonb_agg(a.allocation), '[]'::jsonb)) AS it FROM authority.allocations a
        WHERE a.environment = r.environment AND NOT a.ended) of
    WHERE r.environment = ANY (p_environments) AND r.workspace = ANY (authority.workspaces())
$$;

-- The hosts of each of these hosts' cells, what runs on it, and how many sessions are open there. To who runs the platform.
CREATE FUNCTION status.emptied_hosts(p_hosts uuid[], p_live double precision)
    RETURNS TABLE (host uuid, hosts json, allocations json, sessions json)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.host,
           (SELECT json_agg(json_build_object('host', o.host, 'state', o.state, 'capacity', o.capacity,
                       'held', (SELECT count(*) FROM authority.allocations a WHERE a.host = o.host AND NOT a.ended),
                       'heard', coalesce(s.seen_at > clock_timestamp() - make_interval(secs => p_live), false))
                       ORDER BY o.host)
            FROM authority.hosts o LEFT JOIN status.hosts s ON s.host = o.host WHERE o.cell = h.cell),
           (SELECT coalesce(json_agg(a.body ORDER BY a.allocation), '[]') FROM authority.allocations a
            WHERE a.host = h.host AND NOT a.ended),
           (SELECT coalesce(json_agg(open.one), '[]')
            FROM status.edges e CROSS JOIN LATERAL json_array_elements(e.body->'sessions') AS open (one)
            JOIN authority.allocations a ON a.allocation = (open.one->>'allocation')::uuid
            WHERE a.host = h.host AND NOT a.ended AND e.region = h.region
              AND e.reported_at > clock_timestamp() - make_interval(secs => p_live))
    FROM authority.hosts h WHERE h.host = ANY (p_hosts) AND identity.runs_the_platform()
$$;
REVOKE ALL ON FUNCTION status.used_environments(uuid[], double precision, double precision),
    status.emptied_hosts(uuid[], double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION status.used_environments(uuid[], double precision, double precision),
    status.emptied_hosts(uuid[], double precision) TO rhone_api;

RESET ROLE;

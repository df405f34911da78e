-- Who uploaded which bytes: only they may register them, so that nobody learns from a registration what others store.
-- Writer: the API's upload endpoint.
SET ROLE rhone_owner;

CREATE TABLE status.uploads (
    actor       uuid NOT NULL,
    digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
    uploaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (actor, digest)
);
ALTER TABLE status.uploads ENABLE ROW LEVEL SECURITY;
CREATE POLICY worker ON status.uploads TO rhone_worker USING (true) WITH CHECK (true);
CREATE POLICY own ON status.uploads FOR SELECT TO rhone_api
    USING (actor = nullif(current_setting('rhone.actor', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON status.uploads TO rhone_worker;
GRANT SELECT ON status.uploads TO rhone_api;

-- What an edge says of every tenant's environments, allocations and sessions is not the API's to read.
REVOKE SELECT ON status.edges, status.hosts FROM rhone_api;
CREATE FUNCTION status.live_edges(p_region uuid, p_seconds double precision) RETURNS SETOF json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT (e.body::jsonb || '{"sessions": [], "observations": [], "quarantined": []}')::json FROM status.edges e
    WHERE e.region = p_region AND e.reported_at > clock_timestamp() - make_interval(secs => p_seconds)
    ORDER BY e.edge
$$;
REVOKE ALL ON FUNCTION status.live_edges(uuid, double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION status.live_edges(uuid, double precision) TO rhone_api;

RESET ROLE;

-- What is not an event: named plain tables, each with one writer (listed in ARCHITECTURE.md).

CREATE SCHEMA status AUTHORIZATION rhone_owner;
CREATE SCHEMA identity AUTHORIZATION rhone_owner;
GRANT USAGE ON SCHEMA status TO rhone_api, rhone_worker;
GRANT USAGE ON SCHEMA identity TO rhone_api, rhone_worker;
SET ROLE rhone_owner;

-- What each edge said of itself last. Writer: the API's edge endpoint.
CREATE TABLE status.edges (
    edge        uuid PRIMARY KEY,
    region      uuid NOT NULL,
    body        json NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
CREATE INDEX edges_of_region ON status.edges (region);

-- When each host's runner was heard last. Writer: the API's runner endpoint.
CREATE TABLE status.hosts (
    host    uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON status.edges, status.hosts TO rhone_worker;
GRANT SELECT ON status.edges, status.hosts TO rhone_api;

-- API, edge and runner tokens, by hash. Writer: identity.issue and identity.revoke.
CREATE TABLE identity.tokens (
    token      uuid PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    kind       text NOT NULL CHECK (kind IN ('user', 'token', 'edge', 'runner')),
    actor      uuid NOT NULL,
    workspace  uuid,
    region     uuid,
    host       uuid,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    CHECK ((kind = 'edge') = (region IS NOT NULL AND host IS NULL)),
    CHECK ((kind = 'runner') = (host IS NOT NULL))
);

CREATE FUNCTION identity.authenticate(p_hash bytea)
RETURNS TABLE (token uuid, kind text, actor uuid, workspace uuid, region uuid, host uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT t.token, t.kind, t.actor, t.workspace, t.region, t.host FROM identity.tokens t
    WHERE t.hash = p_hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
$$;

CREATE FUNCTION identity.issue(p_token uuid, p_hash bytea, p_kind text, p_actor uuid, p_workspace uuid, p_region uuid,
                               p_host uuid, p_name text, p_expires_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO identity.tokens (token, hash, kind, actor, workspace, region, host, name, expires_at)
    VALUES (p_token, p_hash, p_kind, p_actor, p_workspace, p_region, p_host, p_name, p_expires_at)
    ON CONFLICT (hash) DO NOTHING
$$;

CREATE FUNCTION identity.revoke(p_token uuid, p_actor uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH done AS (
        UPDATE identity.tokens SET revoked_at = clock_timestamp()
        WHERE token = p_token AND actor = p_actor AND revoked_at IS NULL RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
$$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.authenticate(bytea), identity.revoke(uuid, uuid),
    identity.issue(uuid, bytea, text, uuid, uuid, uuid, uuid, text, timestamptz) TO rhone_api;
GRANT EXECUTE ON FUNCTION identity.authenticate(bytea) TO rhone_worker;

RESET ROLE;

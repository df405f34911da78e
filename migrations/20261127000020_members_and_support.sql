-- Who may do what in a workspace: role and custom grants, as the workspace's stream says, at its version, so that an append
-- can assert that nothing about it has changed. Support accesses stand beside. The trap avoided: a member who was removed
-- and whose row stays; the rows of a workspace are replaced as a whole.
SET ROLE rhone_owner;

ALTER TABLE authority.members
    ADD COLUMN projects     json NOT NULL DEFAULT '{}',
    ADD COLUMN environments json NOT NULL DEFAULT '{}',
    ADD COLUMN version      bigint NOT NULL DEFAULT 0;
UPDATE authority.members m SET version = h.version FROM log.heads h WHERE h.stream = 'workspace:' || m.workspace::text;

CREATE TABLE authority.support (
    access       uuid PRIMARY KEY,
    workspace    uuid NOT NULL,
    on_behalf_of uuid NOT NULL,
    reason       text NOT NULL,
    until        timestamptz NOT NULL,
    ended        boolean NOT NULL
);
CREATE INDEX support_of_workspace ON authority.support (workspace);
ALTER TABLE authority.support ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON authority.support FOR SELECT TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
CREATE POLICY worker ON authority.support FOR SELECT TO rhone_worker USING (true);
GRANT SELECT ON authority.support TO rhone_api, rhone_worker;

CREATE FUNCTION authority.apply_workspace(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM authority.members WHERE workspace = (r->>'workspace')::uuid;
    INSERT INTO authority.members (actor, workspace, role, projects, environments, version)
    SELECT (m->>'actor')::uuid, (r->>'workspace')::uuid, m->>'role', m->'projects', m->'environments',
           (r->>'version')::bigint
    FROM json_array_elements(r->'members') AS m;
    INSERT INTO authority.support AS s (access, workspace, on_behalf_of, reason, until, ended)
    SELECT (a->>'access')::uuid, (r->>'workspace')::uuid, (a->>'user')::uuid, a->>'reason',
           (a->>'until')::timestamptz, (a->>'ended')::boolean
    FROM json_array_elements(r->'support') AS a
    ON CONFLICT (access) DO UPDATE SET ended = excluded.ended WHERE s.ended <> excluded.ended;
END $$;

-- Tokens of support: bound to an access, valid no longer than it lasts and while its user belongs to the workspace.
ALTER TABLE identity.tokens
    DROP CONSTRAINT tokens_kind_check,
    ADD CONSTRAINT tokens_kind_check CHECK (kind IN ('user', 'token', 'edge', 'runner', 'support')),
    ADD COLUMN access uuid,
    ADD CONSTRAINT tokens_of_support CHECK ((kind = 'support') = (access IS NOT NULL));
CREATE INDEX tokens_of_supporter ON identity.tokens (actor) WHERE access IS NOT NULL;

-- The access and the member behind it, while both stand.
CREATE FUNCTION authority.supported(p_access uuid) RETURNS TABLE (workspace uuid, on_behalf_of uuid, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT s.workspace, s.on_behalf_of, s.until FROM authority.support s
    JOIN authority.members m ON m.workspace = s.workspace AND m.actor = s.on_behalf_of
    WHERE s.access = p_access AND NOT s.ended AND s.until > clock_timestamp()
$$;

DROP FUNCTION identity.authenticate(bytea);
CREATE FUNCTION identity.authenticate(p_hash bytea)
RETURNS TABLE (token uuid, kind text, actor uuid, workspace uuid, region uuid, host uuid, on_behalf_of uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT t.token, t.kind, t.actor, coalesce(s.workspace, t.workspace), t.region, t.host, s.on_behalf_of
    FROM identity.tokens t LEFT JOIN LATERAL authority.supported(t.access) s ON true
    WHERE t.hash = p_hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
      AND (t.access IS NULL OR s.on_behalf_of IS NOT NULL)
$$;

CREATE FUNCTION identity.issue_support(p_token uuid, p_hash bytea, p_actor uuid, p_access uuid, p_name text)
RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH made AS (
        INSERT INTO identity.tokens (token, hash, kind, actor, workspace, access, name, expires_at)
        SELECT p_token, p_hash, 'support', p_actor, s.workspace, p_access, p_name, s.until
        FROM authority.supported(p_access) s RETURNING 1)
    SELECT EXISTS (SELECT FROM made)
$$;
REVOKE ALL ON FUNCTION identity.authenticate(bytea), authority.supported(uuid),
    identity.issue_support(uuid, bytea, uuid, uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.authenticate(bytea) TO rhone_api, rhone_worker;
GRANT EXECUTE ON FUNCTION identity.issue_support(uuid, bytea, uuid, uuid, text) TO rhone_api;

-- Support may append, too, while an access lasts; for whom stands in every event.
CREATE OR REPLACE FUNCTION authority.may_write(p_role name, p_actor uuid, p_workspace uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT p_role <> 'rhone_api'
        OR EXISTS (SELECT FROM authority.members m WHERE m.actor = p_actor AND m.workspace = p_workspace)
        OR NOT EXISTS (SELECT FROM authority.members m WHERE m.workspace = p_workspace)
        OR EXISTS (SELECT FROM identity.tokens t, LATERAL authority.supported(t.access) s
                   WHERE t.actor = p_actor AND t.access IS NOT NULL AND t.revoked_at IS NULL
                     AND s.workspace = p_workspace)
$$;

RESET ROLE;

-- Invitations: written with the workspace's other rows, whole each time; what was used or revoked leaves no row. Who shows a
-- secret belongs to nothing yet, so the stream that it opens is read through a function that asks for the secret's SHA-256,
-- and may_write is told it by a setting of the append's own transaction. The trap avoided: a policy that lets everybody look.
SET ROLE rhone_owner;

CREATE TABLE authority.invitations (
    invitation uuid PRIMARY KEY,
    workspace  uuid NOT NULL,
    role       text NOT NULL,
    secret     bytea NOT NULL UNIQUE CHECK (length(secret) = 32),
    invited_by uuid NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL
);
CREATE INDEX invitations_of_workspace ON authority.invitations (workspace, invitation);
ALTER TABLE authority.invitations ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON authority.invitations FOR SELECT TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
CREATE POLICY worker ON authority.invitations FOR SELECT TO rhone_worker USING (true);
GRANT SELECT ON authority.invitations TO rhone_api, rhone_worker;

CREATE OR REPLACE FUNCTION authority.apply_workspace(r json) RETURNS void
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
    DELETE FROM authority.invitations WHERE workspace = (r->>'workspace')::uuid;
    INSERT INTO authority.invitations (invitation, workspace, role, secret, invited_by, since, until)
    SELECT (i->>'invitation')::uuid, (r->>'workspace')::uuid, i->>'role', decode(i->>'secret', 'hex'),
           (i->>'by')::uuid, (i->>'since')::timestamptz, (i->>'until')::timestamptz
    FROM json_array_elements(r->'invitations') AS i;
END $$;

-- The workspace that this secret opens now; none for one that is unknown, used, revoked or over.
CREATE FUNCTION authority.opened(p_secret bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT i.workspace FROM authority.invitations i WHERE i.secret = p_secret AND i.until > clock_timestamp()
$$;

-- The workspace's own stream, as whoever has the secret may see it, and no other stream.
CREATE FUNCTION authority.read_opened(p_secret bytea, p_stream text, p_after bigint) RETURNS SETOF log.recorded
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT r.* FROM log.recorded r
    WHERE r.stream = p_stream COLLATE "C" AND r.stream = 'workspace:' || authority.opened(p_secret)::text
      AND r.version > p_after ORDER BY r.stream, r.version
$$;

-- Whoever shows a secret that opens the workspace may append, too, with what shows it.
CREATE OR REPLACE FUNCTION authority.may_write(p_role name, p_actor uuid, p_workspace uuid) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    SELECT p_role <> 'rhone_api'
        OR EXISTS (SELECT FROM authority.members m WHERE m.actor = p_actor AND m.workspace = p_workspace)
        OR NOT EXISTS (SELECT FROM authority.members m WHERE m.workspace = p_workspace)
        OR EXISTS (SELECT FROM identity.tokens t, LATERAL authority.supported(t.access) s
                   WHERE t.actor = p_actor AND t.access IS NOT NULL AND t.revoked_at IS NULL
                     AND s.workspace = p_workspace)
        OR authority.opened(decode(nullif(current_setting('rhone.secret', true), ''), 'hex')) = p_workspace
$$;

REVOKE ALL ON FUNCTION authority.opened(bytea), authority.read_opened(bytea, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.opened(bytea), authority.read_opened(bytea, text, bigint) TO rhone_api;

RESET ROLE;

-- A change of who belongs to a workspace writes the rows that differ. All rows of all its members were written anew, because each
-- carried the workspace's version: in a workspace of some hundred members one more cost three times what any other change does.
-- The version to be asserted is that of the workspace's head, read in the same snapshot. The trap avoided stays: who was
-- removed leaves no row.
SET ROLE rhone_owner;

COMMENT ON COLUMN authority.members.version IS
    'Which version of the workspace wrote this row. What an append asserts is authority.memberships'' version, the head''s.';

CREATE OR REPLACE FUNCTION authority.apply_workspace(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_workspace uuid := (r->>'workspace')::uuid;
    v_version bigint := (r->>'version')::bigint;
BEGIN
    -- Sets are compared as sets (EXCEPT): an anti-join of unknown sizes may be planned row by row.
    WITH gone AS (
        DELETE FROM authority.members m WHERE m.workspace = v_workspace AND m.actor IN (
            SELECT o.actor FROM authority.members o WHERE o.workspace = v_workspace
            EXCEPT SELECT (k->>'actor')::uuid FROM json_array_elements(r->'members') AS k)
        RETURNING m.actor
    )
    UPDATE identity.tokens t SET revoked_at = clock_timestamp() FROM gone
    WHERE t.actor = gone.actor AND t.workspace = v_workspace AND t.kind IN ('user', 'token') AND t.revoked_at IS NULL;
    INSERT INTO authority.members (actor, workspace, role, projects, environments, version)
    SELECT d.actor, v_workspace, d.role, d.projects::json, d.environments::json, v_version FROM (
        SELECT (k->>'actor')::uuid AS actor, k->>'role' AS role, (k->'projects')::text AS projects,
               (k->'environments')::text AS environments
        FROM json_array_elements(r->'members') AS k
        EXCEPT SELECT o.actor, o.role, o.projects::text, o.environments::text
        FROM authority.members o WHERE o.workspace = v_workspace
    ) AS d
    ON CONFLICT (actor, workspace) DO UPDATE SET role = excluded.role, projects = excluded.projects,
        environments = excluded.environments, version = excluded.version;
    INSERT INTO authority.support AS s (access, workspace, on_behalf_of, reason, until, ended)
    SELECT (a->>'access')::uuid, v_workspace, (a->>'user')::uuid, a->>'reason', (a->>'until')::timestamptz,
           (a->>'ended')::boolean
    FROM json_array_elements(r->'support') AS a
    ON CONFLICT (access) DO UPDATE SET ended = excluded.ended WHERE s.ended <> excluded.ended;
    -- An invitation never changes; it is open or not there.
    DELETE FROM authority.invitations i WHERE i.workspace = v_workspace AND i.invitation IN (
        SELECT o.invitation FROM authority.invitations o WHERE o.workspace = v_workspace
        EXCEPT SELECT (k->>'invitation')::uuid FROM json_array_elements(r->'invitations') AS k);
    INSERT INTO authority.invitations (invitation, workspace, role, secret, invited_by, since, until)
    SELECT (i->>'invitation')::uuid, v_workspace, i->>'role', decode(i->>'secret', 'hex'), (i->>'by')::uuid,
           (i->>'since')::timestamptz, (i->>'until')::timestamptz
    FROM json_array_elements(r->'invitations') AS i ON CONFLICT DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION authority.memberships(p_actor uuid, p_scope uuid) RETURNS SETOF authority.members
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    PERFORM set_config('rhone.actor', coalesce(p_actor::text, ''), true),
            set_config('rhone.workspace', coalesce(p_scope::text, ''), true);
    RETURN QUERY
        SELECT m.actor, m.workspace, m.role, m.projects, m.environments, h.version
        FROM authority.members m JOIN log.heads h ON h.stream = ('workspace:' || m.workspace::text) COLLATE "C"
        WHERE m.actor = p_actor;
END
$$;

RESET ROLE;

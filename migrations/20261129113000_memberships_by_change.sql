-- Who may do what in a workspace is written by what an append changes of it; it was written whole, and handed over and compared
-- whole, so that every change took as long as there were members. A row's version is that of its last change. What a membership
-- says holds at the version of the workspace's head, and that is asked of the head. The traps avoided: a change that costs all
-- members; a head that is found by going through all of them.
-- authority.apply_workspace stays for processes of the version before.
SET ROLE rhone_owner;

-- What one member is now; a membership of null has ended, and with it for good the holder's tokens of this workspace.
CREATE FUNCTION authority.apply_membership(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p_actor     uuid := (r->>'actor')::uuid;
    p_workspace uuid := (r->>'workspace')::uuid;
    is_now      json := r->'membership';
BEGIN
    IF json_typeof(is_now) = 'object' THEN
        INSERT INTO authority.members AS m (actor, workspace, role, projects, environments, version)
        VALUES (p_actor, p_workspace, is_now->>'role', coalesce(is_now->'projects', '{}'),
                coalesce(is_now->'environments', '{}'), (r->>'version')::bigint)
        ON CONFLICT (actor, workspace) DO UPDATE SET role = excluded.role, projects = excluded.projects,
            environments = excluded.environments, version = excluded.version;
    ELSE
        DELETE FROM authority.members m WHERE m.actor = p_actor AND m.workspace = p_workspace;
        UPDATE identity.tokens t SET revoked_at = clock_timestamp()
        WHERE t.actor = p_actor AND t.workspace = p_workspace AND t.kind IN ('user', 'token') AND t.revoked_at IS NULL;
    END IF;
END $$;

-- A time of support.
CREATE FUNCTION authority.apply_support(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO authority.support (access, workspace, on_behalf_of, reason, until, ended)
    VALUES ((r->>'access')::uuid, (r->>'workspace')::uuid, (r->>'user')::uuid, r->>'reason', (r->>'until')::timestamptz,
            (r->>'ended')::boolean)
    ON CONFLICT (access) DO UPDATE SET ended = excluded.ended;
END $$;

-- All invitations that are kept, of which there are never many: one that is made makes those forgotten that are over.
CREATE FUNCTION authority.apply_invitations(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM authority.invitations i WHERE i.workspace = (r->>'workspace')::uuid;
    INSERT INTO authority.invitations (invitation, workspace, role, secret, invited_by, since, until)
    SELECT (i->>'invitation')::uuid, (r->>'workspace')::uuid, i->>'role', decode(i->>'secret', 'hex'),
           (i->>'by')::uuid, (i->>'since')::timestamptz, (i->>'until')::timestamptz
    FROM json_array_elements(r->'invitations') AS i;
END $$;

REVOKE ALL ON FUNCTION authority.apply_membership(json), authority.apply_support(json), authority.apply_invitations(json)
    FROM PUBLIC;

-- Memberships and heads are read by one statement, and so in one snapshot. The names of the streams are put together before the
-- heads are asked for: row-level security lets no index be used by a name that is put together beside it.
CREATE OR REPLACE FUNCTION authority.memberships(p_actor uuid, p_scope uuid) RETURNS SETOF authority.members
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    v_streams text[];
BEGIN
    PERFORM set_config('rhone.actor', coalesce(p_actor::text, ''), true),
            set_config('rhone.workspace', coalesce(p_scope::text, ''), true);
    SELECT array_agg('workspace:' || m.workspace::text) INTO v_streams FROM authority.members m WHERE m.actor = p_actor;
    RETURN QUERY
        WITH heads AS MATERIALIZED (SELECT h.workspace, h.version FROM log.heads h WHERE h.stream = ANY (v_streams))
        SELECT m.actor, m.workspace, m.role, m.projects, m.environments, coalesce(h.version, m.version)
        FROM authority.members m LEFT JOIN heads h USING (workspace) WHERE m.actor = p_actor;
END
$$;

RESET ROLE;

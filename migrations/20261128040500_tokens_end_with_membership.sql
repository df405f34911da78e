-- A token of one workspace ends with its holder's membership: by the append that records that they left or were removed, and for
-- good. The trap avoided: a token that is refused only while its holder is away, which nobody can end meanwhile, and which is
-- good again when they come back.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION authority.apply_workspace(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE identity.tokens t SET revoked_at = clock_timestamp()
    FROM authority.members m
    WHERE m.workspace = (r->>'workspace')::uuid AND t.actor = m.actor AND t.workspace = m.workspace
      AND t.kind IN ('user', 'token') AND t.revoked_at IS NULL
      AND NOT EXISTS (SELECT FROM json_array_elements(r->'members') AS k WHERE (k->>'actor')::uuid = m.actor);
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

-- Those whose holders left before.
UPDATE identity.tokens t SET revoked_at = clock_timestamp()
WHERE t.kind IN ('user', 'token') AND t.workspace IS NOT NULL AND t.revoked_at IS NULL
  AND NOT EXISTS (SELECT FROM authority.members m WHERE m.workspace = t.workspace AND m.actor = t.actor);

RESET ROLE;

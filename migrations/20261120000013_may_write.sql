-- Who may append through the API's role: a member of the workspace, or whoever opens one that nobody belongs to yet. The
-- API checks this first; here it holds even where that check were missing.
SET ROLE rhone_owner;

CREATE INDEX members_of_workspace ON authority.members (workspace);

CREATE OR REPLACE FUNCTION authority.may_write(p_role name, p_actor uuid, p_workspace uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT p_role <> 'rhone_api'
        OR EXISTS (SELECT FROM authority.members m WHERE m.actor = p_actor AND m.workspace = p_workspace)
        OR NOT EXISTS (SELECT FROM authority.members m WHERE m.workspace = p_workspace)
$$;

RESET ROLE;

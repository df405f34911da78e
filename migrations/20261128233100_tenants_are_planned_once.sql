-- Which tenants somebody sees is asked by every read of the API: row-level security names it. As a function in SQL it was parsed
-- and planned at every one of them.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION authority.workspaces() RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT coalesce(array_agg(t.workspace), '{}') FROM (
            SELECT m.workspace FROM authority.members m
            WHERE m.actor = nullif(current_setting('rhone.actor', true), '')::uuid
              AND (nullif(current_setting('rhone.workspace', true), '') IS NULL
                   OR m.workspace = nullif(current_setting('rhone.workspace', true), '')::uuid)
            UNION ALL
            SELECT nullif(current_setting('rhone.actor', true), '')::uuid
            WHERE nullif(current_setting('rhone.actor', true), '') IS NOT NULL
              AND nullif(current_setting('rhone.workspace', true), '') IS NULL
        ) t
    );
END $$;

RESET ROLE;

-- Whose a token is is asked by every request of the API, and which tenants that one sees by every read: row-level security names
-- it. As functions in SQL they were parsed and planned at every one of them. What they say is the same. A plan is kept
-- from when there was little, so none goes through all of a table.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION authority.workspaces() RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
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

CREATE OR REPLACE FUNCTION authority.supported(p_access uuid)
RETURNS TABLE (workspace uuid, on_behalf_of uuid, until timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY SELECT s.workspace, s.on_behalf_of, s.until FROM authority.support s
    JOIN authority.members m ON m.workspace = s.workspace AND m.actor = s.on_behalf_of
    WHERE s.access = p_access AND NOT s.ended AND s.until > clock_timestamp();
END $$;

CREATE OR REPLACE FUNCTION identity.authenticate(p_hash bytea)
RETURNS TABLE (token uuid, kind text, actor uuid, workspace uuid, region uuid, host uuid, on_behalf_of uuid,
               grants text[], expires_at timestamptz, use_is_due boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
        SELECT t.token, t.kind, t.actor, coalesce(s.workspace, t.workspace), t.region, t.host, s.on_behalf_of,
               t.grants, t.expires_at, coalesce(t.last_used_at <= clock_timestamp() - interval '1 minute', true)
        FROM identity.tokens t LEFT JOIN LATERAL authority.supported(t.access) s ON true
        WHERE t.hash = p_hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
          AND (t.access IS NULL OR s.on_behalf_of IS NOT NULL);
END $$;

RESET ROLE;

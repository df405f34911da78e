-- When a token was last shown is written down at most every half a minute to a minute, which of that is each token's own.
-- Those that were shown in one second, as after a start, were all due in one second a minute later, and at every minute from
-- then on: for a second every request wrote. The write is no function in SQL any more, which is parsed and planned at every
-- call, and has no plan but by the index.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION identity.authenticate(p_hash bytea)
RETURNS TABLE (token uuid, kind text, actor uuid, workspace uuid, region uuid, host uuid, on_behalf_of uuid,
               grants text[], expires_at timestamptz, use_is_due boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
        SELECT t.token, t.kind, t.actor, coalesce(s.workspace, t.workspace), t.region, t.host, s.on_behalf_of,
               t.grants, t.expires_at,
               coalesce(t.last_used_at <= clock_timestamp() - interval '30 seconds' * (1 + get_byte(t.hash, 31) / 256.0), true)
        FROM identity.tokens t LEFT JOIN LATERAL authority.supported(t.access) s ON true
        WHERE t.hash = p_hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
          AND (t.access IS NULL OR s.on_behalf_of IS NOT NULL);
END $$;

-- Of many at once one writes.
CREATE OR REPLACE FUNCTION identity.used(p_hash bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    UPDATE identity.tokens t SET last_used_at = clock_timestamp()
    WHERE t.hash = p_hash AND coalesce(t.last_used_at <= clock_timestamp() - interval '30 seconds', true);
END $$;

RESET ROLE;

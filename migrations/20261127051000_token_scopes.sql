-- Tokens that may less than their holder, that end, and of which is known when they were last shown. The trap avoided: a write
-- with every request; a use is recorded once a minute and token, and the look-up says whether that is due.
SET ROLE rhone_owner;

ALTER TABLE identity.tokens
    ADD COLUMN grants       text[],
    ADD COLUMN hint         text CHECK (length(hint) <= 4),
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN rotated_at   timestamptz;
COMMENT ON COLUMN identity.tokens.grants IS 'what it leaves of its holder''s rights; NULL: all of them';
COMMENT ON COLUMN identity.tokens.hint IS 'the last characters of the secret, for people';
CREATE INDEX tokens_of_actor ON identity.tokens (actor, token);

DROP FUNCTION identity.authenticate(bytea);
CREATE FUNCTION identity.authenticate(p_hash bytea)
RETURNS TABLE (token uuid, kind text, actor uuid, workspace uuid, region uuid, host uuid, on_behalf_of uuid,
               grants text[], expires_at timestamptz, use_is_due boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT t.token, t.kind, t.actor, coalesce(s.workspace, t.workspace), t.region, t.host, s.on_behalf_of,
           t.grants, t.expires_at, coalesce(t.last_used_at <= clock_timestamp() - interval '1 minute', true)
    FROM identity.tokens t LEFT JOIN LATERAL authority.supported(t.access) s ON true
    WHERE t.hash = p_hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
      AND (t.access IS NULL OR s.on_behalf_of IS NOT NULL)
$$;

-- Of many at once one writes.
CREATE FUNCTION identity.used(p_token uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.tokens SET last_used_at = clock_timestamp()
    WHERE token = p_token AND coalesce(last_used_at <= clock_timestamp() - interval '1 minute', true)
$$;

-- An API token of a person: narrowed to a workspace and to grants, with an end.
CREATE FUNCTION identity.issue_token(p_token uuid, p_hash bytea, p_hint text, p_actor uuid, p_workspace uuid,
                                     p_grants text[], p_name text, p_expires_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO identity.tokens (token, hash, hint, kind, actor, workspace, grants, name, expires_at)
    VALUES (p_token, p_hash, p_hint, 'token', p_actor, p_workspace, p_grants, p_name, p_expires_at)
$$;

-- A token of this actor that is valid and no wider than the one that asks: what asks for less must not end or take over more.
CREATE FUNCTION identity.in_reach(t identity.tokens, p_actor uuid, p_workspace uuid, p_grants text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT t.actor = p_actor AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
       AND (p_workspace IS NULL OR coalesce(t.workspace = p_workspace, false))
       AND (p_grants IS NULL OR coalesce(t.grants <@ p_grants, false))
$$;

DROP FUNCTION identity.revoke(uuid, uuid);
CREATE FUNCTION identity.revoke(p_token uuid, p_actor uuid, p_workspace uuid, p_grants text[]) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH done AS (
        UPDATE identity.tokens t SET revoked_at = clock_timestamp()
        WHERE t.token = p_token AND identity.in_reach(t, p_actor, p_workspace, p_grants) RETURNING 1)
    SELECT EXISTS (SELECT FROM done)
$$;

-- Another secret for the same token; the former one is refused from now on. Its end stays.
CREATE FUNCTION identity.rotate(p_token uuid, p_hash bytea, p_hint text, p_actor uuid, p_workspace uuid,
                                p_grants text[]) RETURNS TABLE (expires_at timestamptz)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE identity.tokens t SET hash = p_hash, hint = p_hint, rotated_at = clock_timestamp()
    WHERE t.token = p_token AND t.kind = 'token' AND identity.in_reach(t, p_actor, p_workspace, p_grants)
    RETURNING t.expires_at
$$;

-- What an actor has, the ended ones too; to a token of one workspace only those of that workspace exist.
CREATE FUNCTION identity.tokens_of(p_actor uuid, p_workspace uuid, p_from uuid, p_newer boolean, p_most bigint)
RETURNS TABLE (token uuid, name text, hint text, workspace uuid, grants text[], created_at timestamptz,
               expires_at timestamptz, last_used_at timestamptz, rotated_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT t.token, t.name, t.hint, t.workspace, t.grants, t.created_at, t.expires_at, t.last_used_at, t.rotated_at,
           t.revoked_at
    FROM identity.tokens t
    WHERE t.actor = p_actor AND t.kind IN ('user', 'token', 'support')
      AND (p_workspace IS NULL OR t.workspace = p_workspace)
      AND (p_from IS NULL OR CASE WHEN p_newer THEN t.token > p_from ELSE t.token < p_from END)
    ORDER BY CASE WHEN p_newer THEN t.token END, t.token DESC LIMIT p_most
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.authenticate(bytea), identity.used(uuid) TO rhone_api, rhone_worker;
GRANT EXECUTE ON FUNCTION identity.issue_token(uuid, bytea, text, uuid, uuid, text[], text, timestamptz),
    identity.revoke(uuid, uuid, uuid, text[]), identity.rotate(uuid, bytea, text, uuid, uuid, text[]),
    identity.tokens_of(uuid, uuid, uuid, boolean, bigint) TO rhone_api;

RESET ROLE;

-- Tokens are made, given another secret and ended by events; the table that callers are looked up in is written by the append
-- (ADR 0023). What concerns no workspace stands in its person's own tenant, whose id is the person's. The trap avoided: a
-- token that is valid and of which the log knows nothing, or the other way round.
SET ROLE rhone_owner;

-- The tenants that the acting principal sees: its memberships, narrowed by the token's own scope if it has one; without
-- one, also what is its own and nobody else's.
CREATE OR REPLACE FUNCTION authority.workspaces() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
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
$$;

-- Nobody writes in what is another person's own. Every person who calls the API has shown a token or signed in.
CREATE FUNCTION identity.is_person(p_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM identity.tokens t WHERE t.actor = p_id)
        OR EXISTS (SELECT FROM identity.users u WHERE u.actor = p_id)
$$;
CREATE OR REPLACE FUNCTION authority.may_write(p_role name, p_actor uuid, p_workspace uuid) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
    SELECT p_role <> 'rhone_api'
        OR EXISTS (SELECT FROM authority.members m WHERE m.actor = p_actor AND m.workspace = p_workspace)
        OR p_actor = p_workspace
        OR NOT EXISTS (SELECT FROM authority.members m WHERE m.workspace = p_workspace)
           AND NOT identity.is_person(p_workspace)
        OR EXISTS (SELECT FROM identity.tokens t, LATERAL authority.supported(t.access) s
                   WHERE t.actor = p_actor AND t.access IS NOT NULL AND t.revoked_at IS NULL
                     AND s.workspace = p_workspace)
        OR authority.opened(decode(nullif(current_setting('rhone.secret', true), ''), 'hex')) = p_workspace
$$;

-- A device's token has its id from the first time that its program may fetch it: fetched twice, it is made once.
ALTER TABLE identity.device_codes ADD COLUMN token uuid UNIQUE;

-- A device asks whether it was let in, and as whom.
DROP FUNCTION identity.poll_device(bytea, uuid, bytea, text, int);
CREATE FUNCTION identity.poll_device(p_hash bytea, p_token uuid) RETURNS TABLE (outcome text, actor uuid, token uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
DECLARE
    device identity.device_codes;
BEGIN
    SELECT * INTO device FROM identity.device_codes d WHERE d.hash = p_hash FOR UPDATE;
    IF device.hash IS NULL OR device.state = 'redeemed' THEN
        outcome := 'unknown';
    ELSIF device.expires_at <= clock_timestamp() THEN
        outcome := 'expired';
    ELSIF device.polled_at > clock_timestamp() - make_interval(secs => device.every) THEN
        UPDATE identity.device_codes d SET every = d.every + 5, polled_at = clock_timestamp() WHERE d.hash = p_hash;
        outcome := 'slow_down';
    ELSIF device.state = 'pending' THEN
        UPDATE identity.device_codes d SET polled_at = clock_timestamp() WHERE d.hash = p_hash;
        outcome := 'pending';
    ELSIF device.state = 'denied' OR NOT identity.session_stands(device.session) THEN
        outcome := 'denied';
    ELSE
        UPDATE identity.device_codes d SET token = coalesce(d.token, p_token) WHERE d.hash = p_hash
        RETURNING d.actor, d.token INTO actor, token;
        outcome := 'granted';
    END IF;
    RETURN NEXT;
END $$;

-- A token's row, from its state. One of support is valid while its access stands and no longer; one of a device redeems it.
CREATE FUNCTION authority.apply_token(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    v_workspace uuid := (r->>'workspace')::uuid;
    v_until     timestamptz := (r->>'until')::timestamptz;
    device      identity.device_codes;
BEGIN
    UPDATE identity.tokens t
    SET hash = coalesce(decode(r->>'hash', 'hex'), t.hash), hint = coalesce(r->>'hint', t.hint),
        rotated_at = coalesce((r->>'rotated')::timestamptz, t.rotated_at),
        revoked_at = coalesce(t.revoked_at, (r->>'ended')::timestamptz)
    WHERE t.token = (r->>'token')::uuid;
    IF FOUND THEN
        RETURN;
    END IF;
    IF r->>'access' IS NOT NULL THEN
        SELECT s.workspace, s.until INTO v_workspace, v_until FROM authority.supported((r->>'access')::uuid) s;
        IF v_workspace IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'RH008', MESSAGE = 'support may not act there, or no longer';
        END IF;
    END IF;
    INSERT INTO identity.tokens (token, hash, hint, kind, actor, workspace, region, host, access, grants, name, created_at,
                                 expires_at)
    VALUES ((r->>'token')::uuid, decode(r->>'hash', 'hex'), r->>'hint', r->>'kind', (r->>'actor')::uuid, v_workspace,
            (r->>'region')::uuid, (r->>'host')::uuid, (r->>'access')::uuid,
            CASE WHEN r->>'grants' IS NOT NULL
                 THEN ARRAY(SELECT json_array_elements_text(r->'grants')) END,
            r->>'name', (r->>'made')::timestamptz, v_until);
    SELECT * INTO device FROM identity.device_codes d WHERE d.token = (r->>'token')::uuid FOR UPDATE;
    IF device.state <> 'approved' OR device.expires_at <= clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = 'RH008', MESSAGE = 'the code was used, or is over';
    END IF;
    UPDATE identity.device_codes d SET state = 'redeemed' WHERE d.hash = device.hash;
END $$;

-- One token, for whoever shows tokens as this actor; those of machines and of support for whoever has the id.
CREATE FUNCTION identity.token(p_token uuid, p_actor uuid, p_workspace uuid)
RETURNS TABLE (token uuid, kind text, actor uuid, region uuid, host uuid, access uuid, name text, hint text,
               workspace uuid, grants text[], created_at timestamptz, expires_at timestamptz, last_used_at timestamptz,
               rotated_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT t.token, t.kind, t.actor, t.region, t.host, t.access, t.name, t.hint, t.workspace, t.grants, t.created_at,
           t.expires_at, t.last_used_at, t.rotated_at, t.revoked_at
    FROM identity.tokens t
    WHERE t.token = p_token
      AND (t.kind IN ('edge', 'runner', 'support') OR t.actor = p_actor AND (p_workspace IS NULL OR t.workspace = p_workspace))
$$;

-- Until when support may act; none where it may not, or no longer.
CREATE FUNCTION identity.supported_until(p_access uuid) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT s.until FROM authority.supported(p_access) s
$$;

DROP FUNCTION identity.issue_token(uuid, bytea, text, uuid, uuid, text[], text, timestamptz);
DROP FUNCTION identity.issue_support(uuid, bytea, uuid, uuid, text);
DROP FUNCTION identity.revoke(uuid, uuid, uuid, text[]);
DROP FUNCTION identity.rotate(uuid, bytea, text, uuid, uuid, text[]);
DROP FUNCTION identity.in_reach(identity.tokens, uuid, uuid, text[]);

REVOKE ALL ON FUNCTION identity.is_person(uuid), identity.poll_device(bytea, uuid), authority.apply_token(json),
    identity.token(uuid, uuid, uuid), identity.supported_until(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.poll_device(bytea, uuid), identity.token(uuid, uuid, uuid),
    identity.supported_until(uuid) TO rhone_api;

RESET ROLE;

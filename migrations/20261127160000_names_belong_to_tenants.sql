-- A name that is claimed belongs to whoever claimed it (ADR 0022): the API's role sees a claim's events and head under its
-- own tenants only, as it sees everything else. Regions and cells stay everybody's; hosts are the platform's. Of names that
-- are unique among all tenants it learns from log.read_claim whether they are taken, never by whom. The traps avoided: a
-- policy by the category of a stream, which shows every tenant's names; a claim that cannot be seen and is judged as free.
SET ROLE rhone_owner;

ALTER POLICY api_reads_its_tenants ON log.events USING (
    workspace = ANY ((SELECT authority.workspaces())::uuid[]) OR split_part(stream, ':', 1) IN ('region', 'cell'));
ALTER POLICY api_reads_its_tenants ON log.heads USING (
    workspace = ANY ((SELECT authority.workspaces())::uuid[]) OR split_part(stream, ':', 1) IN ('region', 'cell'));

-- A claim as one actor may know it, perhaps within one workspace only: its version, whether the name is taken, and by whom
-- where that is the actor's own. No row: nobody ever claimed it, or it is none of the actor's concern.
CREATE FUNCTION log.read_claim(p_actor uuid, p_scope uuid, p_claim uuid)
RETURNS TABLE (version bigint, taken boolean, holder uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_stream text := 'claim:' || p_claim::text;
    v_last log.events;
    v_taken boolean;
BEGIN
    PERFORM set_config('rhone.actor', coalesce(p_actor::text, ''), true),
            set_config('rhone.workspace', coalesce(p_scope::text, ''), true);
    SELECT * INTO v_last FROM log.events e
    WHERE e.stream = v_stream COLLATE "C" ORDER BY e.stream DESC, e.version DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_taken := v_last.event_type = 'claim.claimed';
    IF v_last.workspace = ANY (authority.workspaces()) THEN
        RETURN QUERY SELECT v_last.version,
            v_taken, CASE WHEN v_taken THEN (v_last.payload->>'holder')::uuid END;
    -- Of a name within another tenant's workspace not even that it exists.
    ELSIF EXISTS (SELECT FROM log.events e WHERE e.stream = v_stream COLLATE "C" AND e.version = 1
                  AND e.payload->>'kind' IN ('workspace_slug', 'hostname')) THEN
        RETURN QUERY SELECT v_last.version, v_taken, NULL::uuid;
    END IF;
END
$$;
GRANT EXECUTE ON FUNCTION log.read_claim(uuid, uuid, uuid) TO rhone_api;

-- Whoever holds a lease, and what made a projection stop, name what they are about; the API asks for neither.
REVOKE SELECT ON log.leases, log.checkpoints FROM rhone_api;
GRANT SELECT (projection, version, era, tx, pos) ON log.checkpoints TO rhone_api;

RESET ROLE;

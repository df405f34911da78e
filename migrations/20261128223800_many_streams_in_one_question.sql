-- Many streams, and what somebody is to their workspaces, each in one statement that itself says who asks, as log.read_stream does: a
-- transaction around a single question is three round trips. They read with the rights of whoever calls them, so row-level
-- security holds as it does without them.
SET ROLE rhone_owner;

-- Streams as one actor may see them, perhaps within one workspace only.
CREATE FUNCTION log.read_streams(p_actor uuid, p_scope uuid, p_streams text[]) RETURNS SETOF log.recorded
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('rhone.actor', coalesce(p_actor::text, ''), true),
            set_config('rhone.workspace', coalesce(p_scope::text, ''), true);
    RETURN QUERY SELECT r.* FROM log.recorded r WHERE r.stream = ANY (p_streams) ORDER BY r.stream, r.version;
END
$$;
GRANT EXECUTE ON FUNCTION log.read_streams(uuid, uuid, text[]) TO rhone_api;

-- What an actor is to each workspace that it may see.
CREATE FUNCTION authority.memberships(p_actor uuid, p_scope uuid) RETURNS SETOF authority.members
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('rhone.actor', coalesce(p_actor::text, ''), true),
            set_config('rhone.workspace', coalesce(p_scope::text, ''), true);
    RETURN QUERY SELECT m.* FROM authority.members m WHERE m.actor = p_actor;
END
$$;
GRANT EXECUTE ON FUNCTION authority.memberships(uuid, uuid) TO rhone_api;

RESET ROLE;

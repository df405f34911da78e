-- What people and their programs are called, for those who may see that they did something: who asks has read the actors' ids
-- off rows that row-level security showed them. The login, or else the name of the first token that was made for the actor.
-- Nothing is kept: with the account the name is gone.
SET ROLE rhone_owner;

CREATE FUNCTION identity.names(p_actors uuid[]) RETURNS TABLE (actor uuid, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT asked.actor, coalesce(u.login, first.name)
    FROM (SELECT DISTINCT unnest(p_actors) AS actor) asked
    LEFT JOIN identity.users u ON u.actor = asked.actor
    LEFT JOIN LATERAL (
        SELECT t.name FROM identity.tokens t WHERE t.actor = asked.actor ORDER BY t.token LIMIT 1
    ) first ON true
    WHERE coalesce(u.login, first.name) IS NOT NULL
$$;
REVOKE ALL ON FUNCTION identity.names(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.names(uuid[]) TO rhone_api;

RESET ROLE;

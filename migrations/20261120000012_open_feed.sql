-- A region's feed may begin before its first entry: an edge that boots then holds an empty table under a signature, instead
-- of asking again and again for one that is not there.
SET ROLE rhone_owner;

CREATE FUNCTION authority.open_feed(p_region uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO authority.feeds (region, incarnation, seq, digest)
    VALUES (p_region, gen_random_uuid(), 0, decode(repeat('00', 32), 'hex'))
    ON CONFLICT (region) DO NOTHING
$$;
REVOKE ALL ON FUNCTION authority.open_feed(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.open_feed(uuid) TO rhone_worker;

RESET ROLE;

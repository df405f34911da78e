-- Bytes of logs that no row names: their writer died between the two, or another writer had taken the number. Only whoever keeps
-- the index can say which those are; the table itself stays closed to every program's role.
SET ROLE rhone_owner;

-- Of these chunks, those that are not in the index, by their places in the lists.
CREATE FUNCTION diagnostics.orphans(p_owners uuid[], p_digests bytea[]) RETURNS TABLE (place bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT l.place FROM unnest(p_owners, p_digests) WITH ORDINALITY AS l(owner, digest, place)
    WHERE NOT EXISTS (SELECT FROM diagnostics.log_chunks c WHERE c.owner = l.owner AND c.digest = l.digest)
$$;

REVOKE ALL ON FUNCTION diagnostics.orphans(uuid[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION diagnostics.orphans(uuid[], bytea[]) TO rhone_worker;

RESET ROLE;

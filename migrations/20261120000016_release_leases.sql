-- A worker that ends in good order gives back all it holds at once, so that its successor need not wait.
SET ROLE rhone_owner;

CREATE FUNCTION log.release_leases(p_owner text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_count integer;
BEGIN
    UPDATE log.leases l SET until = '-infinity' WHERE l.owner = p_owner AND l.until > clock_timestamp();
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
REVOKE ALL ON FUNCTION log.release_leases(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.release_leases(text) TO rhone_worker;

RESET ROLE;

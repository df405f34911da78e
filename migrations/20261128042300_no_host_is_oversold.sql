-- The last line of defence of "no host holds more than it may": whoever orders an allocation has read a moment ago how many the
-- host holds, and so has whoever orders another one at the same moment; neither writes what the other one read. An order locks
-- its host's row before it counts, so that of two that both saw the last place free the later one is refused.
-- An order is a row that is planned and was not known: what is told of a known one, or told again, takes no further place, nor
-- does a capacity that was lowered since refuse it.
-- No deadlock: an append holds its streams before it comes here and orders one allocation, hence waits for the row of one host;
-- a change of the host itself has locked the host's stream, which whoever orders has asserted; and whoever has the row waits for
-- nothing but the heads of feeds, which are taken last and in one order.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION authority.apply_allocation(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    most integer;
    held bigint;
BEGIN
    IF r->>'state' = 'planned'
       AND NOT EXISTS (SELECT FROM authority.allocations WHERE allocation = (r->>'allocation')::uuid) THEN
        SELECT capacity INTO most FROM authority.hosts WHERE host = (r->>'host')::uuid FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'RH023', MESSAGE = 'there is no host ' || (r->>'host');
        END IF;
        -- A statement of its own: it sees what was committed while the row was waited for.
        SELECT count(*) INTO held FROM authority.allocations WHERE host = (r->>'host')::uuid AND NOT ended;
        IF held >= most THEN
            RAISE EXCEPTION USING ERRCODE = 'RH022',
                MESSAGE = format('a host holds no more than it may: %s of %s live on %s', held, most, r->>'host');
        END IF;
    END IF;
    INSERT INTO authority.allocations AS a
        (allocation, workspace, app, environment, deployment, region, cell, host, state, ended, generation, version, body)
    VALUES ((r->>'allocation')::uuid, (r->>'workspace')::uuid, (r->>'app')::uuid, (r->>'environment')::uuid,
            (r->>'deployment')::uuid, (r->>'region')::uuid, (r->>'cell')::uuid, (r->>'host')::uuid, r->>'state',
            (r->>'ended')::boolean, (r->>'generation')::bigint, (r->>'version')::bigint, r->'body')
    ON CONFLICT (allocation) DO UPDATE
    SET state = excluded.state, ended = excluded.ended, generation = excluded.generation, version = excluded.version,
        body = excluded.body, updated_at = clock_timestamp()
    WHERE a.version < excluded.version;
END $$;

RESET ROLE;

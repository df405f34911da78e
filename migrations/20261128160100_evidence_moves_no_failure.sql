-- What is said of an allocation after its end, such as which sessions edges had closed before, is evidence and not its end:
-- `updated_at` of a failed one stays the moment of its failure, by which the scheduler remembers failures.
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
        body = excluded.body, updated_at = CASE WHEN a.ended THEN a.updated_at ELSE clock_timestamp() END
    WHERE a.version < excluded.version;
END $$;

RESET ROLE;

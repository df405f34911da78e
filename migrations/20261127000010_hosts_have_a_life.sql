-- Hosts have a state and a capacity. They are part of the append, so that whoever places an allocation knows of a cordon at
-- once. The trap avoided: a cordon that a reader learns of late.
SET ROLE rhone_owner;

ALTER TABLE authority.hosts
    ADD COLUMN state    text NOT NULL DEFAULT 'active',
    ADD COLUMN capacity integer NOT NULL DEFAULT 256,
    ADD COLUMN version  bigint NOT NULL DEFAULT 1,
    ADD COLUMN body     json;
UPDATE authority.hosts h
SET body = json_build_object('created', e.payload, 'state', 'active', 'capacity', NULL, 'held_by', NULL, 'upgrade', NULL)
FROM log.events e WHERE e.stream = 'host:' || h.host::text AND e.version = 1;
CREATE INDEX hosts_of_cell ON authority.hosts (cell);

-- A host's row, whole, from its state; an older one changes nothing.
CREATE FUNCTION authority.apply_host(r json) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO authority.hosts AS h (host, region, cell, state, capacity, version, body)
    VALUES ((r->>'host')::uuid, (r->>'region')::uuid, (r->>'cell')::uuid, r->>'state', (r->>'capacity')::integer,
            (r->>'version')::bigint, r->'body')
    ON CONFLICT (host) DO UPDATE
    SET state = excluded.state, capacity = excluded.capacity, version = excluded.version, body = excluded.body
    WHERE h.version < excluded.version
$$;

-- Each table has its own apply_<table>; one without is refused. A further table needs its function and nothing here.
CREATE OR REPLACE FUNCTION authority.apply(p_rows json, p_era int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    r json;
BEGIN
    FOR r IN SELECT value FROM json_array_elements(p_rows) LOOP
        CASE r->>'table'
            WHEN 'operation' THEN PERFORM authority.apply_operation(r);
            WHEN 'allocation' THEN PERFORM authority.apply_allocation(r);
            WHEN 'route_owner' THEN PERFORM authority.apply_route_owner(r);
            WHEN 'feed' THEN NULL;
            WHEN 'member' THEN
                INSERT INTO authority.members (actor, workspace, role)
                VALUES ((r->>'actor')::uuid, (r->>'workspace')::uuid, r->>'role')
                ON CONFLICT (actor, workspace) DO UPDATE SET role = excluded.role;
            ELSE
                IF r->>'table' !~ '^[a-z_]+$'
                   OR to_regprocedure(format('authority.apply_%s(json)', r->>'table')) IS NULL THEN
                    RAISE EXCEPTION USING ERRCODE = 'RH021',
                        MESSAGE = 'no authority table is named ' || (r->>'table');
                END IF;
                EXECUTE format('SELECT authority.%I($1)', 'apply_' || (r->>'table')) USING r;
        END CASE;
    END LOOP;
    -- Last, and in one order, because a feed's head is held until the commit.
    FOR r IN SELECT value FROM json_array_elements(p_rows) WHERE value->>'table' = 'feed'
             ORDER BY value->>'region', value->>'key' LOOP
        PERFORM authority.feed_append((r->>'region')::uuid, r->>'key', r->>'content', (r->>'final')::boolean);
    END LOOP;
END $$;

RESET ROLE;

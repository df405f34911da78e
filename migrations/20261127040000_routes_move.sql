-- A route's row says where its traffic is served now. The trap avoided: a row that stays where the route was opened, while the
-- state beside it says that a failover moved it.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION authority.apply_route_owner(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    known authority.route_owners;
BEGIN
    SELECT * INTO known FROM authority.route_owners WHERE environment = (r->>'environment')::uuid FOR UPDATE;
    IF FOUND AND (known.epoch, known.revision) >= ((r->>'epoch')::bigint, (r->>'revision')::bigint) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH020',
            MESSAGE = 'a route never goes back: epoch ' || known.epoch || ' is known, ' || (r->>'epoch') || ' was offered';
    END IF;
    INSERT INTO authority.route_owners
        (environment, workspace, app, region, cell, deployment, epoch, revision, version, body)
    VALUES ((r->>'environment')::uuid, (r->>'workspace')::uuid, (r->>'app')::uuid, (r->>'region')::uuid,
            (r->>'cell')::uuid, (r->>'deployment')::uuid, (r->>'epoch')::bigint, (r->>'revision')::bigint,
            (r->>'version')::bigint, r->'body')
    ON CONFLICT (environment) DO UPDATE
    SET region = excluded.region, cell = excluded.cell, deployment = excluded.deployment, epoch = excluded.epoch,
        revision = excluded.revision, version = excluded.version, body = excluded.body,
        updated_at = clock_timestamp();
END $$;

RESET ROLE;

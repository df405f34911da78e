-- An append's rows are each read once, and a region's feed grows at once: `r->>'name'` reads a whole row for every name, and a
-- feed that grew entry by entry wrote its head as often, while every other append to the region waited for it. A function
-- in SQL is parsed and planned at every call, so that of the operations' rows is none.
SET ROLE rhone_owner;

-- An append that has begun goes on by the functions that it began with.
LOCK TABLE log.events IN SHARE ROW EXCLUSIVE MODE;

CREATE OR REPLACE FUNCTION authority.apply_operation(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO authority.operations AS o
        (operation, workspace, app, environment, deployment, region, kind, stage, ended, version, deadline, body)
    SELECT n.operation, n.workspace, n.app, n.environment, n.deployment, n.region, n.kind, n.stage, n.ended, n.version,
           n.deadline, n.body
    FROM json_to_record(r) AS n (operation uuid, workspace uuid, app uuid, environment uuid, deployment uuid, region uuid,
                                 kind text, stage text, ended boolean, version bigint, deadline timestamptz, body json)
    ON CONFLICT (operation) DO UPDATE
    SET stage = excluded.stage, ended = excluded.ended, version = excluded.version, body = excluded.body,
        updated_at = clock_timestamp()
    WHERE o.version < excluded.version;
END $$;

CREATE OR REPLACE FUNCTION authority.apply_allocation(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n    record;
    most integer;
    held bigint;
BEGIN
    SELECT * INTO n FROM json_to_record(r) AS n (
        allocation uuid, workspace uuid, app uuid, environment uuid, deployment uuid, region uuid, cell uuid, host uuid,
        state text, ended boolean, generation bigint, version bigint, body json);
    IF n.state = 'planned' AND NOT EXISTS (SELECT FROM authority.allocations a WHERE a.allocation = n.allocation) THEN
        SELECT h.capacity INTO most FROM authority.hosts h WHERE h.host = n.host FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'RH023', MESSAGE = 'there is no host ' || n.host;
        END IF;
        -- A statement of its own: it sees what was committed while the row was waited for.
        SELECT count(*) INTO held FROM authority.allocations a WHERE a.host = n.host AND NOT a.ended;
        IF held >= most THEN
            RAISE EXCEPTION USING ERRCODE = 'RH022',
                MESSAGE = format('a host holds no more than it may: %s of %s live on %s', held, most, n.host);
        END IF;
    END IF;
    INSERT INTO authority.allocations AS a
        (allocation, workspace, app, environment, deployment, region, cell, host, state, ended, generation, version, body)
    VALUES (n.allocation, n.workspace, n.app, n.environment, n.deployment, n.region, n.cell, n.host, n.state, n.ended,
            n.generation, n.version, n.body)
    ON CONFLICT (allocation) DO UPDATE
    SET state = excluded.state, ended = excluded.ended, generation = excluded.generation, version = excluded.version,
        body = excluded.body, updated_at = CASE WHEN a.ended THEN a.updated_at ELSE clock_timestamp() END
    WHERE a.version < excluded.version;
END $$;

CREATE OR REPLACE FUNCTION authority.apply_route_owner(r json) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n     record;
    known record;
BEGIN
    SELECT * INTO n FROM json_to_record(r) AS n (
        environment uuid, workspace uuid, app uuid, region uuid, cell uuid, deployment uuid, epoch bigint, revision bigint,
        version bigint, body json);
    SELECT o.epoch, o.revision INTO known FROM authority.route_owners o WHERE o.environment = n.environment FOR UPDATE;
    IF FOUND AND (known.epoch, known.revision) >= (n.epoch, n.revision) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH020',
            MESSAGE = format('a route never goes back: epoch %s is known, %s was offered', known.epoch, n.epoch);
    END IF;
    INSERT INTO authority.route_owners
        (environment, workspace, app, region, cell, deployment, epoch, revision, version, body)
    VALUES (n.environment, n.workspace, n.app, n.region, n.cell, n.deployment, n.epoch, n.revision, n.version, n.body)
    ON CONFLICT (environment) DO UPDATE
    SET region = excluded.region, cell = excluded.cell, deployment = excluded.deployment, epoch = excluded.epoch,
        revision = excluded.revision, version = excluded.version, body = excluded.body,
        updated_at = clock_timestamp();
END $$;

-- Puts these at the end of a region's feed, in this order; of several with one key the last one is the last word.
CREATE FUNCTION authority.feed_extend(p_region uuid, p_keys text[], p_contents text[], p_finals boolean[])
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head    authority.feeds;
    last    bytea;
    prevs   bytea[] := '{}';
    digests bytea[] := '{}';
BEGIN
    SELECT * INTO head FROM authority.feeds f WHERE f.region = p_region FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO authority.feeds (region, incarnation, seq, digest)
        VALUES (p_region, gen_random_uuid(), 0, decode(repeat('00', 32), 'hex'))
        ON CONFLICT (region) DO NOTHING;
        SELECT * INTO STRICT head FROM authority.feeds f WHERE f.region = p_region FOR UPDATE;
    END IF;
    last := head.digest;
    FOR i IN 1 .. cardinality(p_contents) LOOP
        prevs[i] := last;
        last := sha256(last || convert_to(p_contents[i], 'UTF8'));
        digests[i] := last;
        -- One by one: a join with all that is known may be planned as a walk through it.
        IF p_finals[i] THEN
            DELETE FROM authority.feed_latest l WHERE l.region = p_region AND l.key = p_keys[i] COLLATE "C";
        END IF;
    END LOOP;
    INSERT INTO authority.feed (region, seq, prev, digest, key, content)
    SELECT p_region, head.seq + n.nth, n.prev, n.digest, n.key, n.content
    FROM unnest(prevs, digests, p_keys, p_contents) WITH ORDINALITY AS n (prev, digest, key, content, nth);
    INSERT INTO authority.feed_latest (region, key, seq, content)
    SELECT p_region, w.key, w.seq, w.content FROM (
        SELECT DISTINCT ON (n.key) n.key, n.content, n.final, head.seq + n.nth AS seq
        FROM unnest(p_keys, p_contents, p_finals) WITH ORDINALITY AS n (key, content, final, nth)
        ORDER BY n.key, n.nth DESC
    ) AS w WHERE NOT w.final
    ON CONFLICT (region, key) DO UPDATE SET seq = excluded.seq, content = excluded.content;
    UPDATE authority.feeds f SET seq = head.seq + cardinality(p_contents), digest = last WHERE f.region = p_region;
END $$;

CREATE OR REPLACE FUNCTION authority.apply(p_rows json, p_era int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n     record;
    feeds json[] := '{}';
BEGIN
    FOR n IN SELECT value->>'table' AS kind, value AS r FROM json_array_elements(p_rows) LOOP
        CASE n.kind
            WHEN 'operation' THEN PERFORM authority.apply_operation(n.r);
            WHEN 'allocation' THEN PERFORM authority.apply_allocation(n.r);
            WHEN 'route_owner' THEN PERFORM authority.apply_route_owner(n.r);
            WHEN 'feed' THEN feeds := array_append(feeds, n.r);
            WHEN 'member' THEN
                INSERT INTO authority.members (actor, workspace, role)
                VALUES ((n.r->>'actor')::uuid, (n.r->>'workspace')::uuid, n.r->>'role')
                ON CONFLICT (actor, workspace) DO UPDATE SET role = excluded.role;
            ELSE
                IF n.kind !~ '^[a-z_]+$' OR to_regprocedure(format('authority.apply_%s(json)', n.kind)) IS NULL THEN
                    RAISE EXCEPTION USING ERRCODE = 'RH021', MESSAGE = 'no authority table is named ' || n.kind;
                END IF;
                EXECUTE format('SELECT authority.%I($1)', 'apply_' || n.kind) USING n.r;
        END CASE;
    END LOOP;
    -- Last, and in one order, because a feed's head is held until the commit.
    FOR n IN
        SELECT f.region, array_agg(f.key ORDER BY f.key COLLATE "C", e.nth) AS keys,
               array_agg(f.content ORDER BY f.key COLLATE "C", e.nth) AS contents,
               array_agg(f.final ORDER BY f.key COLLATE "C", e.nth) AS finals
        FROM unnest(feeds) WITH ORDINALITY AS e (value, nth),
             json_to_record(e.value) AS f (region uuid, key text, content text, final boolean)
        GROUP BY f.region ORDER BY f.region
    LOOP
        PERFORM authority.feed_extend(n.region, n.keys, n.contents, n.finals);
    END LOOP;
END $$;

DROP FUNCTION authority.feed_append(uuid, text, text, boolean);

-- The last check was each stream against each event.
CREATE OR REPLACE FUNCTION log.check_shape(p_streams text[], p_expected bigint[], p_ev_stream text[], p_ev_version bigint[])
RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF cardinality(p_streams) <> cardinality(p_expected) OR cardinality(p_ev_stream) <> cardinality(p_ev_version) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH004', MESSAGE = 'lists of different lengths';
    END IF;
    IF (SELECT count(DISTINCT s) <> count(*) FROM unnest(p_streams) AS s) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH004', MESSAGE = 'a stream is written twice in one append';
    END IF;
    IF EXISTS (
        SELECT FROM (
            SELECT t.stream, t.version, row_number() OVER (PARTITION BY t.stream ORDER BY t.ord) AS nth
            FROM unnest(p_ev_stream, p_ev_version) WITH ORDINALITY AS t (stream, version, ord)
        ) AS e
        LEFT JOIN unnest(p_streams, p_expected) AS w (stream, expected) USING (stream)
        WHERE w.expected IS NULL OR e.version IS DISTINCT FROM w.expected + e.nth
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH004', MESSAGE = 'an event does not follow in a stream that is written';
    END IF;
    IF EXISTS (SELECT s FROM unnest(p_streams) AS s EXCEPT SELECT s FROM unnest(p_ev_stream) AS s) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH004', MESSAGE = 'a stream is written without events';
    END IF;
END
$$;

RESET ROLE;

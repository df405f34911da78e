-- Routing authority: rows written inside the append's own transaction (ADR 0003), so that a promotion never waits for a
-- reader. Only log.append writes here, through authority.apply. The trap avoided: a watermark held back by a long write
-- anywhere in the cluster, which would hold back every promotion with it.

ALTER SCHEMA authority OWNER TO rhone_owner;
GRANT USAGE ON SCHEMA authority TO rhone_api, rhone_worker, rhone_projector;
SET ROLE rhone_owner;

CREATE TABLE authority.members (
    actor     uuid NOT NULL,
    workspace uuid NOT NULL,
    role      text NOT NULL,
    PRIMARY KEY (actor, workspace)
);

CREATE TABLE authority.hosts (
    host      uuid PRIMARY KEY,
    region    uuid NOT NULL,
    cell      uuid NOT NULL
);

CREATE TABLE authority.operations (
    operation   uuid PRIMARY KEY,
    workspace   uuid NOT NULL,
    app         uuid NOT NULL,
    environment uuid NOT NULL,
    deployment  uuid NOT NULL,
    region      uuid NOT NULL,
    kind        text NOT NULL,
    stage       text NOT NULL,
    ended       boolean NOT NULL,
    version     bigint NOT NULL,
    deadline    timestamptz NOT NULL,
    body        json NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
CREATE INDEX operations_running ON authority.operations (created_at) WHERE NOT ended;
CREATE INDEX operations_of_environment ON authority.operations (environment, created_at);
CREATE INDEX operations_of_workspace ON authority.operations (workspace, created_at);

CREATE TABLE authority.route_owners (
    environment uuid PRIMARY KEY,
    workspace   uuid NOT NULL,
    app         uuid NOT NULL,
    region      uuid NOT NULL,
    cell        uuid NOT NULL,
    deployment  uuid,
    epoch       bigint NOT NULL,
    revision    bigint NOT NULL,
    version     bigint NOT NULL,
    body        json NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
CREATE INDEX route_owners_of_app ON authority.route_owners (app);

CREATE TABLE authority.allocations (
    allocation  uuid PRIMARY KEY,
    workspace   uuid NOT NULL,
    app         uuid NOT NULL,
    environment uuid NOT NULL,
    deployment  uuid NOT NULL,
    region      uuid NOT NULL,
    cell        uuid NOT NULL,
    host        uuid NOT NULL,
    state       text NOT NULL,
    ended       boolean NOT NULL,
    generation  bigint NOT NULL,
    version     bigint NOT NULL,
    body        json NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
CREATE INDEX allocations_of_host ON authority.allocations (host) WHERE NOT ended;
CREATE INDEX allocations_of_environment ON authority.allocations (environment, deployment);

-- The feed of a region (ADR 0006): gap-free, because its head is one locked row, in the append's transaction.
CREATE TABLE authority.feeds (
    region      uuid PRIMARY KEY,
    incarnation uuid NOT NULL,
    seq         bigint NOT NULL,
    digest      bytea NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE authority.feed (
    region     uuid NOT NULL,
    seq        bigint NOT NULL,
    prev       bytea NOT NULL,
    digest     bytea NOT NULL,
    key        text COLLATE "C" NOT NULL,
    content    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (region, seq)
);
CREATE TABLE authority.feed_latest (
    region  uuid NOT NULL,
    key     text COLLATE "C" NOT NULL,
    seq     bigint NOT NULL,
    content text NOT NULL,
    PRIMARY KEY (region, key)
) WITH (fillfactor = 70);
-- Which life of the log the feeds belong to.
CREATE TABLE authority.feed_identity (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    system_identifier text NOT NULL,
    timeline          text NOT NULL,
    era               text NOT NULL
);

-- Puts one content at the end of a region's feed.
CREATE FUNCTION authority.feed_append(p_region uuid, p_key text, p_content text, p_final boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    head authority.feeds;
    next_digest bytea;
BEGIN
    INSERT INTO authority.feeds (region, incarnation, seq, digest)
    VALUES (p_region, gen_random_uuid(), 0, decode(repeat('00', 32), 'hex'))
    ON CONFLICT (region) DO NOTHING;
    SELECT * INTO STRICT head FROM authority.feeds WHERE region = p_region FOR UPDATE;
    next_digest := sha256(head.digest || convert_to(p_content, 'UTF8'));
    UPDATE authority.feeds SET seq = head.seq + 1, digest = next_digest WHERE region = p_region;
    INSERT INTO authority.feed (region, seq, prev, digest, key, content)
    VALUES (p_region, head.seq + 1, head.digest, next_digest, p_key, p_content);
    IF p_final THEN
        DELETE FROM authority.feed_latest WHERE region = p_region AND key = p_key;
    ELSE
        INSERT INTO authority.feed_latest (region, key, seq, content)
        VALUES (p_region, p_key, head.seq + 1, p_content)
        ON CONFLICT (region, key) DO UPDATE SET seq = excluded.seq, content = excluded.content;
    END IF;
END $$;

CREATE FUNCTION authority.apply_operation(r json) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO authority.operations AS o
        (operation, workspace, app, environment, deployment, region, kind, stage, ended, version, deadline, body)
    VALUES ((r->>'operation')::uuid, (r->>'workspace')::uuid, (r->>'app')::uuid, (r->>'environment')::uuid,
            (r->>'deployment')::uuid, (r->>'region')::uuid, r->>'kind', r->>'stage', (r->>'ended')::boolean,
            (r->>'version')::bigint, (r->>'deadline')::timestamptz, r->'body')
    ON CONFLICT (operation) DO UPDATE
    SET stage = excluded.stage, ended = excluded.ended, version = excluded.version, body = excluded.body,
        updated_at = clock_timestamp()
    WHERE o.version < excluded.version
$$;

CREATE FUNCTION authority.apply_allocation(r json) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO authority.allocations AS a
        (allocation, workspace, app, environment, deployment, region, cell, host, state, ended, generation, version, body)
    VALUES ((r->>'allocation')::uuid, (r->>'workspace')::uuid, (r->>'app')::uuid, (r->>'environment')::uuid,
            (r->>'deployment')::uuid, (r->>'region')::uuid, (r->>'cell')::uuid, (r->>'host')::uuid, r->>'state',
            (r->>'ended')::boolean, (r->>'generation')::bigint, (r->>'version')::bigint, r->'body')
    ON CONFLICT (allocation) DO UPDATE
    SET state = excluded.state, ended = excluded.ended, generation = excluded.generation, version = excluded.version,
        body = excluded.body, updated_at = clock_timestamp()
    WHERE a.version < excluded.version
$$;

-- The last line of defence of "an epoch never goes back": whatever the program believes, a lower one is refused here.
CREATE FUNCTION authority.apply_route_owner(r json) RETURNS void
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
    SET deployment = excluded.deployment, epoch = excluded.epoch, revision = excluded.revision,
        version = excluded.version, body = excluded.body, updated_at = clock_timestamp();
END $$;

CREATE OR REPLACE FUNCTION authority.apply(p_rows json, p_era int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    r json;
BEGIN
    FOR r IN SELECT value FROM json_array_elements(p_rows) LOOP
        CASE r->>'table'
            WHEN 'member' THEN
                INSERT INTO authority.members (actor, workspace, role)
                VALUES ((r->>'actor')::uuid, (r->>'workspace')::uuid, r->>'role')
                ON CONFLICT (actor, workspace) DO UPDATE SET role = excluded.role;
            WHEN 'host' THEN
                INSERT INTO authority.hosts (host, region, cell)
                VALUES ((r->>'host')::uuid, (r->>'region')::uuid, (r->>'cell')::uuid)
                ON CONFLICT (host) DO NOTHING;
            WHEN 'operation' THEN PERFORM authority.apply_operation(r);
            WHEN 'allocation' THEN PERFORM authority.apply_allocation(r);
            WHEN 'route_owner' THEN PERFORM authority.apply_route_owner(r);
            WHEN 'feed' THEN NULL;
            ELSE RAISE EXCEPTION USING ERRCODE = 'RH021', MESSAGE = 'no authority table is named ' || (r->>'table');
        END CASE;
    END LOOP;
    -- Last, and in one order, because a feed's head is held until the commit.
    FOR r IN SELECT value FROM json_array_elements(p_rows) WHERE value->>'table' = 'feed'
             ORDER BY value->>'region', value->>'key' LOOP
        PERFORM authority.feed_append((r->>'region')::uuid, r->>'key', r->>'content', (r->>'final')::boolean);
    END LOOP;
END $$;

-- The workspaces that the acting principal may see: its memberships, narrowed by the token's own scope if it has one.
CREATE OR REPLACE FUNCTION authority.workspaces() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(array_agg(workspace), '{}') FROM authority.members
    WHERE actor = nullif(current_setting('rhone.actor', true), '')::uuid
      AND (nullif(current_setting('rhone.workspace', true), '') IS NULL
           OR workspace = nullif(current_setting('rhone.workspace', true), '')::uuid)
$$;
REVOKE ALL ON FUNCTION authority.workspaces() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.workspaces() TO rhone_api, rhone_worker, rhone_projector;

-- A feed belongs to one life of the log: after a restore, a failover or a new era it begins again under a new incarnation,
-- with all that is true now, and edges rebuild from the authenticated endpoint.
CREATE FUNCTION authority.settle_feeds() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    life record;
BEGIN
    SELECT i.system AS system_identifier, i.timeline::text AS timeline, i.era::text AS era
    INTO life FROM log.incarnation() i;
    LOCK TABLE authority.feed_identity IN EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM authority.feed_identity f
               WHERE (f.system_identifier, f.timeline, f.era) = (life.system_identifier, life.timeline, life.era)) THEN
        RETURN false;
    END IF;
    INSERT INTO authority.feed_identity (system_identifier, timeline, era)
    VALUES (life.system_identifier, life.timeline, life.era)
    ON CONFLICT (one) DO UPDATE SET system_identifier = excluded.system_identifier, timeline = excluded.timeline,
        era = excluded.era;
    UPDATE authority.feeds SET incarnation = gen_random_uuid();
    RETURN true;
END $$;

CREATE FUNCTION authority.trim_feed(p_region uuid, p_keep bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        DELETE FROM authority.feed f USING authority.feeds h
        WHERE f.region = p_region AND h.region = p_region AND f.seq <= h.seq - greatest(p_keep, 1000)
        RETURNING 1)
    SELECT count(*) FROM gone
$$;

-- Operations that no live lease covers, claimed for this worker.
CREATE FUNCTION authority.claim_operations(p_owner text, p_most int, p_seconds double precision)
RETURNS TABLE (operation uuid, fence bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    candidate uuid;
BEGIN
    FOR candidate IN
        SELECT o.operation FROM authority.operations o
        LEFT JOIN log.leases l ON l.name = 'operation:' || o.operation::text
        WHERE NOT o.ended AND (l.name IS NULL OR l.until <= clock_timestamp())
        ORDER BY o.created_at LIMIT p_most
        FOR UPDATE OF o SKIP LOCKED
    LOOP
        fence := log.claim_lease('operation:' || candidate::text, p_owner, p_seconds);
        IF fence IS NOT NULL THEN
            operation := candidate;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION authority.settle_feeds(), authority.trim_feed(uuid, bigint),
    authority.claim_operations(text, int, double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.settle_feeds(), authority.trim_feed(uuid, bigint),
    authority.claim_operations(text, int, double precision) TO rhone_worker;

GRANT SELECT ON ALL TABLES IN SCHEMA authority TO rhone_worker;
GRANT SELECT ON authority.members, authority.operations, authority.route_owners, authority.allocations TO rhone_api;

ALTER TABLE authority.operations ENABLE ROW LEVEL SECURITY;
ALTER TABLE authority.route_owners ENABLE ROW LEVEL SECURITY;
ALTER TABLE authority.allocations ENABLE ROW LEVEL SECURITY;
ALTER TABLE authority.members ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON authority.operations FOR SELECT TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
CREATE POLICY tenant ON authority.route_owners FOR SELECT TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
CREATE POLICY tenant ON authority.allocations FOR SELECT TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
CREATE POLICY tenant ON authority.members FOR SELECT TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
CREATE POLICY worker ON authority.operations FOR SELECT TO rhone_worker USING (true);
CREATE POLICY worker ON authority.route_owners FOR SELECT TO rhone_worker USING (true);
CREATE POLICY worker ON authority.allocations FOR SELECT TO rhone_worker USING (true);
CREATE POLICY worker ON authority.members FOR SELECT TO rhone_worker USING (true);

RESET ROLE;

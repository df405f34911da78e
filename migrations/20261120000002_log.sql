-- The log's tables (ADR 0001, 0002, 0004). Append-only by grant, by trigger, and because only log.append inserts.
CREATE SCHEMA log AUTHORIZATION rhone_owner;
CREATE SCHEMA authority AUTHORIZATION rhone_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

SET LOCAL ROLE rhone_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE rhone_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA log, authority TO rhone_api, rhone_worker, rhone_projector;

-- An era is one life of the cluster's transaction numbers; a restored log goes on in the next one.
CREATE TABLE log.eras (
    era integer PRIMARY KEY CHECK (era > 0),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    actor uuid
);
INSERT INTO log.eras (era, reason) VALUES (1, 'the log begins');

CREATE TABLE log.events (
    era integer NOT NULL,
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    pos bigint GENERATED ALWAYS AS IDENTITY,
    stream text COLLATE "C" NOT NULL CHECK (stream ~ '^[a-z_]+:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    version bigint NOT NULL CHECK (version > 0),
    event_id uuid NOT NULL,
    event_type text NOT NULL CHECK (event_type ~ '^[a-z_]+\.[a-z_]+$'),
    schema_version smallint NOT NULL CHECK (schema_version > 0),
    workspace uuid NOT NULL,
    region uuid,
    cell uuid,
    actor uuid NOT NULL,
    actor_kind text NOT NULL,
    on_behalf_of uuid,
    writer text NOT NULL,
    correlation uuid NOT NULL,
    causation uuid,
    idempotency_key text,
    traceparent text,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- json keeps the text it was given, which the hash covers; jsonb would not.
    payload json NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (stream, version),
    -- With the stream in it the table may still be partitioned by stream; led by the id, which rises, its pages stay warm.
    UNIQUE (event_id, stream)
);
CREATE INDEX events_order ON log.events (era, tx, pos);
CREATE INDEX events_workspace ON log.events (workspace, era, tx, pos);
CREATE INDEX events_recorded_at ON log.events USING brin (recorded_at);

-- One row per stream, updated by every append to it. No index on version: the updates stay on their page.
CREATE TABLE log.heads (
    stream text COLLATE "C" PRIMARY KEY,
    workspace uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 0)
) WITH (fillfactor = 75);

CREATE TABLE log.requests (
    workspace uuid NOT NULL,
    actor uuid NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    answer json NOT NULL,
    era integer NOT NULL,
    tx xid8 NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace, actor, key)
);
CREATE INDEX requests_created_at ON log.requests USING brin (created_at);

CREATE TABLE log.leases (
    name text COLLATE "C" PRIMARY KEY,
    owner text NOT NULL,
    fence bigint NOT NULL CHECK (fence > 0),
    until timestamptz NOT NULL
) WITH (fillfactor = 75);

CREATE TABLE log.checkpoints (
    projection text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    era integer NOT NULL,
    tx xid8 NOT NULL,
    pos bigint NOT NULL,
    fence bigint NOT NULL,
    failed_event uuid,
    error text,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, version)
) WITH (fillfactor = 75);

-- The wrapped key of a person's fields; destroyed, it leaves a row that says so.
CREATE TABLE log.subject_keys (
    subject uuid PRIMARY KEY,
    workspace uuid NOT NULL,
    key_id text NOT NULL,
    wrapped_key bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'RH006',
        MESSAGE = format('%I.%I is append-only: %s refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP);
END
$$;
CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER eras_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.eras
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_append_only;
ALTER TABLE log.eras ENABLE ALWAYS TRIGGER eras_are_append_only;

-- What the authority rows (a later migration) replace; here so that policies and log.append have something to name.
CREATE FUNCTION authority.workspaces() RETURNS uuid[] LANGUAGE sql STABLE AS $$ SELECT '{}'::uuid[] $$;
CREATE FUNCTION authority.apply(p_rows json, p_era integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no authority rows are known yet';
END
$$;
CREATE FUNCTION authority.may_write(p_role name, p_actor uuid, p_workspace uuid) RETURNS boolean
    LANGUAGE sql STABLE AS $$ SELECT true $$;
GRANT EXECUTE ON FUNCTION authority.workspaces() TO rhone_api, rhone_worker, rhone_projector;

-- Row-level security. The owner has a policy because even it is subject to them, and the functions run as it.
ALTER TABLE log.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE log.events FORCE ROW LEVEL SECURITY;
ALTER TABLE log.heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE log.heads FORCE ROW LEVEL SECURITY;
ALTER TABLE log.requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE log.requests FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON log.events TO rhone_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON log.heads TO rhone_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON log.requests TO rhone_owner USING (true) WITH CHECK (true);
CREATE POLICY control_plane_reads ON log.events FOR SELECT TO rhone_worker, rhone_projector USING (true);
CREATE POLICY control_plane_reads ON log.heads FOR SELECT TO rhone_worker, rhone_projector USING (true);
-- Claims (slugs, hostnames), regions, cells and hosts are global by nature.
CREATE POLICY api_reads_its_tenants ON log.events FOR SELECT TO rhone_api USING (
    workspace = ANY ((SELECT authority.workspaces())::uuid[])
    OR split_part(stream, ':', 1) IN ('claim', 'region', 'cell', 'host'));
CREATE POLICY api_reads_its_tenants ON log.heads FOR SELECT TO rhone_api USING (
    workspace = ANY ((SELECT authority.workspaces())::uuid[])
    OR split_part(stream, ':', 1) IN ('claim', 'region', 'cell', 'host'));

-- An event as programs read it.
CREATE VIEW log.recorded WITH (security_invoker = true) AS
SELECT era, tx::text AS tx, pos, stream, version, event_id, event_type, schema_version, workspace, region, cell, actor,
       actor_kind, on_behalf_of, writer, correlation, causation, idempotency_key, traceparent, occurred_at, recorded_at,
       payload::text AS payload, hash
FROM log.events;

GRANT SELECT ON log.events, log.heads, log.recorded, log.eras, log.checkpoints, log.leases
    TO rhone_api, rhone_worker, rhone_projector;

RESET ROLE;

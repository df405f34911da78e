-- The index of logs: which lines lie in which chunk of the store, and whose they are. Diagnostic: nothing that decides reads it,
-- and all of it may be deleted. Written by the functions here alone, which the role of workers calls; no program's role writes
-- the table itself. The trap avoided: a reader that goes on from the last `pos` it saw and misses a chunk that was numbered
-- before and committed after it; within a workspace chunks are numbered one after the other.
CREATE SCHEMA diagnostics AUTHORIZATION rhone_owner;
GRANT USAGE ON SCHEMA diagnostics TO rhone_api, rhone_worker;
SET ROLE rhone_owner;

CREATE TABLE diagnostics.log_chunks (
    pos         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace   uuid NOT NULL,
    app         uuid NOT NULL,
    environment uuid,
    operation   uuid,
    deployment  uuid,
    allocation  uuid,
    host        uuid,
    -- Whose lines are counted: an allocation's, or those of the operation that builds.
    owner       uuid NOT NULL GENERATED ALWAYS AS (coalesce(allocation, operation)) STORED,
    source      text NOT NULL CHECK (source IN ('build', 'runtime')),
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    first_line  bigint NOT NULL CHECK (first_line >= 0),
    lines       int NOT NULL CHECK (lines > 0),
    -- As they lie in the store.
    bytes       bigint NOT NULL CHECK (bytes > 0),
    digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
    kept_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (owner, first_line)
);
CREATE INDEX log_chunks_of_workspace ON diagnostics.log_chunks (workspace, pos);
CREATE INDEX log_chunks_of_app ON diagnostics.log_chunks (app, pos);
CREATE INDEX log_chunks_of_environment ON diagnostics.log_chunks (environment, pos) WHERE environment IS NOT NULL;
CREATE INDEX log_chunks_of_deployment ON diagnostics.log_chunks (deployment, pos) WHERE deployment IS NOT NULL;
CREATE INDEX log_chunks_of_owner ON diagnostics.log_chunks (owner, pos) INCLUDE (bytes);
CREATE INDEX log_chunks_by_age ON diagnostics.log_chunks (kept_at);

ALTER TABLE diagnostics.log_chunks ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON diagnostics.log_chunks FOR SELECT TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
GRANT SELECT ON diagnostics.log_chunks TO rhone_api;

-- Keeps a chunk, or finds that its lines are kept already: the digest of what is kept, and whether it was kept just now.
CREATE FUNCTION diagnostics.keep_chunk(p_workspace uuid, p_app uuid, p_environment uuid, p_operation uuid,
                                       p_deployment uuid, p_allocation uuid, p_host uuid, p_source text,
                                       p_first_at timestamptz, p_last_at timestamptz, p_first_line bigint, p_lines int,
                                       p_bytes bigint, p_digest bytea)
RETURNS TABLE (digest bytea, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    -- Until the end of the transaction: the next number is given when this one can be seen.
    PERFORM pg_advisory_xact_lock(hashtextextended('diagnostics.log_chunks:' || p_workspace::text, 0));
    RETURN QUERY SELECT c.digest, false FROM diagnostics.log_chunks c
    WHERE c.owner = coalesce(p_allocation, p_operation)
      AND p_first_line >= c.first_line AND p_first_line < c.first_line + c.lines
    ORDER BY c.first_line DESC LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO diagnostics.log_chunks (workspace, app, environment, operation, deployment, allocation, host, source,
                                        first_at, last_at, first_line, lines, bytes, digest)
    VALUES (p_workspace, p_app, p_environment, p_operation, p_deployment, p_allocation, p_host, p_source,
            p_first_at, p_last_at, p_first_line, p_lines, p_bytes, p_digest);
    RETURN QUERY SELECT p_digest, true;
END $$;

-- The number of the line that comes next.
CREATE FUNCTION diagnostics.next_line(p_owner uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce((SELECT c.first_line + c.lines FROM diagnostics.log_chunks c
                     WHERE c.owner = p_owner ORDER BY c.first_line DESC LIMIT 1), 0)
$$;

-- Where the logs of these workspaces stand, for whoever tells followers when to look.
CREATE FUNCTION diagnostics.newest_chunks(p_workspaces uuid[]) RETURNS TABLE (workspace uuid, pos bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT w.workspace, n.pos FROM unnest(p_workspaces) AS w(workspace) CROSS JOIN LATERAL (
        SELECT c.pos FROM diagnostics.log_chunks c WHERE c.workspace = w.workspace ORDER BY c.pos DESC LIMIT 1) n
$$;

-- What is too old, and of every owner the oldest beyond so many bytes.
CREATE FUNCTION diagnostics.chunks_to_forget(p_age interval, p_bytes bigint, p_most int)
RETURNS TABLE (pos bigint, owner uuid, digest bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    (SELECT c.pos, c.owner, c.digest FROM diagnostics.log_chunks c
     WHERE c.kept_at < clock_timestamp() - p_age ORDER BY c.kept_at LIMIT p_most)
    UNION
    (SELECT w.pos, w.owner, w.digest
     FROM (SELECT c.owner FROM diagnostics.log_chunks c GROUP BY c.owner HAVING sum(c.bytes) > p_bytes) o
     CROSS JOIN LATERAL (
         SELECT c.pos, c.owner, c.digest, sum(c.bytes) OVER (ORDER BY c.pos DESC) AS upto
         FROM diagnostics.log_chunks c WHERE c.owner = o.owner) w
     WHERE w.upto > p_bytes ORDER BY w.pos LIMIT p_most)
$$;

-- After its bytes were deleted.
CREATE FUNCTION diagnostics.forget_chunk(p_pos bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM diagnostics.log_chunks WHERE pos = p_pos
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA diagnostics FROM PUBLIC;
GRANT EXECUTE ON FUNCTION diagnostics.keep_chunk(uuid, uuid, uuid, uuid, uuid, uuid, uuid, text, timestamptz, timestamptz,
    bigint, int, bigint, bytea), diagnostics.next_line(uuid), diagnostics.newest_chunks(uuid[]),
    diagnostics.chunks_to_forget(interval, bigint, int), diagnostics.forget_chunk(bigint) TO rhone_worker;

RESET ROLE;

-- An append costs what it writes, however much there is. The heads of all written streams move in one statement; three made,
-- locked and updated each. A connection keeps the plans of its first appends until the next ANALYZE: while there is little, going
-- through all of a table looks cheap, so what an append asks has no plan but by an index. And a function in SQL is parsed and
-- planned at every call: the one that says who may write is no longer such a function.
SET ROLE rhone_owner;

-- A stream that is not there yet is there once it grew, and a twin waits for it here. Who waits for a head grows it from where
-- it is by then, so what it grew to says where it stood. Without asserted streams the heads are locked here, by name; with
-- them all streams were locked before, by name, and this waits for nobody.
CREATE OR REPLACE FUNCTION log.append(
    p_workspace uuid,
    p_key_workspace uuid, p_key_actor uuid, p_key text, p_fingerprint bytea, p_answer json,
    p_lease text, p_fence bigint,
    p_streams text[], p_expected bigint[],
    p_assert_streams text[], p_assert_versions bigint[],
    p_ev_stream text[], p_ev_version bigint[], p_ev_id uuid[], p_ev_type text[], p_ev_schema smallint[],
    p_ev_region uuid[], p_ev_cell uuid[], p_ev_actor uuid[], p_ev_actor_kind text[], p_ev_on_behalf_of uuid[],
    p_ev_writer text[], p_ev_correlation uuid[], p_ev_causation uuid[], p_ev_key text[], p_ev_traceparent text[],
    p_ev_occurred_at timestamptz[], p_ev_payload text[], p_ev_hash bytea[],
    p_inline json
) RETURNS TABLE (era integer, tx text, pos bigint, replayed boolean, answer json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
    v_era integer;
    v_pos bigint;
    v_request log.requests;
    v_stream record;
BEGIN
    -- Before the era is read: reseal waits for whoever has it, and opens the next one only then.
    LOCK TABLE log.events IN ROW EXCLUSIVE MODE;
    SELECT max(e.era) INTO STRICT v_era FROM log.eras e;

    IF p_key IS NOT NULL THEN
        INSERT INTO log.requests AS r (workspace, actor, key, fingerprint, answer, era, tx)
        VALUES (p_key_workspace, p_key_actor, p_key, p_fingerprint, p_answer, v_era, pg_current_xact_id())
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT * INTO STRICT v_request FROM log.requests r
            WHERE r.workspace = p_key_workspace AND r.actor = p_key_actor AND r.key = p_key COLLATE "C";
            IF v_request.fingerprint <> p_fingerprint THEN
                RAISE EXCEPTION USING ERRCODE = 'RH002', MESSAGE = 'the key was used for another request';
            END IF;
            RETURN QUERY
                SELECT v_request.era, v_request.tx::text,
                       (SELECT max(e.pos) FROM log.events e WHERE e.era = v_request.era AND e.tx = v_request.tx),
                       true, v_request.answer;
            RETURN;
        END IF;
    END IF;

    IF p_lease IS NOT NULL THEN
        PERFORM FROM log.leases l
        WHERE l.name = p_lease COLLATE "C" AND l.fence = p_fence AND l.until > clock_timestamp() FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'RH003', MESSAGE = 'the lease is not held under this fence';
        END IF;
    END IF;

    PERFORM log.check_shape(p_streams, p_expected, p_ev_stream, p_ev_version);
    IF EXISTS (SELECT FROM (SELECT DISTINCT a FROM unnest(p_ev_actor) AS a) AS d
               WHERE authority.may_write(session_user, d.a, p_workspace) IS NOT TRUE) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH007', MESSAGE = 'the actor may not write in this workspace';
    END IF;

    IF cardinality(p_assert_streams) > 0 THEN
        FOR v_stream IN
            SELECT s.stream, s.expected, s.written FROM (
                SELECT w.stream, w.expected, true AS written FROM unnest(p_streams, p_expected) AS w (stream, expected)
                UNION ALL
                SELECT a.stream, a.expected, false
                FROM unnest(p_assert_streams, p_assert_versions) AS a (stream, expected)
            ) AS s ORDER BY s.stream COLLATE "C", s.written DESC
        LOOP
            PERFORM log.lock_stream(v_stream.stream, v_stream.expected, v_stream.written, p_workspace);
        END LOOP;
    END IF;

    IF cardinality(p_streams) > 0 THEN
        WITH written AS MATERIALIZED (
            SELECT w.stream, w.expected, e.events FROM unnest(p_streams, p_expected) AS w (stream, expected)
            JOIN (SELECT o.stream, count(*) AS events FROM unnest(p_ev_stream) AS o (stream) GROUP BY o.stream) AS e
                USING (stream)
        ), moved AS (
            INSERT INTO log.heads AS h (stream, workspace, version)
            SELECT s.stream, p_workspace, s.events FROM written s ORDER BY s.stream COLLATE "C"
            ON CONFLICT (stream) DO UPDATE
            SET version = h.version + excluded.version,
                -- A claim and a backend may pass from one tenant to another; nothing else does that has events.
                workspace = CASE WHEN h.version = 0 OR split_part(h.stream, ':', 1) IN ('claim', 'backend')
                                 THEN excluded.workspace ELSE h.workspace END
            RETURNING h.stream, h.workspace, h.version
        )
        SELECT s.stream, s.expected, m.version - s.events AS actual INTO v_stream
        FROM written s JOIN moved m ON m.stream = s.stream COLLATE "C"
        WHERE m.version - s.events <> s.expected OR m.workspace <> p_workspace
        ORDER BY s.stream COLLATE "C" LIMIT 1;
        IF FOUND AND v_stream.actual <> v_stream.expected THEN
            RAISE EXCEPTION USING ERRCODE = 'RH001', MESSAGE = 'a stream is at another version', DETAIL = json_build_object(
                'stream', v_stream.stream, 'expected', v_stream.expected, 'actual', v_stream.actual);
        ELSIF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'RH005', MESSAGE = 'a stream belongs to another workspace',
                DETAIL = v_stream.stream;
        END IF;

        WITH fresh AS (
            INSERT INTO log.events AS e (
                era, stream, version, event_id, event_type, schema_version, workspace, region, cell, actor, actor_kind,
                on_behalf_of, writer, correlation, causation, idempotency_key, traceparent, occurred_at, payload, hash)
            SELECT v_era, n.stream, n.version, n.event_id, n.event_type, n.schema_version, p_workspace, n.region, n.cell,
                   n.actor, n.actor_kind, n.on_behalf_of, n.writer, n.correlation, n.causation, n.idempotency_key,
                   n.traceparent, n.occurred_at, n.payload::json, n.hash
            FROM unnest(
                p_ev_stream, p_ev_version, p_ev_id, p_ev_type, p_ev_schema, p_ev_region, p_ev_cell, p_ev_actor,
                p_ev_actor_kind, p_ev_on_behalf_of, p_ev_writer, p_ev_correlation, p_ev_causation, p_ev_key,
                p_ev_traceparent, p_ev_occurred_at, p_ev_payload, p_ev_hash
            ) WITH ORDINALITY AS n (
                stream, version, event_id, event_type, schema_version, region, cell, actor, actor_kind, on_behalf_of,
                writer, correlation, causation, idempotency_key, traceparent, occurred_at, payload, hash, ord)
            ORDER BY n.ord
            RETURNING e.pos
        )
        SELECT max(f.pos) INTO v_pos FROM fresh f;
    END IF;

    IF p_inline IS NOT NULL THEN
        PERFORM authority.apply(p_inline, v_era);
    END IF;
    RETURN QUERY SELECT v_era, pg_current_xact_id()::text, v_pos, false, NULL::json;
END
$$;

CREATE OR REPLACE FUNCTION authority.may_write(p_role name, p_actor uuid, p_workspace uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_role <> 'rhone_api' THEN
        RETURN true;
    END IF;
    RETURN EXISTS (SELECT FROM authority.members m WHERE m.actor = p_actor AND m.workspace = p_workspace)
        OR p_actor = p_workspace
        OR NOT EXISTS (SELECT FROM authority.members m WHERE m.workspace = p_workspace)
           AND NOT identity.is_person(p_workspace)
        OR EXISTS (SELECT FROM identity.tokens t, LATERAL authority.supported(t.access) s
                   WHERE t.actor = p_actor AND t.access IS NOT NULL AND t.revoked_at IS NULL
                     AND s.workspace = p_workspace)
        OR authority.opened(decode(nullif(current_setting('rhone.secret', true), ''), 'hex')) = p_workspace;
END $$;

RESET ROLE;

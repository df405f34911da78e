-- The one door into the log: one call, one round trip, all or nothing. Refusals by code:
--   RH001 a stream is at another version   RH002 the key was used for another request   RH003 the lease is not held
--   RH004 malformed                        RH005 the stream belongs to another tenant   RH007 the actor may not write here
-- Locks are taken in one order everywhere: the key, the lease, then the streams by name, whether written or only asserted.
SET LOCAL ROLE rhone_owner;

CREATE FUNCTION log.lock_stream(p_stream text, p_expected bigint, p_written boolean, p_workspace uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_version bigint;
    v_workspace uuid;
BEGIN
    -- A stream that is not there yet cannot be locked: it gets a head at version 0 first, and a twin waits for it here.
    IF p_expected = 0 THEN
        INSERT INTO log.heads (stream, workspace, version) VALUES (p_stream, p_workspace, 0) ON CONFLICT DO NOTHING;
    END IF;
    IF p_written THEN
        SELECT h.version, h.workspace INTO v_version, v_workspace
        FROM log.heads h WHERE h.stream = p_stream COLLATE "C" FOR NO KEY UPDATE;
    ELSE
        SELECT h.version, h.workspace INTO v_version, v_workspace
        FROM log.heads h WHERE h.stream = p_stream COLLATE "C" FOR SHARE;
    END IF;
    IF coalesce(v_version, 0) <> p_expected THEN
        RAISE EXCEPTION USING ERRCODE = 'RH001', MESSAGE = 'a stream is at another version',
            DETAIL = json_build_object('stream', p_stream, 'expected', p_expected, 'actual', coalesce(v_version, 0));
    END IF;
    -- A claim may pass from one tenant to another; nothing else does.
    IF p_written AND v_version > 0 AND v_workspace <> p_workspace AND split_part(p_stream, ':', 1) <> 'claim' THEN
        RAISE EXCEPTION USING ERRCODE = 'RH005', MESSAGE = 'a stream belongs to another workspace', DETAIL = p_stream;
    END IF;
END
$$;

CREATE FUNCTION log.check_shape(p_streams text[], p_expected bigint[], p_ev_stream text[], p_ev_version bigint[])
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
    IF EXISTS (
        SELECT FROM unnest(p_streams) AS w (stream) WHERE w.stream <> ALL (p_ev_stream)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'RH004', MESSAGE = 'a stream is written without events';
    END IF;
END
$$;

CREATE FUNCTION log.append(
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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

    FOR v_stream IN
        SELECT s.stream, s.expected, s.written FROM (
            SELECT w.stream, w.expected, true AS written FROM unnest(p_streams, p_expected) AS w (stream, expected)
            UNION ALL
            SELECT a.stream, a.expected, false FROM unnest(p_assert_streams, p_assert_versions) AS a (stream, expected)
        ) AS s ORDER BY s.stream COLLATE "C", s.written DESC
    LOOP
        PERFORM log.lock_stream(v_stream.stream, v_stream.expected, v_stream.written, p_workspace);
    END LOOP;

    IF cardinality(p_streams) > 0 THEN
        UPDATE log.heads h SET version = w.last, workspace = p_workspace
        FROM (SELECT e.stream, max(e.version) AS last FROM unnest(p_ev_stream, p_ev_version) AS e (stream, version)
              GROUP BY e.stream) AS w
        WHERE h.stream = w.stream COLLATE "C";

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
GRANT EXECUTE ON FUNCTION log.append TO rhone_api, rhone_worker;

-- Forgets keys that are older than anybody retries, in small batches.
CREATE FUNCTION log.forget_requests(p_keep interval, p_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_count integer;
BEGIN
    IF p_keep < interval '7 days' OR p_most NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION USING ERRCODE = 'RH004', MESSAGE = 'keys are kept for 7 days and forgotten 10000 at a time';
    END IF;
    DELETE FROM log.requests WHERE ctid = ANY (ARRAY(
        SELECT r.ctid FROM log.requests r WHERE r.created_at < clock_timestamp() - p_keep LIMIT p_most));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
GRANT EXECUTE ON FUNCTION log.forget_requests TO rhone_worker;

RESET ROLE;

-- Reading in order, and what is known about the order itself (ADR 0002).
SET LOCAL ROLE rhone_owner;

-- A stream as one actor may see it, perhaps within one workspace only; without an actor, as the role may.
CREATE FUNCTION log.read_stream(p_actor uuid, p_scope uuid, p_stream text, p_after bigint) RETURNS SETOF log.recorded
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('rhone.actor', coalesce(p_actor::text, ''), true),
            set_config('rhone.workspace', coalesce(p_scope::text, ''), true);
    RETURN QUERY SELECT r.* FROM log.recorded r
        WHERE r.stream = p_stream COLLATE "C" AND r.version > p_after ORDER BY r.stream, r.version;
END
$$;

-- Everything after a position, up to the oldest transaction that may still write. One statement, one snapshot: it must stay
-- STABLE, and the watermark must stay inside. The batch is extended to the end of its last transaction.
CREATE FUNCTION log.read_all(p_era integer, p_tx xid8, p_pos bigint, p_limit bigint) RETURNS SETOF log.recorded
LANGUAGE sql STABLE AS $$
    WITH batch AS MATERIALIZED (
        SELECT e.* FROM log.events e
        WHERE (e.era, e.tx, e.pos) > (p_era, p_tx, p_pos)
          AND (e.era, e.tx) < ((SELECT max(c.era) FROM log.eras c), pg_snapshot_xmin(pg_current_snapshot()))
        ORDER BY e.era, e.tx, e.pos LIMIT p_limit
    ), final AS MATERIALIZED (
        SELECT b.era, b.tx, b.pos FROM batch b ORDER BY b.era DESC, b.tx DESC, b.pos DESC LIMIT 1
    ), whole AS (
        SELECT b.* FROM batch b
        UNION ALL
        SELECT e.* FROM final f JOIN log.events e ON e.era = f.era AND e.tx = f.tx AND e.pos > f.pos
    )
    SELECT w.era, w.tx::text, w.pos, w.stream, w.version, w.event_id, w.event_type, w.schema_version, w.workspace,
           w.region, w.cell, w.actor, w.actor_kind, w.on_behalf_of, w.writer, w.correlation, w.causation,
           w.idempotency_key, w.traceparent, w.occurred_at, w.recorded_at, w.payload::text, w.hash
    FROM whole w ORDER BY w.era, w.tx, w.pos
$$;

-- Which life of the log this is: the cluster, its timeline, the era.
CREATE FUNCTION log.incarnation() RETURNS TABLE (system text, timeline integer, era integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.system_identifier::text,
           ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer,
           (SELECT max(e.era) FROM log.eras e)
    FROM pg_control_system() c
$$;

-- Refuses a log whose order is ahead of the cluster: it was restored from a dump and would read as empty.
CREATE FUNCTION log.check_boot() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_last xid8;
    v_next xid8 := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
    SELECT e.tx INTO v_last FROM log.events e
    WHERE e.era = (SELECT max(c.era) FROM log.eras c) ORDER BY e.era DESC, e.tx DESC LIMIT 1;
    IF v_last >= v_next THEN
        RAISE EXCEPTION USING ERRCODE = 'RH010',
            MESSAGE = format('the last event is of transaction %s, this cluster is at %s: run rhone admin reseal',
                             v_last, v_next);
    END IF;
END
$$;

-- Opens the next era. For the administrator; log.eras is the record of it.
CREATE FUNCTION log.reseal(p_reason text, p_actor uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_era integer;
BEGIN
    LOCK TABLE log.events IN EXCLUSIVE MODE;
    INSERT INTO log.eras (era, reason, actor)
    SELECT max(e.era) + 1, p_reason, p_actor FROM log.eras e RETURNING era INTO STRICT v_era;
    RETURN v_era;
END
$$;

-- How long the oldest write transaction of the cluster has been holding readers back, and whose it is.
CREATE FUNCTION log.watermark() RETURNS TABLE (lag_seconds double precision, pid integer, holder text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(greatest(extract(epoch FROM clock_timestamp() - o.since), 0), 0)::double precision, o.pid, o.holder
    FROM (SELECT) AS always
    LEFT JOIN (
        SELECT a.backend_xid AS xid, a.xact_start AS since, a.pid,
               format('%s in %s, %s: %s', coalesce(nullif(a.application_name, ''), a.usename, 'unknown'),
                      coalesce(a.datname, '-'), coalesce(a.state, a.backend_type), left(a.query, 200)) AS holder
        FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()
        UNION ALL
        SELECT p.transaction, p.prepared, NULL, format('prepared transaction %s in %s', p.gid, p.database)
        FROM pg_prepared_xacts p
        ORDER BY 2 LIMIT 1
    ) AS o ON true
$$;

GRANT EXECUTE ON FUNCTION log.read_stream, log.read_all, log.incarnation, log.check_boot, log.watermark
    TO rhone_api, rhone_worker, rhone_projector;

RESET ROLE;

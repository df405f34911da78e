-- Leases by the database's clock, checkpoints under a fence, and the keys of subjects: each table has its functions and no
-- other writer.
SET LOCAL ROLE rhone_owner;

CREATE FUNCTION log.lease_span(p_seconds double precision) RETURNS interval
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_seconds > 0 AND p_seconds <= 3600 THEN
        RETURN make_interval(secs => p_seconds);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'RH004', MESSAGE = 'a lease is for more than 0 and at most 3600 seconds';
END
$$;

-- The fence, or null if somebody else holds it. The holder gets the same fence again; whoever takes it over gets the next.
CREATE FUNCTION log.claim_lease(p_name text, p_owner text, p_seconds double precision) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO log.leases AS l (name, owner, fence, until)
    VALUES (p_name, p_owner, 1, clock_timestamp() + log.lease_span(p_seconds))
    ON CONFLICT (name) DO UPDATE SET
        owner = excluded.owner,
        fence = CASE WHEN l.owner = excluded.owner AND l.until > clock_timestamp() THEN l.fence ELSE l.fence + 1 END,
        until = excluded.until
    WHERE l.owner = excluded.owner OR l.until <= clock_timestamp()
    RETURNING l.fence
$$;

CREATE FUNCTION log.renew_lease(p_name text, p_owner text, p_fence bigint, p_seconds double precision) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE log.leases l SET until = clock_timestamp() + log.lease_span(p_seconds)
    WHERE l.name = p_name COLLATE "C" AND l.owner = p_owner AND l.fence = p_fence AND l.until > clock_timestamp();
    RETURN FOUND;
END
$$;

CREATE FUNCTION log.release_lease(p_name text, p_owner text, p_fence bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE log.leases l SET until = '-infinity'
    WHERE l.name = p_name COLLATE "C" AND l.owner = p_owner AND l.fence = p_fence AND l.until > clock_timestamp();
    RETURN FOUND;
END
$$;

CREATE FUNCTION log.take_checkpoint(p_projection text, p_version integer, p_fence bigint) RETURNS log.checkpoints
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_taken log.checkpoints;
BEGIN
    INSERT INTO log.checkpoints AS c (projection, version, era, tx, pos, fence)
    VALUES (p_projection, p_version, 0, '0', 0, p_fence)
    ON CONFLICT (projection, version) DO UPDATE SET
        fence = excluded.fence, failed_event = NULL, error = NULL, updated_at = clock_timestamp()
    WHERE c.fence <= excluded.fence
    RETURNING c.* INTO v_taken;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'RH003', MESSAGE = 'the checkpoint is held under a newer fence';
    END IF;
    RETURN v_taken;
END
$$;

CREATE FUNCTION log.advance_checkpoint(
    p_projection text, p_version integer, p_fence bigint, p_era integer, p_tx xid8, p_pos bigint
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE log.checkpoints c
    SET era = p_era, tx = p_tx, pos = p_pos, failed_event = NULL, error = NULL, updated_at = clock_timestamp()
    WHERE c.projection = p_projection COLLATE "C" AND c.version = p_version AND c.fence = p_fence
      AND (c.era, c.tx, c.pos) < (p_era, p_tx, p_pos);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'RH003', MESSAGE = 'the checkpoint is held under a newer fence or further on';
    END IF;
END
$$;

CREATE FUNCTION log.fail_checkpoint(
    p_projection text, p_version integer, p_fence bigint, p_event uuid, p_error text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE log.checkpoints c SET failed_event = p_event, error = left(p_error, 2000), updated_at = clock_timestamp()
    WHERE c.projection = p_projection COLLATE "C" AND c.version = p_version AND c.fence = p_fence;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'RH003', MESSAGE = 'the checkpoint is held under a newer fence';
    END IF;
END
$$;

GRANT EXECUTE ON FUNCTION log.claim_lease, log.renew_lease, log.release_lease, log.take_checkpoint,
    log.advance_checkpoint, log.fail_checkpoint TO rhone_worker, rhone_projector;

CREATE FUNCTION log.subject_key(p_subject uuid) RETURNS TABLE (key_id text, wrapped_key bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.key_id, k.wrapped_key FROM log.subject_keys k WHERE k.subject = p_subject
$$;

-- A twin that was faster keeps its key; so does an erased subject keep none.
CREATE FUNCTION log.create_subject_key(p_subject uuid, p_workspace uuid, p_key_id text, p_wrapped bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO log.subject_keys (subject, workspace, key_id, wrapped_key)
    VALUES (p_subject, p_workspace, p_key_id, p_wrapped) ON CONFLICT DO NOTHING
$$;

CREATE FUNCTION log.destroy_subject_key(p_subject uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE log.subject_keys k SET wrapped_key = NULL, destroyed_at = clock_timestamp()
    WHERE k.subject = p_subject AND k.wrapped_key IS NOT NULL;
    RETURN FOUND;
END
$$;

GRANT EXECUTE ON FUNCTION log.subject_key, log.create_subject_key, log.destroy_subject_key TO rhone_api, rhone_worker;

RESET ROLE;

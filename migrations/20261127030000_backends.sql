-- A backend, a real database say, may be used by one tenant after another: like a claim, its stream passes from one to the
-- other. Nothing else does.
SET ROLE rhone_owner;

CREATE OR REPLACE FUNCTION log.lock_stream(p_stream text, p_expected bigint, p_written boolean, p_workspace uuid)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
    IF p_written AND v_version > 0 AND v_workspace <> p_workspace
       AND split_part(p_stream, ':', 1) NOT IN ('claim', 'backend') THEN
        RAISE EXCEPTION USING ERRCODE = 'RH005', MESSAGE = 'a stream belongs to another workspace', DETAIL = p_stream;
    END IF;
END
$$;

RESET ROLE;

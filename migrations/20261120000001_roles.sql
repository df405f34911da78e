-- The roles (ADR 0004). `rhone_owner` owns every schema, table and function; the three that programs run as own nothing.
-- Roles belong to the cluster and not to the database: each is made only if it is missing, and may be made by two at once.
-- They cannot log in until `rhone migrate` gives them a password.
DO $roles$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['rhone_owner', 'rhone_api', 'rhone_worker', 'rhone_projector'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format(
                    'CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', v_role);
                -- A write transaction left open holds back every reader of the log.
                EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', v_role, '5s');
                EXECUTE format('ALTER ROLE %I SET lock_timeout = %L', v_role, '10s');
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    -- For log.watermark(), which names whoever holds the log's readers back, whosever connection it is.
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_auth_members
        WHERE roleid = 'pg_read_all_stats'::regrole AND member = 'rhone_owner'::regrole
    ) THEN
        BEGIN
            GRANT pg_read_all_stats TO rhone_owner;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
END
$roles$;

-- Deploys wait in the log and not in a worker: each takes one of the few places where something is built, and a workspace has
-- so many at once. Whose turn it is goes round the workspaces. The traps avoided: a hundred queued builds that keep promotions
-- from being driven; one workspace that keeps the others from building; a queued deploy that nobody can cancel.
SET ROLE rhone_owner;

-- A deploy that shall end needs no place to build, so whoever drives the rest may end it.
CREATE OR REPLACE FUNCTION authority.claim_operations(p_owner text, p_most int, p_seconds double precision)
RETURNS TABLE (operation uuid, fence bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    candidate uuid;
BEGIN
    FOR candidate IN
        SELECT o.operation FROM authority.operations o
        LEFT JOIN log.leases l ON l.name = 'operation:' || o.operation::text
        WHERE NOT o.ended AND (l.name IS NULL OR l.until <= clock_timestamp())
          AND (o.kind <> 'deploy' OR o.deadline <= clock_timestamp() OR o.body->>'cancel' IS NOT NULL)
        ORDER BY o.created_at LIMIT p_most
    LOOP
        fence := log.claim_lease('operation:' || candidate::text, p_owner, p_seconds);
        IF fence IS NOT NULL THEN
            operation := candidate;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

CREATE INDEX operations_deploying ON authority.operations (created_at) WHERE NOT ended AND kind = 'deploy';

-- The limit is exact: who counts and who claims is one at a time.
CREATE FUNCTION authority.claim_deploys(p_owner text, p_most int, p_per_workspace int, p_seconds double precision)
RETURNS TABLE (operation uuid, fence bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    candidate uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM authority.operations o WHERE NOT o.ended AND o.kind = 'deploy') THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('authority.claim_deploys'));
    FOR candidate IN
        WITH waiting AS (
            SELECT o.operation, o.workspace, o.stage, o.created_at,
                   l.name IS NOT NULL AND l.until > clock_timestamp() AS held
            FROM authority.operations o
            LEFT JOIN log.leases l ON l.name = 'operation:' || o.operation::text
            WHERE NOT o.ended AND o.kind = 'deploy'
        ), turns AS (
            SELECT w.operation, w.created_at, w.held,
                   count(*) FILTER (WHERE w.held) OVER (PARTITION BY w.workspace)
                       + row_number() OVER (PARTITION BY w.workspace, w.held
                                            ORDER BY w.stage = 'queued', w.created_at, w.operation) AS turn
            FROM waiting w
        )
        SELECT t.operation FROM turns t WHERE NOT t.held AND t.turn <= p_per_workspace
        ORDER BY t.turn, t.created_at, t.operation LIMIT p_most
    LOOP
        fence := log.claim_lease('operation:' || candidate::text, p_owner, p_seconds);
        IF fence IS NOT NULL THEN
            operation := candidate;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION authority.claim_deploys(text, int, int, double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.claim_deploys(text, int, int, double precision) TO rhone_worker;

RESET ROLE;

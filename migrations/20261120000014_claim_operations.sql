-- Claiming takes the lease only: log.append locks the lease and then the operation's row, and whoever took them in the other
-- order would deadlock with it. The lease alone decides who drives an operation.
SET ROLE rhone_owner;

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
        ORDER BY o.created_at LIMIT p_most
    LOOP
        fence := log.claim_lease('operation:' || candidate::text, p_owner, p_seconds);
        IF fence IS NOT NULL THEN
            operation := candidate;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

RESET ROLE;

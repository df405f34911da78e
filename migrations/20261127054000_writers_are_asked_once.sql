-- Whether an actor may write is asked once per actor of an append, and not once per event: a stable function is asked below
-- the DISTINCT that gathers the actors, a volatile one is not.
SET ROLE rhone_owner;
ALTER FUNCTION authority.may_write(name, uuid, uuid) VOLATILE;
RESET ROLE;

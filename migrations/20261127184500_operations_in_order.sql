-- The operations of a workspace and of an environment are read page by page, in order of creation, and an environment's deployments
-- by the operations that were about them. The trap avoided: a page that reads every operation there is. These take the place of
-- indexes by time, which no question asked for.
SET ROLE rhone_owner;

CREATE INDEX IF NOT EXISTS operations_in_workspace ON authority.operations (workspace, operation);
CREATE INDEX IF NOT EXISTS operations_in_environment ON authority.operations (environment, operation);
CREATE INDEX IF NOT EXISTS operations_about_deployments ON authority.operations (environment, deployment);
DROP INDEX IF EXISTS authority.operations_of_workspace;
DROP INDEX IF EXISTS authority.operations_of_environment;

RESET ROLE;

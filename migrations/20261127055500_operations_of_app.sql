-- An app's operations are read page by page, in order of creation. The trap avoided: a list that reads every operation there is.
SET ROLE rhone_owner;

CREATE INDEX IF NOT EXISTS operations_of_app ON authority.operations (app, operation);

RESET ROLE;

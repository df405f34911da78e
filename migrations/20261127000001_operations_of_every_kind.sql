-- An operation may concern a host or a region, and then no app, environment or deployment.
SET ROLE rhone_owner;

ALTER TABLE authority.operations
    ALTER COLUMN app DROP NOT NULL,
    ALTER COLUMN environment DROP NOT NULL,
    ALTER COLUMN deployment DROP NOT NULL;

RESET ROLE;

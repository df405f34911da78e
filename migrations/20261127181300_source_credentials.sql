-- What an app's sources are read with belongs to no environment of it.
SET ROLE rhone_owner;

ALTER TABLE vault.values ALTER COLUMN environment DROP NOT NULL;

RESET ROLE;

-- The members of a workspace that have one role, a page of them in the order of their ids: as many rows are read as are shown.
SET ROLE rhone_owner;

CREATE INDEX members_by_role ON authority.members (workspace, role, actor);

RESET ROLE;

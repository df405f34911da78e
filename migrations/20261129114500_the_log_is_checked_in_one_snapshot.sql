-- Whether the log is ahead of its cluster is judged in one snapshot: the function must stay STABLE. In a volatile one each
-- statement has a snapshot of its own. What somebody appended between the look at the cluster's number and the look at the last
-- event was ahead of that number, and a part that was just starting ended, with the advice to reseal.
SET ROLE rhone_owner;

ALTER FUNCTION log.check_boot() STABLE;

RESET ROLE;

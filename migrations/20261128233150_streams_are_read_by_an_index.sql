-- Before anything is judged its stream is read, and a claim, and what the caller is to its workspaces. A connection keeps these
-- plans, too, until the next ANALYZE; made while there was little, they went through all that was written since. What the
-- functions say is the same.
SET ROLE rhone_owner;

ALTER FUNCTION log.read_stream(uuid, uuid, text, bigint) SET enable_seqscan = off;
ALTER FUNCTION log.read_streams(uuid, uuid, text[]) SET enable_seqscan = off;
ALTER FUNCTION log.read_claim(uuid, uuid, uuid) SET enable_seqscan = off;
ALTER FUNCTION authority.memberships(uuid, uuid) SET enable_seqscan = off;

RESET ROLE;

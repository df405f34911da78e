-- Keys of personal fields are asked for, made and destroyed through the worker's role alone (`eventstore/src/subjects.rs`). By the
-- API's, whose statements answer strangers, another tenant's fields could have been erased for ever.
SET ROLE rhone_owner;

REVOKE EXECUTE ON FUNCTION log.subject_key, log.create_subject_key, log.destroy_subject_key FROM rhone_api;

RESET ROLE;

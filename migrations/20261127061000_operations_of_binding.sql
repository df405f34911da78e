-- Which environment a binding is of is known by its id alone: the operation that asked for it says. A column of its own, because
-- under row-level security no index on an expression over JSON is used.
SET ROLE rhone_owner;

ALTER TABLE authority.operations
    ADD COLUMN binding uuid GENERATED ALWAYS AS ((body->'requested'->>'binding')::uuid) STORED;
CREATE INDEX operations_of_binding ON authority.operations (binding) WHERE binding IS NOT NULL;

RESET ROLE;

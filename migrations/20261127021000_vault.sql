-- The vault: values of variables, encrypted, and the apps' keys, wrapped. Nothing of it is an event, and no program's role
-- changes or deletes a row: a new value is a new row, and only the administrator wraps keys anew.
CREATE SCHEMA vault AUTHORIZATION rhone_owner;
SET ROLE rhone_owner;

GRANT USAGE ON SCHEMA vault TO rhone_api, rhone_worker;

-- Keys of one app: `data` encrypts its values, `digest` tells equal values. Writer: the API, at an app's first variable;
-- `rhone admin rotate-keys` wraps them anew and adds generations.
CREATE TABLE vault.app_keys (
    workspace  uuid NOT NULL,
    app        uuid NOT NULL,
    purpose    text NOT NULL CHECK (purpose IN ('data', 'digest')),
    generation bigint NOT NULL CHECK (generation > 0),
    kek        text NOT NULL,
    wrapped    bytea NOT NULL CHECK (octet_length(wrapped) = 60),
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    wrapped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace, app, purpose, generation)
);

-- Values. Writer: the API, before the event that refers to a row; a row that no event came to refer to stays unread.
CREATE TABLE vault.values (
    value       uuid PRIMARY KEY,
    workspace   uuid NOT NULL,
    app         uuid NOT NULL,
    environment uuid NOT NULL,
    name        text NOT NULL,
    env_set     bigint NOT NULL CHECK (env_set > 0),
    purpose     text NOT NULL DEFAULT 'data' CHECK (purpose = 'data'),
    generation  bigint NOT NULL,
    nonce       bytea NOT NULL CHECK (octet_length(nonce) = 12),
    ciphertext  bytea NOT NULL CHECK (octet_length(ciphertext) BETWEEN 16 AND 65536),
    sealed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (workspace, app, purpose, generation) REFERENCES vault.app_keys
);
CREATE INDEX values_of_environment ON vault.values (environment);

ALTER TABLE vault.app_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE vault.values ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON vault.app_keys TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]))
    WITH CHECK (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
CREATE POLICY tenant ON vault.values TO rhone_api
    USING (workspace = ANY ((SELECT authority.workspaces())::uuid[]))
    WITH CHECK (workspace = ANY ((SELECT authority.workspaces())::uuid[]));
-- For the endpoint of runners, which hands an allocation its variables.
CREATE POLICY worker ON vault.app_keys FOR SELECT TO rhone_worker USING (true);
CREATE POLICY worker ON vault.values FOR SELECT TO rhone_worker USING (true);
GRANT SELECT, INSERT ON vault.app_keys, vault.values TO rhone_api;
GRANT SELECT ON vault.app_keys, vault.values TO rhone_worker;

RESET ROLE;

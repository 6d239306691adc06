-- Text is compared byte by byte (the BINARY collation): ids that differ in case are different ids.

CREATE TABLE tenants (
    tenant_id TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    tier      TEXT NOT NULL,
    home_cell TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    key_id         TEXT PRIMARY KEY,
    secret_sha256  TEXT NOT NULL,
    tenant_id      TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    principal_kind TEXT NOT NULL,
    tier           TEXT NOT NULL,
    credential     TEXT NOT NULL,
    teams          TEXT NOT NULL, -- a JSON list
    created_at_ms  INTEGER NOT NULL,
    revoked_at_ms  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, created_at_ms, key_id);

CREATE TABLE bundles (
    owner           TEXT NOT NULL,
    bundle_hash     TEXT NOT NULL,
    document        BLOB NOT NULL,
    published_at_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, bundle_hash)
) STRICT;

CREATE TABLE bundle_activations (
    activation_no INTEGER PRIMARY KEY, -- the order in which they were made, whatever the clocks said
    owner         TEXT NOT NULL,
    bundle_hash   TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    FOREIGN KEY (owner, bundle_hash) REFERENCES bundles (owner, bundle_hash)
) STRICT;

CREATE INDEX bundle_activations_of_owner ON bundle_activations (owner, activation_no);

-- The proof. Rows are inserted and never changed.
CREATE TABLE audit_entries (
    entry_no  INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    shard     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    audit_id  TEXT NOT NULL,
    kind      TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    body      BLOB NOT NULL,
    prev_hash TEXT NOT NULL,
    hash      TEXT NOT NULL,
    UNIQUE (tenant_id, shard, seq)
) STRICT;

CREATE TABLE audit_heads (
    tenant_id TEXT NOT NULL,
    shard     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    hash      TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    key_id    TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (tenant_id, shard, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_chains (
    tenant_id TEXT NOT NULL,
    shard     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, shard)
) STRICT, WITHOUT ROWID;

-- One row for each call: where its newest entry is, and what that entry says in the fields that can be searched.
-- It is derived from audit_entries and proves nothing.
CREATE TABLE audit_calls (
    call_no      INTEGER PRIMARY KEY, -- the order in which calls were first seen
    tenant_id    TEXT NOT NULL,
    audit_id     TEXT NOT NULL,
    shard        INTEGER NOT NULL,
    entry_no     INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    call_id      TEXT,
    decision_id  TEXT,
    principal_id TEXT,
    verdict      TEXT,
    route        TEXT,
    UNIQUE (tenant_id, audit_id)
) STRICT;

CREATE INDEX audit_calls_by_time ON audit_calls (tenant_id, opened_at_ms);
CREATE INDEX audit_calls_by_call ON audit_calls (tenant_id, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX audit_calls_by_decision ON audit_calls (tenant_id, decision_id) WHERE decision_id IS NOT NULL;
CREATE INDEX audit_calls_by_principal ON audit_calls (tenant_id, principal_id, opened_at_ms) WHERE principal_id IS NOT NULL;
CREATE INDEX audit_calls_by_route ON audit_calls (tenant_id, route, opened_at_ms) WHERE route IS NOT NULL;
-- Nearly every call is allowed: whoever looks for those finds them by time, and need not pay for an index.
CREATE INDEX audit_calls_by_verdict ON audit_calls (tenant_id, verdict, opened_at_ms) WHERE verdict <> 'allow';
CREATE INDEX audit_calls_open ON audit_calls (tenant_id, shard, entry_no) WHERE kind = 'opened';

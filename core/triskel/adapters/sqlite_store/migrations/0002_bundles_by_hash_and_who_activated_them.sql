-- A bundle is found by its hash alone.
CREATE INDEX bundles_by_hash ON bundles (bundle_hash);

-- Who made a bundle the active one; empty where nobody was named.
ALTER TABLE bundle_activations ADD COLUMN activated_by TEXT NOT NULL DEFAULT '';

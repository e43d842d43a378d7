-- +goose Up
-- When somebody last made the account, changed its roles, or made a sign-in link
-- for it: whoever did so may be behind it.
ALTER TABLE staff ADD COLUMN touched_at BIGINT NOT NULL DEFAULT 0;
-- The instruction whose key took the place of this one, to undo that.
ALTER TABLE contact_keys ADD COLUMN replaced_by TEXT NOT NULL DEFAULT '';
-- What it bound was taken away again.
ALTER TABLE instructions ADD COLUMN undone BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE instructions DROP COLUMN undone;
ALTER TABLE contact_keys DROP COLUMN replaced_by;
ALTER TABLE staff DROP COLUMN touched_at;

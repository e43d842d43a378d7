-- +goose Up
-- An app that is being set up belongs to the session that began it, and to
-- nobody else: it never waits in somebody's place to be confirmed by them.
CREATE TABLE pending_apps (
	session_hash TEXT PRIMARY KEY,
	secret       BYTEA NOT NULL,
	made_at      BIGINT NOT NULL
);
DELETE FROM contact_totp WHERE NOT confirmed;
ALTER TABLE contact_totp DROP COLUMN confirmed;
ALTER TABLE contact_totp ADD COLUMN missed_at BIGINT NOT NULL DEFAULT 0;

ALTER TABLE instructions ADD COLUMN disputed BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE instructions DROP COLUMN disputed;
ALTER TABLE contact_totp DROP COLUMN missed_at;
ALTER TABLE contact_totp ADD COLUMN confirmed BOOLEAN NOT NULL DEFAULT TRUE;
DROP TABLE pending_apps;

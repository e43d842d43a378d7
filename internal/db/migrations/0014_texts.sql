-- +goose Up
CREATE TABLE texts (
	id         TEXT PRIMARY KEY,
	network    TEXT NOT NULL,
	contact_id TEXT NOT NULL DEFAULT '',
	state      TEXT NOT NULL CHECK (state IN ('asked', 'waiting', 'sent', 'failed', 'dropped')),
	doc        BYTEA NOT NULL,
	attempts   BIGINT NOT NULL DEFAULT 0,
	reason     TEXT NOT NULL DEFAULT '',
	asked_at   BIGINT NOT NULL,
	done_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX texts_network ON texts (network, asked_at);
CREATE INDEX texts_contact ON texts (contact_id, asked_at);

CREATE TABLE captured_texts (
	id      TEXT PRIMARY KEY,
	doc     BYTEA NOT NULL,
	made_at BIGINT NOT NULL
);

CREATE TABLE agreed_codes (
	contact_id TEXT PRIMARY KEY,
	hash       BYTEA NOT NULL,
	by_staff   TEXT NOT NULL DEFAULT '',
	made_at    BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0
);

ALTER TABLE portal_codes ADD COLUMN factor TEXT NOT NULL DEFAULT 'access code';

-- +goose Down
ALTER TABLE portal_codes DROP COLUMN factor;
DROP TABLE agreed_codes;
DROP TABLE captured_texts;
DROP TABLE texts;

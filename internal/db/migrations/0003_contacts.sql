-- +goose Up
CREATE TABLE contacts (
	id         TEXT PRIMARY KEY,
	name       BYTEA NOT NULL,
	key_id     TEXT NOT NULL,
	source     TEXT NOT NULL,
	signed     BIGINT NOT NULL DEFAULT 0,
	unsigned   BIGINT NOT NULL DEFAULT 0,
	made_at    BIGINT NOT NULL,
	version    BIGINT NOT NULL DEFAULT 1
);

CREATE TABLE contact_addresses (
	lookup     TEXT PRIMARY KEY,
	contact_id TEXT NOT NULL,
	address    BYTEA NOT NULL,
	source     TEXT NOT NULL,
	made_at    BIGINT NOT NULL
);
CREATE INDEX contact_addresses_contact ON contact_addresses (contact_id);

CREATE TABLE contact_phones (
	id         TEXT PRIMARY KEY,
	contact_id TEXT NOT NULL,
	phone      BYTEA NOT NULL,
	source     TEXT NOT NULL,
	by_staff   TEXT NOT NULL,
	made_at    BIGINT NOT NULL
);
CREATE INDEX contact_phones_contact ON contact_phones (contact_id);

CREATE TABLE contact_keys (
	id          TEXT PRIMARY KEY,
	contact_id  TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	data        BYTEA NOT NULL,
	trust       TEXT NOT NULL,
	source      TEXT NOT NULL,
	pending     BOOLEAN NOT NULL DEFAULT FALSE,
	via         TEXT NOT NULL DEFAULT '',
	by_staff    TEXT NOT NULL DEFAULT '',
	by_name     BYTEA,
	verified_at BIGINT NOT NULL DEFAULT 0,
	made_at     BIGINT NOT NULL,
	UNIQUE (contact_id, fingerprint)
);
CREATE INDEX contact_keys_contact ON contact_keys (contact_id);

CREATE TABLE contact_key_ids (
	key_id     TEXT NOT NULL,
	contact_id TEXT NOT NULL,
	row_id     TEXT NOT NULL,
	PRIMARY KEY (key_id, row_id)
);

CREATE TABLE contact_words (
	word       BIGINT NOT NULL,
	contact_id TEXT NOT NULL,
	PRIMARY KEY (word, contact_id)
);

-- +goose Down
DROP TABLE contact_words;
DROP TABLE contact_key_ids;
DROP TABLE contact_keys;
DROP TABLE contact_phones;
DROP TABLE contact_addresses;
DROP TABLE contacts;

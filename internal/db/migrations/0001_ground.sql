-- +goose Up
CREATE TABLE data_keys (
	id           TEXT PRIMARY KEY,
	wrapped      BYTEA,
	made_at      BIGINT NOT NULL,
	destroyed_at BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE blobs (
	id     TEXT NOT NULL,
	part   BIGINT NOT NULL,
	key_id TEXT NOT NULL,
	size   BIGINT NOT NULL,
	sealed BYTEA NOT NULL,
	PRIMARY KEY (id, part)
);

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value BYTEA NOT NULL
);

CREATE TABLE audit (
	seq    BIGINT PRIMARY KEY,
	at     BIGINT NOT NULL,
	actor  TEXT NOT NULL,
	act    TEXT NOT NULL,
	about  TEXT NOT NULL,
	detail TEXT NOT NULL,
	prev   TEXT NOT NULL,
	hash   TEXT NOT NULL
);
CREATE INDEX audit_about ON audit (about, seq);

-- +goose Down
DROP TABLE audit;
DROP TABLE settings;
DROP TABLE blobs;
DROP TABLE data_keys;

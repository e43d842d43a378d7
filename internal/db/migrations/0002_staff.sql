-- +goose Up
CREATE TABLE staff (
	id           TEXT PRIMARY KEY,
	name         BYTEA NOT NULL,
	email        BYTEA NOT NULL,
	email_lookup TEXT NOT NULL UNIQUE,
	roles        TEXT NOT NULL,
	disabled     BOOLEAN NOT NULL DEFAULT FALSE,
	made_at      BIGINT NOT NULL,
	seen_at      BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE staff_passwords (
	staff_id  TEXT PRIMARY KEY,
	hash      BYTEA NOT NULL,
	totp      BYTEA NOT NULL,
	confirmed BOOLEAN NOT NULL DEFAULT FALSE,
	last_step BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE staff_recovery (
	hash     TEXT PRIMARY KEY,
	staff_id TEXT NOT NULL,
	used_at  BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX staff_recovery_staff ON staff_recovery (staff_id);

CREATE TABLE staff_links (
	hash       TEXT PRIMARY KEY,
	purpose    TEXT NOT NULL,
	staff_id   TEXT NOT NULL,
	made_at    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE staff_sessions (
	hash      TEXT PRIMARY KEY,
	id        TEXT NOT NULL,
	staff_id  TEXT NOT NULL,
	device    BYTEA NOT NULL,
	made_at   BIGINT NOT NULL,
	seen_at   BIGINT NOT NULL,
	proved_at BIGINT NOT NULL,
	ended_at  BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX staff_sessions_staff ON staff_sessions (staff_id, made_at);

CREATE TABLE throttles (
	who      TEXT PRIMARY KEY,
	failures BIGINT NOT NULL,
	until_at BIGINT NOT NULL
);

CREATE TABLE passkeys (
	id         TEXT PRIMARY KEY,
	owner_kind TEXT NOT NULL,
	owner_id   TEXT NOT NULL,
	credential TEXT NOT NULL UNIQUE,
	data       BYTEA NOT NULL,
	name       BYTEA NOT NULL,
	made_at    BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX passkeys_owner ON passkeys (owner_kind, owner_id);

CREATE TABLE ceremonies (
	hash       TEXT PRIMARY KEY,
	purpose    TEXT NOT NULL,
	owner_kind TEXT NOT NULL,
	owner_id   TEXT NOT NULL,
	data       BYTEA NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX ceremonies_expiry ON ceremonies (expires_at);

-- +goose Down
DROP TABLE ceremonies;
DROP TABLE passkeys;
DROP TABLE throttles;
DROP TABLE staff_sessions;
DROP TABLE staff_links;
DROP TABLE staff_recovery;
DROP TABLE staff_passwords;
DROP TABLE staff;

-- +goose Up
CREATE TABLE instruction_types (
	id        TEXT PRIMARY KEY,
	version   BIGINT NOT NULL,
	level     BIGINT NOT NULL,
	approvals BIGINT NOT NULL,
	doc       TEXT NOT NULL,
	closed    BOOLEAN NOT NULL DEFAULT FALSE,
	made_at   BIGINT NOT NULL
);

CREATE TABLE instructions (
	id          TEXT PRIMARY KEY,
	ref_hash    TEXT NOT NULL UNIQUE,
	bind        TEXT NOT NULL,
	type_id     TEXT NOT NULL,
	contact_id  TEXT NOT NULL,
	case_id     TEXT NOT NULL,
	key_id      TEXT NOT NULL,
	doc         BYTEA NOT NULL,
	result      BYTEA,
	need        BIGINT NOT NULL,
	approvals   BIGINT NOT NULL,
	proposer    TEXT NOT NULL,
	state       TEXT NOT NULL CHECK (state IN ('proposed', 'proved', 'approved', 'executed', 'refused', 'frozen', 'expired', 'cancelled')),
	why         TEXT NOT NULL DEFAULT '',
	tries       BIGINT NOT NULL DEFAULT 0,
	auto        BOOLEAN NOT NULL DEFAULT FALSE,
	stuck       BOOLEAN NOT NULL DEFAULT FALSE,
	answered_at BIGINT NOT NULL DEFAULT 0,
	made_at     BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL,
	ready_at    BIGINT NOT NULL DEFAULT 0,
	proved_at   BIGINT NOT NULL DEFAULT 0,
	approved_at BIGINT NOT NULL DEFAULT 0,
	ended_at    BIGINT NOT NULL DEFAULT 0,
	version     BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX instructions_contact ON instructions (contact_id, made_at);
CREATE INDEX instructions_case ON instructions (case_id, made_at);
CREATE INDEX instructions_due ON instructions (ready_at, id) WHERE auto AND ended_at = 0;
CREATE INDEX instructions_open ON instructions (made_at, id) WHERE ended_at = 0;

CREATE TABLE instruction_proofs (
	instruction_id TEXT PRIMARY KEY,
	contact_id     TEXT NOT NULL,
	bind           TEXT NOT NULL,
	kind           TEXT NOT NULL CHECK (kind IN ('signature', 'passkey', 'totp', 'call')),
	level          BIGINT NOT NULL,
	once           TEXT NOT NULL UNIQUE,
	attested_by    TEXT NOT NULL DEFAULT '',
	let_in_by      TEXT NOT NULL DEFAULT '',
	evidence       BYTEA NOT NULL,
	proved_at      BIGINT NOT NULL
);

CREATE TABLE instruction_approvals (
	instruction_id TEXT NOT NULL,
	staff_id       TEXT NOT NULL,
	approved_at    BIGINT NOT NULL,
	PRIMARY KEY (instruction_id, staff_id)
);

CREATE TABLE instruction_codes (
	id             TEXT PRIMARY KEY,
	instruction_id TEXT NOT NULL,
	way            TEXT NOT NULL CHECK (way IN ('to portal', 'to agent')),
	hash           TEXT NOT NULL,
	nonce          TEXT NOT NULL,
	phone_id       TEXT NOT NULL DEFAULT '',
	by_staff       TEXT NOT NULL DEFAULT '',
	made_at        BIGINT NOT NULL,
	expires_at     BIGINT NOT NULL,
	used_at        BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX instruction_codes_of ON instruction_codes (instruction_id, way, made_at);

CREATE TABLE staff_pace (
	staff_id TEXT NOT NULL,
	hour     BIGINT NOT NULL,
	n        BIGINT NOT NULL,
	PRIMARY KEY (staff_id, hour)
);

CREATE TABLE contact_totp (
	contact_id TEXT PRIMARY KEY,
	secret     BYTEA NOT NULL,
	confirmed  BOOLEAN NOT NULL DEFAULT FALSE,
	last_step  BIGINT NOT NULL DEFAULT 0,
	misses     BIGINT NOT NULL DEFAULT 0,
	by_staff   TEXT NOT NULL DEFAULT '',
	made_at    BIGINT NOT NULL
);

CREATE TABLE portal_codes (
	id         TEXT PRIMARY KEY,
	contact_id TEXT NOT NULL,
	hash       TEXT NOT NULL,
	by_staff   TEXT NOT NULL,
	issued_at  BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	tries      BIGINT NOT NULL DEFAULT 0,
	used_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX portal_codes_contact ON portal_codes (contact_id, issued_at);

ALTER TABLE contacts ADD COLUMN able_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE passkeys ADD COLUMN by_staff TEXT NOT NULL DEFAULT '';
ALTER TABLE contact_addresses ADD COLUMN preferred_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE contact_phones ADD COLUMN changed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE portal_sessions ADD COLUMN by_staff TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE contact_phones DROP COLUMN changed;
ALTER TABLE contact_addresses DROP COLUMN preferred_at;
ALTER TABLE passkeys DROP COLUMN by_staff;
ALTER TABLE contacts DROP COLUMN able_until;
ALTER TABLE portal_sessions DROP COLUMN by_staff;
DROP TABLE portal_codes;
DROP TABLE contact_totp;
DROP TABLE staff_pace;
DROP TABLE instruction_codes;
DROP TABLE instruction_approvals;
DROP TABLE instruction_proofs;
DROP TABLE instructions;
DROP TABLE instruction_types;

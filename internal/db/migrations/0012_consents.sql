-- +goose Up
CREATE TABLE consents (
	id          TEXT PRIMARY KEY,
	contact_id  TEXT NOT NULL,
	scope       TEXT NOT NULL CHECK (scope IN ('encryption', 'signature', 'factor', 'proof')),
	wording     BIGINT NOT NULL,
	wording_sum TEXT NOT NULL,
	channel     TEXT NOT NULL CHECK (channel IN ('portal', 'signed mail')),
	factor      TEXT NOT NULL DEFAULT '',
	fingerprint TEXT NOT NULL DEFAULT '',
	message_id  TEXT NOT NULL DEFAULT '',
	proved_at   BIGINT NOT NULL,
	given_at    BIGINT NOT NULL,
	starts_at   BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL,
	asked_at    BIGINT NOT NULL DEFAULT 0,
	ended_at    BIGINT NOT NULL DEFAULT 0,
	ended_how   TEXT NOT NULL DEFAULT '',
	CHECK (factor <> '' OR fingerprint <> '' AND message_id <> '')
);
CREATE INDEX consents_contact ON consents (contact_id, given_at);
CREATE INDEX consents_expiry ON consents (ended_at, expires_at);
CREATE UNIQUE INDEX consents_standing ON consents (contact_id, scope) WHERE ended_at = 0;

-- +goose Down
DROP TABLE consents;

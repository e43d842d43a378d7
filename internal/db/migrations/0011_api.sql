-- +goose Up
CREATE TABLE api_keys (
	id         TEXT PRIMARY KEY,
	name       BYTEA NOT NULL,
	hash       TEXT NOT NULL,
	scopes     TEXT NOT NULL,
	made_by    TEXT NOT NULL,
	made_at    BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0,
	expires_at BIGINT NOT NULL DEFAULT 0,
	revoked_at BIGINT NOT NULL DEFAULT 0
);

-- What was answered to a request that must count once, in the transaction of
-- what it did. The answer is sealed; the request is there as a keyed hash.
CREATE TABLE api_once (
	key_id  TEXT NOT NULL,
	once    TEXT NOT NULL,
	request TEXT NOT NULL,
	answer  BYTEA NOT NULL,
	made_at BIGINT NOT NULL,
	PRIMARY KEY (key_id, once)
);
CREATE INDEX api_once_made ON api_once (made_at);

-- +goose Down
DROP TABLE api_once;
DROP TABLE api_keys;

-- +goose Up
CREATE TABLE hook_endpoints (
	id         TEXT PRIMARY KEY,
	url        BYTEA NOT NULL,
	events     TEXT NOT NULL,
	secret     BYTEA NOT NULL,
	old_secret BYTEA,
	old_until  BIGINT NOT NULL DEFAULT 0,
	enabled    BOOLEAN NOT NULL DEFAULT TRUE,
	why        TEXT NOT NULL DEFAULT '',
	made_by    TEXT NOT NULL,
	made_at    BIGINT NOT NULL
);

CREATE TABLE hook_deliveries (
	id          TEXT PRIMARY KEY,
	endpoint_id TEXT NOT NULL,
	hook_id     TEXT NOT NULL,
	event       TEXT NOT NULL,
	about       TEXT NOT NULL,
	payload     BYTEA NOT NULL,
	state       TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'deferred', 'sent', 'failed')),
	reason      TEXT NOT NULL DEFAULT '',
	status      BIGINT NOT NULL DEFAULT 0,
	answer      BYTEA,
	attempts    BIGINT NOT NULL DEFAULT 0,
	due_at      BIGINT NOT NULL,
	lease_until BIGINT NOT NULL DEFAULT 0,
	owner       TEXT NOT NULL DEFAULT '',
	made_at     BIGINT NOT NULL,
	tried_at    BIGINT NOT NULL DEFAULT 0,
	done_at     BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX hook_deliveries_once ON hook_deliveries (endpoint_id, hook_id);
CREATE INDEX hook_deliveries_due ON hook_deliveries (state, due_at) WHERE done_at = 0;
CREATE INDEX hook_deliveries_about ON hook_deliveries (about, made_at);
CREATE INDEX hook_deliveries_endpoint ON hook_deliveries (endpoint_id, made_at);

-- +goose Down
DROP TABLE hook_deliveries;
DROP TABLE hook_endpoints;

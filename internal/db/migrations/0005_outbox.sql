-- +goose Up
CREATE TABLE deliveries (
	id          TEXT PRIMARY KEY,
	case_id     TEXT NOT NULL,
	message_id  TEXT NOT NULL,
	contact_id  TEXT NOT NULL,
	kind        TEXT NOT NULL,
	mailbox     TEXT NOT NULL,
	address     BYTEA NOT NULL,
	mail_id     TEXT NOT NULL,
	shown       TEXT NOT NULL,
	protection  TEXT NOT NULL DEFAULT '',
	state       TEXT NOT NULL,
	reason      TEXT NOT NULL DEFAULT '',
	attempts    BIGINT NOT NULL DEFAULT 0,
	due_at      BIGINT NOT NULL,
	lease_until BIGINT NOT NULL DEFAULT 0,
	owner       TEXT NOT NULL DEFAULT '',
	sealed_to   TEXT NOT NULL DEFAULT '',
	raw_blob    TEXT NOT NULL DEFAULT '',
	made_at     BIGINT NOT NULL,
	done_at     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX deliveries_due ON deliveries (state, due_at) WHERE done_at = 0;
CREATE INDEX deliveries_case ON deliveries (case_id, made_at);
CREATE INDEX deliveries_tray ON deliveries (done_at, id) WHERE state = 'captured';

CREATE TABLE auto_mail (
	lookup TEXT NOT NULL,
	day    BIGINT NOT NULL,
	PRIMARY KEY (lookup, day)
);

-- +goose Down
DROP TABLE auto_mail;
DROP TABLE deliveries;

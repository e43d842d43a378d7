-- +goose Up
CREATE TABLE spool (
	id          TEXT PRIMARY KEY,
	state       TEXT NOT NULL CHECK (state IN ('spooled', 'working', 'done', 'quarantine', 'dropped')),
	door        TEXT NOT NULL,
	envelope    BYTEA NOT NULL,
	key_id      TEXT NOT NULL,
	size        BIGINT NOT NULL,
	attempts    BIGINT NOT NULL DEFAULT 0,
	due_at      BIGINT NOT NULL,
	lease_until BIGINT NOT NULL DEFAULT 0,
	owner       TEXT NOT NULL DEFAULT '',
	reason      TEXT NOT NULL DEFAULT '',
	case_id     TEXT NOT NULL DEFAULT '',
	came_at     BIGINT NOT NULL,
	done_at     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX spool_due ON spool (state, due_at) WHERE done_at = 0;
CREATE INDEX spool_quarantine ON spool (came_at, id) WHERE state = 'quarantine';

-- +goose Down
DROP TABLE spool;

-- +goose Up
-- Hosts that the organisation has shown to be its own; no other is ever asked.
CREATE TABLE hosts (
	host         TEXT PRIMARY KEY,
	token        TEXT NOT NULL,
	how          TEXT NOT NULL DEFAULT '' CHECK (how IN ('', 'dns', 'file')),
	confirmed_at BIGINT NOT NULL DEFAULT 0,
	made_by      TEXT NOT NULL,
	made_at      BIGINT NOT NULL,
	checked_at   BIGINT NOT NULL DEFAULT 0,
	failed_at    BIGINT NOT NULL DEFAULT 0,
	asked_at     BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE probes (
	id            TEXT PRIMARY KEY,
	case_id       TEXT NOT NULL DEFAULT '',
	host          TEXT NOT NULL,
	kind          TEXT NOT NULL CHECK (kind IN ('link', 'header', 'certificate', 'status', 'body')),
	target        TEXT NOT NULL,
	spec          TEXT NOT NULL,
	made_by       TEXT NOT NULL,
	made_at       BIGINT NOT NULL,
	next_at       BIGINT NOT NULL,
	state         TEXT NOT NULL CHECK (state IN ('new', 'green', 'amber', 'red', 'unknown')),
	since         BIGINT NOT NULL,
	failing_since BIGINT NOT NULL DEFAULT 0,
	bad           BIGINT NOT NULL DEFAULT 0,
	stopped_at    BIGINT NOT NULL DEFAULT 0,
	owner         TEXT NOT NULL DEFAULT '',
	lease_until   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX probes_case ON probes (case_id, made_at);
CREATE INDEX probes_due ON probes (next_at) WHERE stopped_at = 0;

CREATE TABLE probe_results (
	probe_id TEXT NOT NULL,
	at       BIGINT NOT NULL,
	state    TEXT NOT NULL,
	why      TEXT NOT NULL,
	evidence TEXT NOT NULL,
	hash     TEXT NOT NULL,
	PRIMARY KEY (probe_id, at)
);

-- +goose Down
DROP TABLE probe_results;
DROP TABLE probes;
DROP TABLE hosts;

-- +goose Up

-- The security policy: every version there was; the newest counts.
CREATE TABLE security_policies (
	version BIGINT PRIMARY KEY,
	doc     TEXT NOT NULL,
	actor   TEXT NOT NULL,
	made_at BIGINT NOT NULL
);

-- Who is thanked for a report, by their own recorded wish. A withdrawn row keeps no
-- name, only that there was one.
CREATE TABLE credits (
	case_id      TEXT PRIMARY KEY,
	name         TEXT NOT NULL,
	line         TEXT NOT NULL DEFAULT '',
	consented_at BIGINT NOT NULL,
	shown_at     BIGINT NOT NULL DEFAULT 0,
	withdrawn_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX credits_shown ON credits (shown_at) WHERE shown_at > 0;

-- Advisories: every version there was. One that was published does not change.
CREATE TABLE advisories (
	id           TEXT NOT NULL,
	version      BIGINT NOT NULL,
	case_id      TEXT NOT NULL,
	doc          TEXT NOT NULL,
	made_by      TEXT NOT NULL,
	made_at      BIGINT NOT NULL,
	published_at BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (id, version)
);
CREATE INDEX advisories_case ON advisories (case_id);
CREATE INDEX advisories_published ON advisories (published_at) WHERE published_at > 0;

-- +goose Down
DROP TABLE advisories;
DROP TABLE credits;
DROP TABLE security_policies;

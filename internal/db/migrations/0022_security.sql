-- +goose Up
-- What a case is to the security people: flagged, report, done; empty: nothing.
ALTER TABLE cases ADD COLUMN security TEXT NOT NULL DEFAULT '';
-- Only those who must know read it.
ALTER TABLE cases ADD COLUMN closed_circle BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE reports (
	case_id     TEXT PRIMARY KEY,
	state       TEXT NOT NULL,
	owner       TEXT NOT NULL DEFAULT '',
	severity    TEXT NOT NULL DEFAULT '',
	due_at      BIGINT NOT NULL DEFAULT 0,
	received_at BIGINT NOT NULL,
	ended_at    BIGINT NOT NULL DEFAULT 0,
	version     BIGINT NOT NULL,
	doc         BYTEA NOT NULL
);
CREATE INDEX reports_state ON reports (state, received_at);
CREATE INDEX reports_due ON reports (due_at) WHERE due_at > 0;
CREATE INDEX reports_received ON reports (received_at);

-- Every step of a report, with who took it; the reason is sealed.
CREATE TABLE report_events (
	id         TEXT PRIMARY KEY,
	case_id    TEXT NOT NULL,
	at         BIGINT NOT NULL,
	actor      TEXT NOT NULL,
	act        TEXT NOT NULL,
	from_state TEXT NOT NULL DEFAULT '',
	to_state   TEXT NOT NULL DEFAULT '',
	reason     BYTEA
);
CREATE INDEX report_events_case ON report_events (case_id, at);
CREATE INDEX report_events_at ON report_events (at);

-- Who may read a case of the closed circle beside those who triage, and who looked.
CREATE TABLE report_circle (
	case_id  TEXT NOT NULL,
	staff_id TEXT NOT NULL,
	by_staff TEXT NOT NULL,
	at       BIGINT NOT NULL,
	PRIMARY KEY (case_id, staff_id)
);
CREATE TABLE report_looks (
	case_id  TEXT NOT NULL,
	staff_id TEXT NOT NULL,
	day      BIGINT NOT NULL,
	first_at BIGINT NOT NULL,
	last_at  BIGINT NOT NULL,
	times    BIGINT NOT NULL,
	PRIMARY KEY (case_id, staff_id, day)
);

-- By which words a report is found that another repeats: keyed hashes.
CREATE TABLE report_words (
	word    BIGINT NOT NULL,
	case_id TEXT NOT NULL,
	PRIMARY KEY (word, case_id)
);
CREATE INDEX report_words_case ON report_words (case_id);

-- What the recogniser thought of each message that a person wrote to us, for the
-- weekly sample of what it did not flag.
CREATE TABLE looks (
	message_id TEXT PRIMARY KEY,
	case_id    TEXT NOT NULL,
	at         BIGINT NOT NULL,
	class      TEXT NOT NULL,
	score      BIGINT NOT NULL,
	flagged    BOOLEAN NOT NULL,
	sampled    BIGINT NOT NULL DEFAULT 0,
	said       TEXT NOT NULL DEFAULT '',
	said_by    TEXT NOT NULL DEFAULT ''
);
CREATE INDEX looks_at ON looks (at) WHERE NOT flagged;
CREATE INDEX looks_sampled ON looks (sampled) WHERE sampled > 0;

-- +goose Down
DROP TABLE looks;
DROP TABLE report_words;
DROP TABLE report_looks;
DROP TABLE report_circle;
DROP TABLE report_events;
DROP TABLE reports;
ALTER TABLE cases DROP COLUMN closed_circle;
ALTER TABLE cases DROP COLUMN security;

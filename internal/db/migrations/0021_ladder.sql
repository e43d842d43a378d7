-- +goose Up
ALTER TABLE cases ADD COLUMN lang TEXT NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN rung BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN lifted BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE cases ADD COLUMN scripted BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE cases ADD COLUMN contacts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN returns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN heard_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN spam BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE cases ADD COLUMN began TEXT NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN since_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN spoke_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX cases_due ON cases (due_at) WHERE due_at > 0;
CREATE INDEX cases_lifted ON cases (due_at, id) WHERE lifted;
-- Where it is said that something new stands on a case page, without what.
ALTER TABLE receipts ADD COLUMN nudge BYTEA;
-- A keyed hash of the text as it left, for whoever asks whether it is ours.
ALTER TABLE deliveries ADD COLUMN text_sum TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN canned BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE messages ADD COLUMN automatic BOOLEAN NOT NULL DEFAULT FALSE;

-- Every step up: who was called, and by when.
CREATE TABLE climbs (
	id        TEXT PRIMARY KEY,
	case_id   TEXT NOT NULL,
	rung      BIGINT NOT NULL,
	why       TEXT NOT NULL,
	at        BIGINT NOT NULL,
	due_at    BIGINT NOT NULL,
	taken_by  TEXT NOT NULL DEFAULT '',
	taken_at  BIGINT NOT NULL DEFAULT 0,
	done_by   TEXT NOT NULL DEFAULT '',
	done_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX climbs_case ON climbs (case_id, at);
CREATE INDEX climbs_at ON climbs (at);

-- Every answer of ours, with what was promised for it and what came of it.
CREATE TABLE answers (
	message_id TEXT PRIMARY KEY,
	case_id    TEXT NOT NULL,
	at         BIGINT NOT NULL,
	staff_id   TEXT NOT NULL,
	canned     BOOLEAN NOT NULL,
	reply_id   TEXT NOT NULL DEFAULT '',
	version    BIGINT NOT NULL DEFAULT 0,
	rung       BIGINT NOT NULL,
	since      BIGINT NOT NULL,
	due_at     BIGINT NOT NULL,
	contacts   BIGINT NOT NULL,
	outcome    TEXT NOT NULL DEFAULT '',
	ends       BOOLEAN NOT NULL DEFAULT FALSE,
	before     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX answers_case ON answers (case_id, at);
CREATE INDEX answers_at ON answers (at);
CREATE INDEX answers_reply ON answers (reply_id, at) WHERE reply_id <> '';

-- Canned replies: every version there was; the newest of each counts.
CREATE TABLE canned_replies (
	id      TEXT NOT NULL,
	version BIGINT NOT NULL,
	doc     TEXT NOT NULL,
	actor   TEXT NOT NULL,
	made_at BIGINT NOT NULL,
	PRIMARY KEY (id, version)
);

-- What was asked after a case was closed, and what was said.
CREATE TABLE surveys (
	id          TEXT PRIMARY KEY,
	case_id     TEXT NOT NULL,
	contact_id  TEXT NOT NULL,
	topic       TEXT NOT NULL DEFAULT '',
	reply_id    TEXT NOT NULL DEFAULT '',
	staff_group TEXT NOT NULL DEFAULT '',
	asked_at    BIGINT NOT NULL,
	score       BIGINT NOT NULL DEFAULT 0,
	unsolved    BOOLEAN NOT NULL DEFAULT FALSE,
	answered_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX surveys_case ON surveys (case_id, asked_at);
CREATE INDEX surveys_at ON surveys (asked_at);

-- Articles: every version there was; the newest of each counts.
CREATE TABLE articles (
	id      TEXT NOT NULL,
	version BIGINT NOT NULL,
	doc     TEXT NOT NULL,
	actor   TEXT NOT NULL,
	made_at BIGINT NOT NULL,
	PRIMARY KEY (id, version)
);

-- Whether an article helped, by the day.
CREATE TABLE article_votes (
	id      TEXT NOT NULL,
	version BIGINT NOT NULL,
	day     BIGINT NOT NULL,
	yes     BIGINT NOT NULL DEFAULT 0,
	no      BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (id, version, day)
);

-- +goose Down
DROP TABLE article_votes;
DROP TABLE articles;
DROP TABLE surveys;
DROP TABLE canned_replies;
DROP TABLE answers;
DROP TABLE climbs;
ALTER TABLE messages DROP COLUMN automatic;
ALTER TABLE messages DROP COLUMN canned;
ALTER TABLE deliveries DROP COLUMN text_sum;
ALTER TABLE receipts DROP COLUMN nudge;
DROP INDEX cases_lifted;
DROP INDEX cases_due;
ALTER TABLE cases DROP COLUMN spoke_at;
ALTER TABLE cases DROP COLUMN since_at;
ALTER TABLE cases DROP COLUMN began;
ALTER TABLE cases DROP COLUMN spam;
ALTER TABLE cases DROP COLUMN heard_at;
ALTER TABLE cases DROP COLUMN due_at;
ALTER TABLE cases DROP COLUMN returns;
ALTER TABLE cases DROP COLUMN contacts;
ALTER TABLE cases DROP COLUMN scripted;
ALTER TABLE cases DROP COLUMN lifted;
ALTER TABLE cases DROP COLUMN rung;
ALTER TABLE cases DROP COLUMN lang;

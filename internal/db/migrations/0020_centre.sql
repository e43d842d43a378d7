-- +goose Up
ALTER TABLE cases ADD COLUMN topic TEXT NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN door TEXT NOT NULL DEFAULT 'mail';
ALTER TABLE deliveries ADD COLUMN read_at BIGINT NOT NULL DEFAULT 0;

-- Every list of topics there was; the newest counts.
CREATE TABLE topic_trees (
	version BIGINT PRIMARY KEY,
	text    TEXT NOT NULL,
	actor   TEXT NOT NULL,
	made_at BIGINT NOT NULL
);

-- Forms that somebody has begun, each under a data key of its own.
CREATE TABLE form_drafts (
	id         TEXT PRIMARY KEY,
	key_id     TEXT NOT NULL,
	doc        BYTEA NOT NULL,
	blobs      TEXT NOT NULL DEFAULT '',
	case_id    TEXT NOT NULL DEFAULT '',
	shown      BIGINT NOT NULL DEFAULT 0,
	made_at    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX form_drafts_expiry ON form_drafts (expires_at);

-- What leads back to a case without an account.
CREATE TABLE receipts (
	case_id    TEXT PRIMARY KEY,
	contact_id TEXT NOT NULL,
	hash       BYTEA NOT NULL,
	made_at    BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0
);

-- How much a network has sent by forms, by the hour.
CREATE TABLE form_posts (
	network TEXT NOT NULL,
	hour    BIGINT NOT NULL,
	posts   BIGINT NOT NULL,
	PRIMARY KEY (network, hour)
);

-- When each address got its last automatic mail.
CREATE TABLE auto_answers (
	lookup TEXT PRIMARY KEY,
	at     BIGINT NOT NULL
);
DROP TABLE auto_mail;

-- +goose Down
CREATE TABLE auto_mail (lookup TEXT NOT NULL, day BIGINT NOT NULL, PRIMARY KEY (lookup, day));
DROP TABLE auto_answers;
DROP TABLE form_posts;
DROP TABLE receipts;
DROP TABLE form_drafts;
DROP TABLE topic_trees;
ALTER TABLE deliveries DROP COLUMN read_at;
ALTER TABLE cases DROP COLUMN door;
ALTER TABLE cases DROP COLUMN topic;

-- +goose Up
CREATE TABLE cases (
	id            TEXT PRIMARY KEY,
	ref           TEXT NOT NULL UNIQUE,
	subject       BYTEA NOT NULL,
	who           BYTEA NOT NULL,
	contact_id    TEXT NOT NULL,
	key_id        TEXT NOT NULL,
	mailbox       TEXT NOT NULL,
	state         TEXT NOT NULL CHECK (state IN ('open', 'waiting', 'closed')),
	assignee      TEXT NOT NULL DEFAULT '',
	sensitive     BOOLEAN NOT NULL DEFAULT FALSE,
	sensitive_why TEXT NOT NULL DEFAULT '',
	unread        BOOLEAN NOT NULL DEFAULT TRUE,
	held          BOOLEAN NOT NULL DEFAULT FALSE,
	trust         TEXT NOT NULL DEFAULT '',
	made_at       BIGINT NOT NULL,
	last_at       BIGINT NOT NULL,
	closed_at     BIGINT NOT NULL DEFAULT 0,
	version       BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX cases_state ON cases (state, last_at, id);
CREATE INDEX cases_assignee ON cases (assignee, state, last_at, id) WHERE assignee <> '';
CREATE INDEX cases_contact ON cases (contact_id, last_at);
CREATE INDEX cases_held ON cases (last_at, id) WHERE held;

CREATE TABLE messages (
	id         TEXT PRIMARY KEY,
	case_id    TEXT NOT NULL,
	kind       TEXT NOT NULL CHECK (kind IN ('in', 'out', 'note')),
	door       TEXT NOT NULL,
	contact_id TEXT NOT NULL DEFAULT '',
	author     TEXT NOT NULL DEFAULT '',
	at         BIGINT NOT NULL,
	verdict    TEXT NOT NULL DEFAULT '',
	raw_blob   TEXT NOT NULL DEFAULT '',
	mail_id    BYTEA,
	doc        BYTEA NOT NULL,
	evidence   BYTEA
);
CREATE INDEX messages_case ON messages (case_id, at, id);
CREATE INDEX messages_from ON messages (case_id, contact_id, at, id) WHERE kind = 'in';
CREATE INDEX messages_contact ON messages (contact_id, at) WHERE raw_blob <> '';

CREATE TABLE message_ids (
	hash       BIGINT NOT NULL,
	message_id TEXT NOT NULL,
	case_id    TEXT NOT NULL,
	sum        TEXT NOT NULL,
	PRIMARY KEY (hash, message_id)
);

CREATE TABLE case_contacts (
	case_id    TEXT NOT NULL,
	contact_id TEXT NOT NULL,
	made_at    BIGINT NOT NULL,
	PRIMARY KEY (case_id, contact_id)
);

CREATE TABLE case_links (
	case_id TEXT NOT NULL,
	other   TEXT NOT NULL,
	why     TEXT NOT NULL,
	made_at BIGINT NOT NULL,
	PRIMARY KEY (case_id, other)
);

CREATE TABLE case_words (
	word    BIGINT NOT NULL,
	case_id TEXT NOT NULL,
	PRIMARY KEY (word, case_id)
);

CREATE TABLE drafts (
	case_id  TEXT NOT NULL,
	staff_id TEXT NOT NULL,
	doc      BYTEA NOT NULL,
	saved_at BIGINT NOT NULL,
	PRIMARY KEY (case_id, staff_id)
);

CREATE TABLE mailboxes (
	address   TEXT PRIMARY KEY,
	name      TEXT NOT NULL,
	sensitive BOOLEAN NOT NULL DEFAULT FALSE,
	closed    BOOLEAN NOT NULL DEFAULT FALSE,
	secret    BYTEA NOT NULL,
	made_at   BIGINT NOT NULL
);

-- +goose Down
DROP TABLE mailboxes;
DROP TABLE drafts;
DROP TABLE case_words;
DROP TABLE case_links;
DROP TABLE case_contacts;
DROP TABLE message_ids;
DROP TABLE messages;
DROP TABLE cases;

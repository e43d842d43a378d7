-- +goose Up
CREATE TABLE items (
	id          TEXT PRIMARY KEY,
	case_id     TEXT NOT NULL,
	message_id  TEXT NOT NULL,
	contact_id  TEXT NOT NULL,
	delivery_id TEXT NOT NULL,
	key_id      TEXT NOT NULL,
	doc         BYTEA NOT NULL,
	link        TEXT NOT NULL UNIQUE,
	placed_at   BIGINT NOT NULL,
	notified_at BIGINT NOT NULL DEFAULT 0,
	fetched_at  BIGINT NOT NULL DEFAULT 0,
	fetches     BIGINT NOT NULL DEFAULT 0,
	released_at BIGINT NOT NULL DEFAULT 0,
	factor      TEXT NOT NULL DEFAULT '',
	refused_at  BIGINT NOT NULL DEFAULT 0,
	tries       BIGINT NOT NULL DEFAULT 0,
	recalled_at BIGINT NOT NULL DEFAULT 0,
	expires_at  BIGINT NOT NULL
);
CREATE INDEX items_case ON items (case_id);
CREATE INDEX items_delivery ON items (delivery_id);
CREATE INDEX items_contact ON items (contact_id);
CREATE INDEX items_expiry ON items (expires_at);

CREATE TABLE item_codes (
	id         TEXT PRIMARY KEY,
	item_id    TEXT NOT NULL,
	hash       TEXT NOT NULL,
	issued_at  BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0,
	by_staff   TEXT NOT NULL
);
CREATE INDEX item_codes_item ON item_codes (item_id, issued_at);

CREATE TABLE portal_sessions (
	hash       TEXT PRIMARY KEY,
	contact_id TEXT NOT NULL,
	item_id    TEXT NOT NULL,
	factor     TEXT NOT NULL,
	made_at    BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	ended_at   BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE portal_sessions;
DROP TABLE item_codes;
DROP TABLE items;

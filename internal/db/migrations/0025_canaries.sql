-- +goose Up
-- Reports that the desk makes up and sends to itself, to know that its doors are open.
CREATE TABLE canaries (
	week       BIGINT NOT NULL,
	door       TEXT NOT NULL CHECK (door IN ('mail', 'form')),
	token      TEXT NOT NULL UNIQUE,
	sent_at    BIGINT NOT NULL,
	case_id    TEXT NOT NULL DEFAULT '',
	flagged    BOOLEAN NOT NULL DEFAULT FALSE, -- it waits for somebody qualified
	recognised BOOLEAN NOT NULL DEFAULT FALSE, -- by its words alone
	state      TEXT NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'passed', 'failed')),
	why        TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (week, door)
);

-- +goose Down
DROP TABLE canaries;

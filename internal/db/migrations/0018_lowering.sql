-- +goose Up
-- A kind of instruction that would demand less waits here for a second person, or
-- for time to pass.
ALTER TABLE instruction_types ADD COLUMN next_doc TEXT NOT NULL DEFAULT '';
ALTER TABLE instruction_types ADD COLUMN next_by TEXT NOT NULL DEFAULT '';
ALTER TABLE instruction_types ADD COLUMN next_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE instruction_types DROP COLUMN next_at;
ALTER TABLE instruction_types DROP COLUMN next_by;
ALTER TABLE instruction_types DROP COLUMN next_doc;

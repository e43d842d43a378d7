-- +goose Up
ALTER TABLE cases ADD COLUMN alarm TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE cases DROP COLUMN alarm;

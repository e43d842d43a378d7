-- +goose Up
-- Since when what a probe looks at is well again after it was broken.
ALTER TABLE probes ADD COLUMN mended_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE probes DROP COLUMN mended_at;

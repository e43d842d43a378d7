-- +goose Up
-- Looks in a row by which a probe found nothing out.
ALTER TABLE probes ADD COLUMN unseen BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE probes DROP COLUMN unseen;

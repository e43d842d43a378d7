-- +goose Up
-- One mail is filed once, also when two copies of it are worked on at the same
-- moment. Copies that were filed before stay as they are.
UPDATE message_ids SET sum = '' WHERE sum <> '' AND EXISTS (SELECT 1 FROM message_ids o
	WHERE o.hash = message_ids.hash AND o.sum = message_ids.sum AND o.message_id < message_ids.message_id);
CREATE UNIQUE INDEX message_ids_once ON message_ids (hash, sum) WHERE sum <> '';

-- +goose Down
DROP INDEX message_ids_once;

-- +goose Up
-- Since when what a probe looks at is well again after it was broken.
ALTER TABLE probes ADD COLUMN mended_at BIGINT NOT NULL DEFAULT 0;

-- What reports are about, as keyed hashes of its names: two about the same are likely one.
CREATE TABLE report_assets (
	case_id TEXT NOT NULL,
	asset   TEXT NOT NULL,
	PRIMARY KEY (asset, case_id)
);
CREATE INDEX report_assets_case ON report_assets (case_id);

-- How often a delivery met trouble of our own; what its relay put off is counted apart.
ALTER TABLE deliveries ADD COLUMN troubles BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN troubles;
DROP TABLE report_assets;
ALTER TABLE probes DROP COLUMN mended_at;

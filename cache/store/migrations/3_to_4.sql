-- How old an answer to "which image is this?" is, for --base-ttl.
ALTER TABLE base_pin ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;

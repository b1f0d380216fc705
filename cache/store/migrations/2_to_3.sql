-- What format 2 kept as memos becomes a column; and a step knows on which layer its own one stands.
ALTER TABLE layer ADD COLUMN made_in_process INTEGER NOT NULL DEFAULT 0;
UPDATE layer SET made_in_process = 1
    WHERE diff_id IN (SELECT chain FROM selection WHERE source = 'in-process' AND digest = chain);
DELETE FROM selection WHERE source = 'in-process' AND digest = chain;
ALTER TABLE step ADD COLUMN parent BLOB;

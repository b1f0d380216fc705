ALTER TABLE step ADD COLUMN link BLOB;
-- What format 4 kept among the memos of selections gets tables of its own; which published indexes were merged is new.
CREATE TABLE compressed_layer (
    diff_id     BLOB NOT NULL,
    compression TEXT NOT NULL,
    digest      BLOB NOT NULL,
    size        INTEGER NOT NULL,
    PRIMARY KEY (diff_id, compression)
) WITHOUT ROWID;
CREATE TABLE brought_image (
    manifest    BLOB PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE merged_scope (
    remote      TEXT NOT NULL,
    scope       TEXT NOT NULL,
    has_won     INTEGER NOT NULL,
    version     TEXT NOT NULL,
    settled     BLOB,
    PRIMARY KEY (remote, scope, has_won)
) WITHOUT ROWID;
CREATE TRIGGER merged_step_gone AFTER DELETE ON step BEGIN DELETE FROM merged_scope; END;
CREATE TRIGGER merged_layer_gone AFTER DELETE ON layer BEGIN DELETE FROM merged_scope; END;
CREATE TRIGGER merged_step_replaced BEFORE INSERT ON step
    WHEN EXISTS (SELECT 1 FROM step WHERE key = NEW.key AND diff_id <> NEW.diff_id)
    BEGIN DELETE FROM merged_scope; END;
INSERT INTO brought_image SELECT chain FROM selection WHERE source = 'brought to an engine' AND digest = chain;
-- Memos of selections were by chain, which does not tell a layer from one that was made again and came out different.
DROP TABLE selection;
CREATE TABLE selection (
    layers      BLOB NOT NULL,
    source      TEXT NOT NULL,
    digest      BLOB NOT NULL,
    PRIMARY KEY (layers, source)
) WITHOUT ROWID;

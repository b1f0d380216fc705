ALTER TABLE step ADD COLUMN link BLOB;
-- What format 4 kept among the memos of selections gets tables of its own.
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
INSERT INTO brought_image SELECT chain FROM selection WHERE source = 'brought to an engine' AND digest = chain;
-- Memos of selections were by chain, which does not tell a layer from one that was made again and came out different.
DROP TABLE selection;
CREATE TABLE selection (
    layers      BLOB NOT NULL,
    source      TEXT NOT NULL,
    digest      BLOB NOT NULL,
    PRIMARY KEY (layers, source)
) WITHOUT ROWID;

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
DELETE FROM selection WHERE source IN ('brought to an engine', 'size of a blob')
    OR source GLOB 'gzip level * by zlib *' OR source GLOB 'zstd level * by zstd *'; -- the latter cost one compression

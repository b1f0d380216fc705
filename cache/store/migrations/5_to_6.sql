-- A memo of an image that an engine has says how long its manifest is; those of format 5 are asked about again.
DROP TABLE brought_image;
CREATE TABLE brought_image (
    manifest    BLOB PRIMARY KEY,
    bytes       INTEGER NOT NULL
) WITHOUT ROWID;
-- What format 5 kept among the memos of selections gets a table of its own.
CREATE TABLE clamped_layer (
    diff_id     BLOB NOT NULL,
    latest      INTEGER NOT NULL,
    clamped     BLOB NOT NULL,
    PRIMARY KEY (diff_id, latest)
) WITHOUT ROWID;
DELETE FROM selection WHERE source LIKE 'times clamped to %';

-- Format 1 kept each layer in a file of its own (layers/ab/<diff_id>.tar.zst); these are still read, and are not in the index.
CREATE INDEX step_by_layer ON step(diff_id);
ALTER TABLE base_image ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE scope_step ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
CREATE INDEX scope_step_by_key ON scope_step(key);
CREATE TABLE pack (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        BLOB NOT NULL UNIQUE,
    bytes       INTEGER NOT NULL,
    raw_bytes   INTEGER NOT NULL,
    created     INTEGER NOT NULL
);
CREATE TABLE piece (
    hash        BLOB PRIMARY KEY,
    pack        INTEGER NOT NULL,
    block       INTEGER NOT NULL,
    start       INTEGER NOT NULL,
    length      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE packed_layer (
    diff_id     BLOB PRIMARY KEY,
    pack        INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    doomed      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE packed_layer_needs (
    diff_id     BLOB NOT NULL,
    pack        INTEGER NOT NULL,
    raw_bytes   INTEGER NOT NULL,
    PRIMARY KEY (diff_id, pack)
) WITHOUT ROWID;
CREATE INDEX packed_layer_needs_by_pack ON packed_layer_needs(pack);
UPDATE scope_step SET used = CAST(strftime('%s', 'now') AS INTEGER); -- when they were used last was not kept
UPDATE base_image SET used = CAST(strftime('%s', 'now') AS INTEGER);

-- The index of the store, format 6. Digests are 32-byte blobs; times named `created` of steps are RFC 3339 texts, all others
-- are seconds since 1970. A change here needs a migration (migrations/), and user_version goes up.
CREATE TABLE step (                        -- one finished step: what it made under which key
    key         BLOB PRIMARY KEY,
    diff_id     BLOB NOT NULL,
    content_id  BLOB NOT NULL,
    created     TEXT NOT NULL,             -- when it ran; becomes the history time of the image
    wall_ms     REAL NOT NULL,
    ingredients TEXT NOT NULL,
    parent      BLOB,                      -- diff_id of the layer below; none: there is none, or it is not known
    link        BLOB                       -- what stands in the chain instead of content_id: see StepRecord::link
) WITHOUT ROWID;
CREATE INDEX step_by_layer ON step(diff_id);
CREATE TABLE layer (                       -- sizes and tables of contents outlive the bytes of a layer
    diff_id     BLOB PRIMARY KEY,
    size        INTEGER NOT NULL,          -- bytes of the uncompressed tar
    contents    BLOB NOT NULL,             -- zstd of cache/oci/layer_tar.hpp's encode()
    made_in_process INTEGER NOT NULL DEFAULT 0 -- 1: by dbuild itself, so a builder may never have seen it
) WITHOUT ROWID;
CREATE TABLE selection (                   -- memo: digest of a path selection in a root file system
    layers      BLOB NOT NULL,             -- SHA-256 over its layers' diff_ids
    source      TEXT NOT NULL,
    digest      BLOB NOT NULL,
    PRIMARY KEY (layers, source)
) WITHOUT ROWID;
CREATE TABLE compressed_layer (            -- memo: the blob that a compression makes of a layer
    diff_id     BLOB NOT NULL,
    compression TEXT NOT NULL,             -- kind, level, library and its release
    digest      BLOB NOT NULL,
    size        INTEGER NOT NULL,          -- bytes of the blob
    PRIMARY KEY (diff_id, compression)
) WITHOUT ROWID;
CREATE TABLE unpacked_blob (               -- memo: a blob of a base image that was looked into, and is that layer
    blob        BLOB NOT NULL,
    diff_id     BLOB NOT NULL,
    PRIMARY KEY (blob, diff_id)
) WITHOUT ROWID;
CREATE TABLE brought_image (               -- memo: an image that an engine got from here and had every blob of
    manifest    BLOB PRIMARY KEY,
    bytes       INTEGER NOT NULL           -- of the manifest
) WITHOUT ROWID;
CREATE TABLE clamped_layer (               -- memo: the layer that rewrite-timestamp makes of another one
    diff_id     BLOB NOT NULL,
    latest      INTEGER NOT NULL,          -- the date
    clamped     BLOB NOT NULL,             -- its diff_id
    PRIMARY KEY (diff_id, latest)
) WITHOUT ROWID;
CREATE TABLE merged_scope (                -- memo: a published index all of whose rows are here
    remote      TEXT NOT NULL,             -- as its URL was given
    scope       TEXT NOT NULL,
    has_won     INTEGER NOT NULL,          -- 1: its results replaced others of the same key
    version     TEXT NOT NULL,             -- as the remote told it
    settled     BLOB,                      -- digest of what a build used and found there; see Publisher
    PRIMARY KEY (remote, scope, has_won)
) WITHOUT ROWID;
CREATE TRIGGER merged_step_gone AFTER DELETE ON step BEGIN DELETE FROM merged_scope; END;
CREATE TRIGGER merged_layer_gone AFTER DELETE ON layer BEGIN DELETE FROM merged_scope; END;
CREATE TRIGGER merged_step_replaced BEFORE INSERT ON step
    WHEN EXISTS (SELECT 1 FROM step WHERE key = NEW.key AND diff_id <> NEW.diff_id)
    BEGIN DELETE FROM merged_scope; END;
CREATE TABLE base_image (                  -- an image that builds started from, by the engine's ID
    id          TEXT PRIMARY KEY,
    config      TEXT NOT NULL,
    manifest    TEXT NOT NULL,
    used        INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE base_pin (                    -- what a reference meant when it was last seen
    reference   TEXT PRIMARY KEY,
    id          TEXT NOT NULL,
    asked       INTEGER NOT NULL DEFAULT 0 -- when the engine or the registry said so; 0: not known
) WITHOUT ROWID;
CREATE TABLE scope_step (                  -- the steps that a scope's builds used, and when last (to the hour)
    scope       TEXT NOT NULL,
    key         BLOB NOT NULL,
    used        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX scope_step_by_key ON scope_step(key);
CREATE TABLE pack (                        -- a file below packs/
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: a stale number must not name another pack
    name        BLOB NOT NULL UNIQUE,      -- SHA-256 of the file
    bytes       INTEGER NOT NULL,          -- of the file
    raw_bytes   INTEGER NOT NULL,          -- of its pieces, uncompressed
    created     INTEGER NOT NULL
);
CREATE TABLE piece (                       -- where the bytes with this SHA-256 are
    hash        BLOB PRIMARY KEY,
    pack        INTEGER NOT NULL,
    block       INTEGER NOT NULL,
    start       INTEGER NOT NULL,          -- within the uncompressed block
    length      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE packed_layer (                -- a layer that can be restored; its recipe is in `pack`
    diff_id     BLOB PRIMARY KEY,
    pack        INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    used        INTEGER NOT NULL,          -- to the hour
    doomed      INTEGER NOT NULL DEFAULT 0 -- 1: prune is about to forget it
) WITHOUT ROWID;
CREATE TABLE packed_layer_needs (          -- the packs that a layer cannot be restored without
    diff_id     BLOB NOT NULL,
    pack        INTEGER NOT NULL,
    raw_bytes   INTEGER NOT NULL,          -- of it in that pack
    PRIMARY KEY (diff_id, pack)
) WITHOUT ROWID;
CREATE INDEX packed_layer_needs_by_pack ON packed_layer_needs(pack);

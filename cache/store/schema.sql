-- The index of the layer store, format 1. Digests are 32-byte blobs, times are RFC 3339 texts or milliseconds as named.
CREATE TABLE IF NOT EXISTS step (          -- one finished step: what it made under which key
    key         BLOB PRIMARY KEY,
    diff_id     BLOB NOT NULL,
    content_id  BLOB NOT NULL,
    created     TEXT NOT NULL,             -- when it ran; becomes the history time of the image
    wall_ms     REAL NOT NULL,
    ingredients TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layer (         -- sizes and tables of contents outlive the layer files
    diff_id     BLOB PRIMARY KEY,
    size        INTEGER NOT NULL,          -- bytes of the uncompressed tar
    contents    BLOB NOT NULL              -- zstd of cache/oci/layer_tar.hpp's encode()
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS selection (     -- memo: digest of a path selection in a chain
    chain       BLOB NOT NULL,
    source      TEXT NOT NULL,
    digest      BLOB NOT NULL,
    PRIMARY KEY (chain, source)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base_image (    -- an image that builds started from, by the engine's ID
    id          TEXT PRIMARY KEY,
    config      TEXT NOT NULL,
    manifest    TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base_pin (      -- what a reference meant when it was last seen
    reference   TEXT PRIMARY KEY,
    id          TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scope_step (    -- the steps that a scope's builds used
    scope       TEXT NOT NULL,
    key         BLOB NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;

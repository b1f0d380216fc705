-- Which blobs of base images were looked into; those of format 6 are looked into again.
CREATE TABLE unpacked_blob (
    blob        BLOB NOT NULL,
    diff_id     BLOB NOT NULL,
    PRIMARY KEY (blob, diff_id)
) WITHOUT ROWID;

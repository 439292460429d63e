-- Version 5: what sums are made of, in columns (columns/mod.rs), kept in the same transactions as the records.

-- Texts that the columns name by number: domains in small letters without a dot at their end, results, reporters. One
-- that no column names goes with `prune`: who has it in memory looks whether the file was changed (names.rs).
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- One row some thousand records; each blob has one value of each.
CREATE TABLE dmarc_columns (
    id        INTEGER PRIMARY KEY,
    records   INTEGER NOT NULL,
    first     INTEGER NOT NULL,   -- when the first report's period begins
    last      INTEGER NOT NULL,   -- when the last one's begins
    again     INTEGER NOT NULL,   -- 1 if a run is of a report that another run began
    runs      BLOB NOT NULL,      -- reports, with their numbers of records that follow each other
    outcomes  BLOB NOT NULL,
    counts    BLOB NOT NULL,
    addresses BLOB NOT NULL,
    evidence  BLOB NOT NULL,      -- numbers of combinations
    combinations BLOB NOT NULL    -- of raw results and reasons
) STRICT;

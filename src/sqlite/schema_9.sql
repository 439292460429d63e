-- Version 9: the columns of many records are sorted, with sums of their own, and the policy that each report found
-- (columns/sort.rs). They are made anew.
DROP TABLE dmarc_columns;

-- One row some thousand records; each blob has one value of each. Sorted ones come first.
CREATE TABLE dmarc_columns (
    id        INTEGER PRIMARY KEY,
    records   INTEGER NOT NULL,
    first     INTEGER NOT NULL,   -- when the first report's period begins
    last      INTEGER NOT NULL,   -- when the last one's begins
    again     INTEGER NOT NULL,   -- 1 if a run is of a report that another run began
    domain    INTEGER,            -- the policies' domain, among the names, of sorted ones that have but one
    sums      BLOB,               -- by domain, day and reporter; of sorted ones
    runs      BLOB NOT NULL,      -- reports, with their numbers of records that follow each other
    outcomes  BLOB NOT NULL,
    counts    BLOB NOT NULL,
    addresses BLOB NOT NULL,
    evidence  BLOB NOT NULL,      -- numbers of combinations
    combinations BLOB NOT NULL    -- of raw results and reasons
) STRICT;

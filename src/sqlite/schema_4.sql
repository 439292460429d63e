-- Version 4: what is known of the addresses that mail was sent from.
--
-- It is no part of a record: databases are replaced and names change, records stay as they came.

CREATE TABLE addresses (
    address      TEXT PRIMARY KEY,              -- as in source_ip
    asn          INTEGER,                       -- the autonomous system that announces its network
    network      TEXT,
    organisation TEXT,                          -- who has that system
    domain       TEXT COLLATE NOCASE,           -- of the same
    country      TEXT,                          -- two letters of ISO 3166-1
    name         TEXT COLLATE NOCASE,           -- confirmed: the name's own addresses have this one
    checked      INTEGER,                       -- when the DNS last answered, with a name or that there is none
    ask_after    INTEGER                        -- when it may be asked again; NULL if it never was
) STRICT, WITHOUT ROWID;

CREATE INDEX addresses_ask_after ON addresses (ask_after);

-- Up to which row the addresses of a table are in `addresses`, where names are looked up.
CREATE TABLE addresses_taken_up (
    source   TEXT PRIMARY KEY,                  -- dmarc_reports or dmarc_failures
    last     INTEGER NOT NULL                   -- its id
) STRICT, WITHOUT ROWID;

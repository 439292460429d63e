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
    checked      INTEGER                        -- when the DNS last answered, with a name or that there is none
) STRICT, WITHOUT ROWID;

-- Version 8: what was told, by each way for itself: a command, or mail to an address. What was told
-- before stands under no way; the next telling gives it to the ways that there are.
ALTER TABLE situations RENAME TO situations_of_all;
CREATE TABLE situations (
    way    TEXT NOT NULL,     -- by what it was told
    kind   TEXT NOT NULL,
    domain TEXT NOT NULL,     -- empty if it is about a reporter
    who    TEXT NOT NULL,     -- sender, reporter or policy; empty if it is about the whole domain
    opened INTEGER NOT NULL,  -- seconds since 1970
    found  INTEGER NOT NULL,  -- when it was last found
    grade  INTEGER NOT NULL,  -- the worst that was told
    text   TEXT NOT NULL,     -- what was said last
    PRIMARY KEY (way, kind, domain, who)
) STRICT, WITHOUT ROWID;
INSERT INTO situations
    SELECT '', kind, domain, who, opened, found, grade, text FROM situations_of_all;
DROP TABLE situations_of_all;

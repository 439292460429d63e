-- Version 7: situations that `alert` has told, so that each is told once.
CREATE TABLE situations (
    kind   TEXT NOT NULL,
    domain TEXT NOT NULL,     -- empty if it is about a reporter
    who    TEXT NOT NULL,     -- sender, reporter or policy; empty if it is about the domain as a whole
    opened INTEGER NOT NULL,  -- seconds since 1970
    found  INTEGER NOT NULL,  -- when it was last found
    grade  INTEGER NOT NULL,  -- the worst that was told
    text   TEXT NOT NULL,     -- what was said last
    PRIMARY KEY (kind, domain, who)
) STRICT, WITHOUT ROWID;

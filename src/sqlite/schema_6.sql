-- Version 6: the columns know selectors, the domain in From, and reasons that tell of ARC. They are made anew.
DELETE FROM dmarc_columns;

-- When the log was found to end before next_offset: records that were there are gone. The log grows on, and once it had
-- come up to next_offset again nothing would tell of it, and what was appended in between would be left out. Null while the
-- log holds the position, and again when an operator has adopted the log.

ALTER TABLE consumer_offset ADD COLUMN cut_off_at timestamptz(3);

-- Why a heartbeat is not judged although it should be (its schedule cannot be used, its row cannot be read); null for one
-- that is. What a person can mend is shown to them, what is skipped is counted, and neither is said twice.

ALTER TABLE heartbeat_runtime ADD COLUMN misfit text;
CREATE INDEX heartbeat_runtime_misfit ON heartbeat_runtime (heartbeat_id) WHERE misfit IS NOT NULL;

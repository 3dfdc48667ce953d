-- History also says what was missed and what could not be known, one row for a run of misses and one for a blackout that
-- touched a heartbeat. `last_at` and `misses` belong to a run of misses, which grows; the blackout says why a deadline is
-- unknown, or why a heartbeat went down unverified.

ALTER TABLE transition
  ADD COLUMN last_at timestamptz(3),
  ADD COLUMN misses integer,
  ADD COLUMN blackout_started_at timestamptz(3),
  ADD COLUMN blackout_ended_at timestamptz(3);

DROP INDEX transition_by_heartbeat;
CREATE INDEX transition_by_heartbeat ON transition (heartbeat_id, occurred_at DESC, id DESC);

-- A heartbeat whose job is always late makes a row with every ping: these go after a while, incidents stay.
CREATE INDEX transition_of_periods ON transition (occurred_at) WHERE kind IN ('missed', 'unknown');

-- The embedded event log. A record belongs to a batch (one append, one partition); a batch is one row of its topic's
-- current segment; a segment is a table of its own, so that dropping read records is DROP TABLE and touches no lock
-- that appends or readers of other segments need.

-- Names this log for ever. A restored copy keeps the name, and its offsets with it.
CREATE TABLE flatline_log.log_identity (
  cluster_id uuid NOT NULL,
  generation integer NOT NULL
);
INSERT INTO flatline_log.log_identity VALUES (gen_random_uuid(), 1);

CREATE TABLE flatline_log.log_topic (
  topic_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL UNIQUE,
  partitions integer NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
  retention_ms bigint NOT NULL
);

CREATE SEQUENCE flatline_log.segment_id AS integer;

-- Its records are in the table segment_<segment_id>.
CREATE TABLE flatline_log.log_segment (
  segment_id integer PRIMARY KEY,
  topic_id integer NOT NULL REFERENCES flatline_log.log_topic,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Null for the one that is written to.
  sealed_at timestamptz
);

CREATE TABLE flatline_log.log_segment_range (
  segment_id integer NOT NULL REFERENCES flatline_log.log_segment ON DELETE CASCADE,
  partition integer NOT NULL,
  start_offset bigint NOT NULL,
  PRIMARY KEY (segment_id, partition)
);

-- Offsets are given out under the lock of this row, which is held until the commit: so offset order is commit order,
-- and who sees a record sees all before it. The room left on the page keeps the updates in place (HOT).
CREATE TABLE flatline_log.log_partition (
  topic_id integer NOT NULL REFERENCES flatline_log.log_topic,
  partition integer NOT NULL,
  next_offset bigint NOT NULL DEFAULT 0,
  -- Epoch ms of the newest append; the next is never earlier, even when the server's clock steps back.
  appended_at bigint NOT NULL DEFAULT 0,
  segment_id integer NOT NULL REFERENCES flatline_log.log_segment,
  PRIMARY KEY (topic_id, partition)
) WITH (fillfactor = 10);

-- `epoch` counts openings of an exclusive id, `session` the connections of that producer. Only the newest may append.
CREATE TABLE flatline_log.log_producer (
  producer_id text PRIMARY KEY,
  epoch bigint NOT NULL,
  session bigint NOT NULL,
  exclusive boolean NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- How far each group has read, told every few seconds: decides what may be dropped, never where reading starts.
CREATE TABLE flatline_log.log_consumer (
  group_name text NOT NULL,
  topic_id integer NOT NULL REFERENCES flatline_log.log_topic,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (group_name, topic_id, partition)
) WITH (fillfactor = 50);

-- Opens the next segment of a topic and turns all its partitions to it. The partition rows are locked only after the
-- table exists, in ascending order like an append does, so that appends wait for a commit and not for DDL.
CREATE FUNCTION flatline_log.open_segment(p_topic_id integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_segment integer := nextval('flatline_log.segment_id');
BEGIN
  -- Payloads stay inline and uncompressed: small batches are read back within seconds, and dropped unvacuumed.
  EXECUTE format('CREATE TABLE flatline_log.%I (
    partition integer NOT NULL,
    last_offset bigint NOT NULL,
    record_count integer NOT NULL,
    appended_at bigint NOT NULL,
    payload bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (partition, last_offset)
  ) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false, toast_tuple_target = 8160)',
    'segment_' || v_segment);
  INSERT INTO flatline_log.log_segment (segment_id, topic_id) VALUES (v_segment, p_topic_id);
  PERFORM 1 FROM flatline_log.log_partition WHERE topic_id = p_topic_id ORDER BY partition FOR UPDATE;
  UPDATE flatline_log.log_segment SET sealed_at = clock_timestamp()
    WHERE topic_id = p_topic_id AND sealed_at IS NULL AND segment_id <> v_segment;
  INSERT INTO flatline_log.log_segment_range (segment_id, partition, start_offset)
    SELECT v_segment, partition, next_offset FROM flatline_log.log_partition WHERE topic_id = p_topic_id;
  UPDATE flatline_log.log_partition SET segment_id = v_segment WHERE topic_id = p_topic_id;
  RETURN v_segment;
END $$;

-- Creates a topic with its first segment, or answers the one that exists. One process at a time, by the lock given.
CREATE FUNCTION flatline_log.ensure_topic(p_lock bigint, p_name text, p_partitions integer, p_retention_ms bigint)
RETURNS TABLE (topic_id integer, partitions integer) LANGUAGE plpgsql AS $$
DECLARE
  v_topic integer;
  v_segment integer;
BEGIN
  PERFORM pg_advisory_xact_lock(p_lock);
  SELECT t.topic_id INTO v_topic FROM flatline_log.log_topic t WHERE t.name = p_name;
  IF v_topic IS NULL THEN
    INSERT INTO flatline_log.log_topic AS t (name, partitions, retention_ms)
      VALUES (p_name, p_partitions, p_retention_ms) RETURNING t.topic_id INTO v_topic;
    v_segment := flatline_log.open_segment(v_topic);
    INSERT INTO flatline_log.log_partition (topic_id, partition, segment_id)
      SELECT v_topic, p, v_segment FROM generate_series(0, p_partitions - 1) AS p;
    INSERT INTO flatline_log.log_segment_range (segment_id, partition, start_offset)
      SELECT v_segment, p, 0 FROM generate_series(0, p_partitions - 1) AS p;
  END IF;
  UPDATE flatline_log.log_topic t SET retention_ms = p_retention_ms
    WHERE t.topic_id = v_topic AND t.retention_ms <> p_retention_ms;
  RETURN QUERY SELECT t.topic_id, t.partitions FROM flatline_log.log_topic t WHERE t.topic_id = v_topic;
END $$;

-- Appends one batch per partition, all or none, in one round trip and one commit.
--   1. The producer must be the newest of its identity. The share lock is held until the commit, so whoever raises the
--      epoch or the session waits for this append to be decided, and none can start afterwards.
--   2. Offsets, partition by partition in ascending order (p_partitions is sorted by the caller: no deadlocks).
--   3. One insert. All partitions of a topic turn to a new segment together, so the rows share one.
-- SQLSTATE FL001: not the newest producer. FL002: no such partition. Answers the append time, epoch ms.
CREATE FUNCTION flatline_log.append(
  p_producer_id text, p_epoch bigint, p_session bigint,
  p_topic_id integer, p_partitions integer[], p_counts integer[], p_lengths integer[], p_payloads bytea
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_last bigint;
  v_appended bigint;
  v_newest bigint := 0;
  v_segment integer;
  v_position integer := 1;
  v_lasts bigint[] := '{}';
  v_times bigint[] := '{}';
  v_starts integer[] := '{}';
BEGIN
  PERFORM 1 FROM flatline_log.log_producer
    WHERE producer_id = p_producer_id AND epoch = p_epoch AND session = p_session FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'not the newest producer of its identity' USING ERRCODE = 'FL001';
  END IF;
  FOR i IN 1 .. cardinality(p_partitions) LOOP
    UPDATE flatline_log.log_partition
      SET next_offset = next_offset + p_counts[i],
          appended_at = greatest(appended_at, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
      WHERE topic_id = p_topic_id AND partition = p_partitions[i]
      RETURNING next_offset - 1, appended_at, segment_id INTO v_last, v_appended, v_segment;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'no such partition' USING ERRCODE = 'FL002';
    END IF;
    v_lasts[i] := v_last;
    v_times[i] := v_appended;
    v_starts[i] := v_position;
    v_position := v_position + p_lengths[i];
    v_newest := greatest(v_newest, v_appended);
  END LOOP;
  EXECUTE 'INSERT INTO flatline_log.segment_' || v_segment || '
    SELECT r.partition, r.last_offset, r.record_count, r.appended_at, substr($1, r.start, r.length)
    FROM unnest($2, $3, $4, $5, $6, $7) AS r(partition, last_offset, record_count, appended_at, start, length)'
    USING p_payloads, p_partitions, v_lasts, p_counts, v_times, v_starts, p_lengths;
  RETURN v_newest;
END $$;

-- One round of sharing partitions fairly. Every member of a group holds its member lock in share mode, which counts
-- them; each may own ceil(partitions / members). Tries the locks given until p_owned reaches that.
-- Answers the allowance first, then the indexes (0-based) of the keys won.
CREATE FUNCTION flatline_log.claim(p_member_key bigint, p_keys bigint[], p_total integer, p_owned integer)
RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
  v_members integer;
  v_allowance integer;
  v_won integer[];
BEGIN
  SELECT count(DISTINCT pid) INTO v_members FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND classid::bigint = (p_member_key >> 32) & 4294967295 AND objid::bigint = p_member_key & 4294967295;
  v_allowance := ceil(p_total::numeric / greatest(v_members, 1));
  v_won := ARRAY[v_allowance];
  FOR i IN 1 .. cardinality(p_keys) LOOP
    EXIT WHEN p_owned >= v_allowance;
    IF pg_try_advisory_lock(p_keys[i]) THEN
      v_won := v_won || (i - 1);
      p_owned := p_owned + 1;
    END IF;
  END LOOP;
  RETURN v_won;
END $$;

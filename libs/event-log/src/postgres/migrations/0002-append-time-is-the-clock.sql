-- The append time is what the server's clock says, also when that was set back. It used to stand until the clock had come
-- round again, for as long as the clock had been ahead: ingests compare their own clock with it, and would have refused
-- pings all that time. Everything else is as it was in 0001-log.sql.
COMMENT ON COLUMN flatline_log.log_partition.appended_at IS 'Epoch ms of the newest append, by the clock of the server.';

CREATE OR REPLACE FUNCTION flatline_log.append(
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
          appended_at = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
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

-- The tables of the product, each written by its owner alone (docs/architecture.md). Instants carry milliseconds,
-- because every rule of the deadline is stated in milliseconds and a value must survive the round trip unchanged.

CREATE TABLE project (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz(3) NOT NULL
);

-- Keys are stored as SHA-256 with a readable prefix; the key itself is shown once and never kept.
CREATE TABLE api_key (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES project,
  name text NOT NULL,
  prefix text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  scope text NOT NULL CHECK (scope IN ('admin', 'write', 'read')),
  instance_admin boolean NOT NULL DEFAULT false,
  created_at timestamptz(3) NOT NULL,
  revoked_at timestamptz(3)
);

-- Owner: management-api. A definition, never runtime state. Deleted rows stay as tombstones: a self-certifying token
-- of a deleted heartbeat would otherwise be accepted again by an ingest that starts later.
CREATE TABLE heartbeat (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES project,
  name text NOT NULL,
  version integer NOT NULL DEFAULT 1,
  interval_secs integer,
  schedule text,
  timezone text,
  grace_secs integer NOT NULL,
  alert_after_misses integer NOT NULL DEFAULT 2,
  -- When interval, schedule, zone or grace last changed: expected instants before it are never misses.
  schedule_changed_at timestamptz(3) NOT NULL,
  -- [{"pausedAt": ms, "resumedAt": ms | null}], oldest first, the last few; an open last span means paused now.
  pause_spans jsonb NOT NULL DEFAULT '[]',
  token_generation integer NOT NULL DEFAULT 0,
  created_at timestamptz(3) NOT NULL,
  updated_at timestamptz(3) NOT NULL,
  deleted_at timestamptz(3),
  CHECK ((interval_secs IS NULL) <> (schedule IS NULL))
);
CREATE INDEX heartbeat_by_project ON heartbeat (project_id, created_at, id) WHERE deleted_at IS NULL;

-- The few that an ingest has to know of: every other valid token is simply accepted.
CREATE INDEX heartbeat_exceptional ON heartbeat (id)
  WHERE deleted_at IS NOT NULL OR token_generation > 0 OR pause_spans @> '[{"resumedAt": null}]';

CREATE TABLE channel (
  id uuid PRIMARY KEY,
  project_id uuid NOT NULL REFERENCES project,
  kind text NOT NULL,
  name text NOT NULL,
  settings jsonb NOT NULL,
  secret text,
  created_at timestamptz(3) NOT NULL,
  deleted_at timestamptz(3)
);
CREATE INDEX channel_by_project ON channel (project_id, created_at, id) WHERE deleted_at IS NULL;

-- Owner: deadline-scheduler, as are ping, incident, transition and absence. One row per heartbeat. `wake_at` is the
-- instant its timer is armed for and the only indexed column that moves; it never lies behind the deadline, and it
-- trails it by at most half an interval, so most pings update this row in place (HOT).
CREATE TABLE heartbeat_runtime (
  heartbeat_id uuid PRIMARY KEY,
  shard integer NOT NULL,
  definition_version integer NOT NULL,
  schedule_changed_at timestamptz(3) NOT NULL,
  status text NOT NULL CHECK (status IN ('new', 'up', 'late', 'down', 'paused')),
  baseline_at timestamptz(3),
  last_ping_at timestamptz(3),
  last_signal_at timestamptz(3),
  last_signal_id uuid,
  misses integer NOT NULL DEFAULT 0,
  unknowns integer NOT NULL DEFAULT 0,
  next_expected_at timestamptz(3),
  wake_at timestamptz(3),
  incident_started_at timestamptz(3),
  incident_reason text,
  incident_misses integer
) WITH (fillfactor = 70);
CREATE INDEX heartbeat_runtime_due ON heartbeat_runtime (shard, wake_at) WHERE wake_at IS NOT NULL;

-- History. Partitioned by day; the default partition catches an odd date so that it cannot stop a shard.
CREATE TABLE ping (
  heartbeat_id uuid NOT NULL,
  received_at timestamptz(3) NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  method text,
  user_agent text,
  body bytea,
  PRIMARY KEY (heartbeat_id, received_at, id)
) PARTITION BY RANGE (received_at);
CREATE TABLE ping_default PARTITION OF ping DEFAULT;

CREATE TABLE incident (
  id uuid PRIMARY KEY,
  heartbeat_id uuid NOT NULL,
  project_id uuid NOT NULL,
  started_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3),
  reason text NOT NULL CHECK (reason IN ('missed', 'failed', 'overrun', 'unverified')),
  misses integer NOT NULL,
  raised_in_error boolean NOT NULL DEFAULT false,
  recorded_at timestamptz(3) NOT NULL
);
CREATE INDEX incident_by_heartbeat ON incident (heartbeat_id, started_at DESC, id DESC);

-- Every change of state, dated when it truly happened. The id is that of the event it was told with.
CREATE TABLE transition (
  id uuid PRIMARY KEY,
  heartbeat_id uuid NOT NULL,
  incident_id uuid,
  kind text NOT NULL,
  occurred_at timestamptz(3) NOT NULL,
  recorded_at timestamptz(3) NOT NULL
);
CREATE INDEX transition_by_heartbeat ON transition (heartbeat_id, occurred_at DESC);

-- Time of a shard in which no ingest accepted pings: jobs could not reach us.
CREATE TABLE absence (
  shard integer NOT NULL,
  started_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3) NOT NULL,
  PRIMARY KEY (shard, started_at)
);

-- Owner: each consumer. The only position that counts; moved in the transaction that applied the records.
-- `watermark` and `ingests` are kept by the group that judges (null for others).
CREATE TABLE consumer_offset (
  consumer_group text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  log_identity text NOT NULL,
  next_offset bigint NOT NULL,
  watermark timestamptz(3),
  ingests jsonb,
  updated_at timestamptz(3) NOT NULL,
  PRIMARY KEY (consumer_group, topic, partition)
);

-- Owners: management-api and deadline-scheduler. Published in order per key, deleted after the append is acknowledged.
CREATE TABLE outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL,
  topic text NOT NULL,
  key text NOT NULL,
  slot integer NOT NULL,
  payload text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_by_slot ON outbox (slot, seq);

CREATE TABLE dead_letter (
  id uuid PRIMARY KEY,
  source text NOT NULL,
  topic text,
  partition integer,
  log_offset bigint,
  key text,
  payload bytea NOT NULL,
  reason text NOT NULL,
  created_at timestamptz(3) NOT NULL
);

-- Owner: notifier. One row per incident, channel and transition, suppressed ones too, so that "why was I not told?"
-- has an answer. `seq` orders what one channel hears of one heartbeat.
CREATE TABLE notification (
  id uuid PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  event_id uuid NOT NULL,
  project_id uuid NOT NULL,
  heartbeat_id uuid NOT NULL,
  incident_id uuid NOT NULL,
  channel_id text NOT NULL,
  channel_kind text NOT NULL,
  transition text NOT NULL CHECK (transition IN ('down', 'recovered')),
  facts jsonb NOT NULL,
  status text NOT NULL CHECK (status IN ('pending', 'sending', 'delivered', 'dead', 'suppressed')),
  reason text,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz(3),
  claimed_until timestamptz(3),
  claim_id uuid,
  created_at timestamptz(3) NOT NULL,
  finished_at timestamptz(3),
  UNIQUE (incident_id, channel_id, transition)
);
CREATE INDEX notification_due ON notification (next_attempt_at) WHERE status IN ('pending', 'sending');
CREATE INDEX notification_order ON notification (heartbeat_id, channel_id, seq);

CREATE TABLE delivery_attempt (
  notification_id uuid NOT NULL REFERENCES notification,
  attempt integer NOT NULL,
  started_at timestamptz(3) NOT NULL,
  finished_at timestamptz(3) NOT NULL,
  outcome text NOT NULL,
  detail text,
  PRIMARY KEY (notification_id, attempt)
);

-- Facts of this installation that no process may be configured against, e.g. the number of ping partitions.
CREATE TABLE installation_fact (
  name text PRIMARY KEY,
  value jsonb NOT NULL
);

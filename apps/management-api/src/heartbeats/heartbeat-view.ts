import {
  applyDefinition,
  contractStatus,
  type HeartbeatDefinition,
  initialState,
  mintPingToken,
  type RuntimeState,
  type TokenKeyring,
} from '@flatline/domain';
import { rfc3339 } from '../requests/fields';
import type { HeartbeatView } from './heartbeat-schemas';

/** A heartbeat as the database knows it: what was defined, what happened (null: nothing yet), and when it was made. */
export interface StoredHeartbeat {
  readonly definition: HeartbeatDefinition;
  readonly state: RuntimeState | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What a view needs beside the heartbeat. */
export interface ViewContext {
  readonly keyring: TokenKeyring;
  /** Without a slash at its end. */
  readonly baseUrl: string;
}

/**
 * The heartbeat of the public contract. What happened is the scheduler's; where it has not yet taken over the newest
 * definition, the same pure rule does so here, so that a pause is seen in the answer to the request that made it.
 */
export function viewOf(heartbeat: StoredHeartbeat, { keyring, baseUrl }: ViewContext): HeartbeatView {
  const { definition } = heartbeat;
  const { state } = applyDefinition(definition, heartbeat.state ?? initialState(definition));
  const token = mintPingToken({ heartbeatId: definition.heartbeatId, generation: definition.tokenGeneration }, keyring);
  return {
    id: definition.heartbeatId,
    name: definition.name,
    token,
    ping_url: `${baseUrl}/v1/heartbeats/${token}/ping`,
    interval_secs: definition.schedule.kind === 'interval' ? definition.schedule.intervalSecs : null,
    grace_secs: definition.graceSecs,
    alert_after_misses: definition.alertAfterMisses,
    status: contractStatus(state.status),
    consecutive_misses: state.misses,
    last_pinged_at: rfc3339(state.lastPingAt),
    next_expected_at: rfc3339(state.nextExpectedAt),
    created_at: rfc3339(heartbeat.createdAt),
    updated_at: rfc3339(heartbeat.updatedAt),
  };
}

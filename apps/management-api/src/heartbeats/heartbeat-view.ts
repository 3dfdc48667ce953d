import {
  applyDefinition,
  contractStatus,
  type HeartbeatDefinition,
  initialState,
  mintPingToken,
  type RuntimeState,
  type TokenKeyring,
  usualPeriodSecs,
} from '@flatline/domain';
import { misfitOf } from '@flatline/persistence';
import { rfc3339 } from '../requests/fields';
import type { HeartbeatView } from './heartbeat-schemas';

/** A heartbeat as the database knows it: what was defined, what happened (null: nothing yet), and when it was made. */
export interface StoredHeartbeat {
  readonly definition: HeartbeatDefinition;
  readonly state: RuntimeState | null;
  /** Why the scheduler does not judge it; null when it does. */
  readonly misfit: string | null;
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
  const { schedule } = definition;
  const { state, misfit } = current(heartbeat);
  const token = mintPingToken({ heartbeatId: definition.heartbeatId, generation: definition.tokenGeneration }, keyring);
  return {
    id: definition.heartbeatId,
    name: definition.name,
    token,
    ping_url: `${baseUrl}/v1/heartbeats/${token}/ping`,
    interval_secs: usualPeriodSecs(schedule),
    schedule: schedule.kind === 'cron' ? schedule.expression : null,
    timezone: schedule.kind === 'cron' ? schedule.timezone : null,
    grace_secs: definition.graceSecs,
    alert_after_misses: definition.alertAfterMisses,
    status: contractStatus(state.status),
    misconfigured: misfit,
    consecutive_misses: state.misses,
    consecutive_unknowns: state.unknowns,
    last_pinged_at: rfc3339(state.lastPingAt),
    next_expected_at: rfc3339(state.nextExpectedAt),
    created_at: rfc3339(heartbeat.createdAt),
    updated_at: rfc3339(heartbeat.updatedAt),
  };
}

/** One heartbeat that cannot be computed must not take the list it is in with it. */
function current({ definition, state: stored, misfit }: StoredHeartbeat): {
  readonly state: RuntimeState;
  readonly misfit: string | null;
} {
  const before = stored ?? initialState(definition);
  try {
    const { state } = applyDefinition(definition, before);
    rfc3339(state.nextExpectedAt); // an instant that no calendar has
    return { state, misfit };
  } catch (error) {
    return { state: { ...before, nextExpectedAt: null }, misfit: misfit ?? misfitOf(error) };
  }
}

import { shardOf } from '@flatline/domain';
import { AppendRejected, type LogProducer, type OutgoingRecord } from '@flatline/event-log';
import {
  eventParser,
  incidentOpened,
  incidentResolved,
  INCIDENTS_TOPIC,
  MalformedEvent,
  topicInGeneration,
  TOPICS,
} from '@flatline/events';
import { type CommandParts, CommandRefused } from '@flatline/infrastructure';
import { enqueue, type Partitioning, requireSameLog } from '@flatline/persistence';
import type { Clock } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import type { Letter, LetterStore } from './letter-store';

export interface ReplayParts {
  readonly dataSource: DataSource;
  readonly clock: Clock;
  readonly letters: LetterStore;
  readonly openLog: CommandParts['openLog'];
}

/** A letter was replayed or discarded by somebody else meanwhile. */
const GONE = 'it is not there any more';

/**
 * Puts letters back where they came from, in the transaction that takes them out:
 *
 * - a record of the log is appended to its partition, byte for byte, before the transaction commits. A crash in between
 *   leaves the letter, and another replay appends the record once more, which everybody who reads it absorbs
 * - an event of the outbox waits to be published again, under its own id
 * - a heartbeat whose row was put aside is judged at the next sweep, from its row and history as they are now
 * - a message is sent again under its own id, and the recovery that was dropped with it follows it
 */
export class Replay {
  private opened: Promise<OpenedLog> | null = null;

  constructor(private readonly parts: ReplayParts) {}

  /** @throws CommandRefused with the reason; the letter stays */
  async replay(letter: Letter): Promise<void> {
    const { dataSource, letters, clock } = this.parts;
    if (letter.source === 'notification') return tellAgain(dataSource, letter.id, clock.now());
    const log = letter.source === 'log' ? await (this.opened ??= this.open()) : null;
    await dataSource.transaction(async (manager) => {
      const payload = await letters.take(manager, letter.id);
      if (payload === null) throw new CommandRefused(GONE);
      await refuseOvertaken(manager, letter, payload);
      if (log) await append(log, letter, payload);
      else if (letter.source === 'outbox') await publishAgain(manager, letter, payload);
      else await judgeAgain(manager, letter, clock.now());
    });
  }

  private async open(): Promise<OpenedLog> {
    const { dataSource, openLog } = this.parts;
    const { partitioning, log } = await openLog();
    await requireSameLog(dataSource, log.identity());
    return { partitioning, producer: await log.producer() };
  }
}

const parseIncident = eventParser(incidentOpened, incidentResolved);

/** An incident must not be the last word when people have heard of another one since its letter was put aside. */
async function refuseOvertaken(manager: EntityManager, { topic, createdAt }: Letter, payload: Buffer): Promise<void> {
  if (!topic?.startsWith(INCIDENTS_TOPIC)) return;
  let told: ReturnType<typeof parseIncident>['data'];
  try {
    told = parseIncident(payload).data;
  } catch (error) {
    if (error instanceof MalformedEvent) return; // nobody will be told by it
    throw error;
  }
  const [row] = await manager.query<{ overtaken: boolean }[]>(
    `SELECT EXISTS (
       SELECT FROM notification
       WHERE heartbeat_id = $1 AND incident_id <> $2 AND created_at > $3 AND status = 'delivered') AS overtaken`,
    [told.heartbeat.id, told.incident.id, createdAt],
  );
  if (!row?.overtaken) return;
  throw new CommandRefused('people have been told of a later incident of this heartbeat; discard this one');
}

interface OpenedLog {
  readonly partitioning: Partitioning;
  readonly producer: LogProducer;
}

async function append({ partitioning, producer }: OpenedLog, letter: Letter, value: Buffer): Promise<void> {
  const topic = TOPICS.find(({ name }) => letter.topic === name || letter.topic?.startsWith(`${name}.g`))?.name;
  if (topic === undefined) throw new CommandRefused(`this version has no topic ${letter.topic}`);
  const key = letter.key ?? '';
  const isOfThisGeneration = topicInGeneration(topic, partitioning.generation) === letter.topic;
  // The partitions have grown since: the heartbeat tells which one is its own now.
  const partition = isOfThisGeneration ? letter.partition! : shardOf(key, partitioning.partitions);
  const record: OutgoingRecord = { partition, key, value };
  try {
    await producer.append(topic, [record]);
  } catch (error) {
    if (error instanceof AppendRejected) throw new CommandRefused(error.message);
    throw error;
  }
}

async function publishAgain(manager: EntityManager, { id, topic, key }: Letter, payload: Buffer): Promise<void> {
  await enqueue(manager, [{ id, topic: topic ?? '', key: key ?? '', payload }]);
}

async function judgeAgain(manager: EntityManager, { key }: Letter, now: number): Promise<void> {
  await manager.query('UPDATE heartbeat_runtime SET misfit = NULL, wake_at = $2 WHERE heartbeat_id = $1', [
    key,
    new Date(now),
  ]);
}

async function tellAgain(dataSource: DataSource, id: string, now: number): Promise<void> {
  await dataSource.transaction(async (manager) => {
    const [row] = await manager.query<{ overtaken: boolean }[]>(
      `SELECT EXISTS (
         SELECT FROM notification later
         WHERE later.heartbeat_id = n.heartbeat_id AND later.channel_id = n.channel_id AND later.seq > n.seq
           AND later.incident_id <> n.incident_id AND later.status = 'delivered') AS overtaken
       FROM notification n WHERE id = $1 AND status = 'dead' FOR UPDATE OF n`,
      [id],
    );
    if (!row) throw new CommandRefused(GONE);
    if (row.overtaken) {
      throw new CommandRefused('the channel has been told of a later incident of this heartbeat; discard this one');
    }
    await manager.query(
      `UPDATE notification n SET status = 'pending', reason = NULL, finished_at = NULL, next_attempt_at = $2
       FROM notification dead
       WHERE dead.id = $1 AND (n.id = dead.id OR (
         dead.transition = 'down' AND n.transition = 'recovered' AND n.incident_id = dead.incident_id
         AND n.channel_id = dead.channel_id AND n.status = 'suppressed' AND n.reason = 'never_told'))`,
      [id, new Date(now)],
    );
  });
}

import { parseArgs } from 'node:util';
import { type CommandParts, CommandRefused, runCommand, topicsOf } from '@flatline/infrastructure';
import { adoptLog } from './adopt';
import { lowerWatermark } from './lower-watermark';
import { findMisplaced, type Misplaced, type Misplacement, type Wanted } from './misplaced';

const USAGE =
  'what is misplaced is shown by adopt-log [--group g] [--topic t] [--partition n], and adopted with --yes; ' +
  'adopt-log --lower-watermark 2026-01-31T12:00:00Z [--partition n] --yes lowers a watermark';

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i;

interface Order extends Wanted {
  readonly yes: boolean;
  /** Epoch ms; null when it is not about that. */
  readonly lowerTo: number | null;
}

/**
 * The command for consumers whose place in the event log is lost: shows which those are and what would be done, and does
 * it with `--yes`.
 */
export async function runAdoptLog(words: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  await runCommand({ name: 'adopt-log', usage: USAGE, orderIn, obey }, words, env);
}

async function obey(order: Order, parts: CommandParts): Promise<void> {
  await parts.say(await (order.lowerTo === null ? adopt(parts, order) : lower(parts, order, order.lowerTo)));
}

function orderIn(words: readonly string[]): Order | null {
  try {
    const text = { type: 'string' } as const;
    const options = {
      group: text,
      topic: text,
      partition: text,
      'lower-watermark': text,
      yes: { type: 'boolean', default: false },
    } as const;
    const {
      group,
      topic,
      partition,
      yes,
      'lower-watermark': instant,
    } = parseArgs({ args: [...words], options }).values;
    if (partition !== undefined && !/^\d{1,4}$/.test(partition)) return null;
    // `Date.parse` alone takes "5" for a day in 2001, and an instant without a zone for one of this machine's.
    if (instant !== undefined && !INSTANT.test(instant)) return null;
    const lowerTo = instant === undefined ? null : Date.parse(instant);
    if (Number.isNaN(lowerTo)) return null;
    return { group, topic, partition: partition === undefined ? undefined : Number(partition), yes, lowerTo };
  } catch {
    return null; // an option we do not know: the usage says which there are
  }
}

async function adopt({ kernel, dataSource, openLog }: CommandParts, order: Order): Promise<string> {
  const { partitioning, log } = await openLog();
  const misplaced = await findMisplaced(dataSource.manager, log, order);
  if (misplaced.length === 0) throw new CommandRefused('the log holds every position that is stored');
  const plan = misplaced.map(lineOf).join('\n');
  if (!order.yes) return `${plan}\nNothing was changed yet; add --yes to do so.`;
  const topics = topicsOf(kernel.config, partitioning.partitions);
  const adopted = await adoptLog({ dataSource, log, clock: kernel.clock, topics }, order);
  return `${adopted.map(lineOf).join('\n')}\nDone: ${log.identity()} is read from there.`;
}

async function lower({ dataSource }: CommandParts, order: Order, to: number): Promise<string> {
  const instant = new Date(to).toISOString();
  if (!order.yes)
    return `Watermarks behind ${instant} would become that.\nNothing was changed yet; add --yes to do so.`;
  const shards = await lowerWatermark(dataSource, to, order);
  return `Done: the watermark of shard ${shards.join(', ')} is ${instant}.`;
}

const REASONS: Record<Misplacement, string> = {
  replaced: 'belongs to another log',
  expired: 'lies before what the log holds, records were dropped unread',
  truncated: 'lay behind the end of the log, records are gone',
};

function lineOf({ group, topic, partition, why, position, identity, bounds, watermark }: Misplaced): string {
  const where = why === 'replaced' ? `${position} of ${identity}` : String(position);
  const absence = watermark === null ? '' : `; unknown from ${watermark.toISOString()} until now`;
  return `${group} in ${topic}, partition ${partition}: position ${where} ${REASONS[why]}; reading goes on at ${bounds.start} (the log ends at ${bounds.end})${absence}`;
}

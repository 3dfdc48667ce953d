import { parseArgs } from 'node:util';
import { type CommandParts, CommandRefused, runCommand } from '@flatline/infrastructure';
import { type Letter, LetterStore } from './letter-store';
import { Replay } from './replay';

const USAGE =
  'say what to do: dead-letters list, dead-letters show <id> [--payload], dead-letters replay <id>, ' +
  'dead-letters replay --all, or dead-letters discard <id>';
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One thing to do, read from the command line. */
type Order =
  | { readonly verb: 'list' }
  | { readonly verb: 'replay-all' }
  | { readonly verb: 'show'; readonly id: string; readonly payload: boolean }
  | { readonly verb: 'replay'; readonly id: string }
  | { readonly verb: 'discard'; readonly id: string };

/**
 * The command for what was put aside: shows it, puts it back where it came from, or removes it. What a letter holds is
 * shown with `--payload` only, because it may be confidential.
 */
export async function runDeadLetters(words: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  await runCommand('dead-letters', env, async (parts) => {
    const order = orderIn(words);
    if (order === null) throw new CommandRefused(USAGE);
    return obey(order, parts);
  });
}

function orderIn(words: readonly string[]): Order | null {
  try {
    const options = { all: { type: 'boolean', default: false }, payload: { type: 'boolean', default: false } } as const;
    const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
    const [verb, id, ...more] = positionals;
    if (more.length > 0) return null;
    if (verb === 'list' && id === undefined) return { verb };
    if (verb === 'replay' && id === undefined && values.all) return { verb: 'replay-all' };
    if (id === undefined || !ID.test(id) || values.all) return null;
    if (verb === 'show') return { verb, id, payload: values.payload };
    return verb === 'replay' || verb === 'discard' ? { verb, id } : null;
  } catch {
    return null; // an option we do not know: the usage says which there are
  }
}

async function obey(order: Order, { dataSource, kernel, openLog }: CommandParts): Promise<string> {
  const letters = new LetterStore();
  const { manager } = dataSource;
  const replay = new Replay({ dataSource, letters, openLog, clock: kernel.clock });
  if (order.verb === 'list') return listed(await letters.list(manager));
  if (order.verb === 'replay-all') return replayAll(replay, await letters.list(manager));
  const letter = await letters.find(manager, order.id);
  if (!letter) throw new CommandRefused(`there is no dead letter ${order.id}`);
  if (order.verb === 'show') {
    return order.payload ? `${lineOf(letter)}\n${shown(await letters.payload(manager, letter))}` : lineOf(letter);
  }
  if (order.verb === 'discard') await letters.discard(manager, letter);
  else await replay.replay(letter);
  return `${order.verb === 'replay' ? 'replayed' : 'discarded'} ${lineOf(letter)}`;
}

/** The oldest first; one that cannot be replayed keeps none of the others. */
async function replayAll(replay: Replay, letters: readonly Letter[]): Promise<string> {
  const lines: string[] = [];
  for (const letter of letters) {
    try {
      await replay.replay(letter);
      lines.push(`replayed ${lineOf(letter)}`);
    } catch (error) {
      if (!(error instanceof CommandRefused)) throw error;
      lines.push(`left ${lineOf(letter)}: ${error.message}`);
    }
  }
  return lines.length > 0 ? lines.join('\n') : 'there are no dead letters';
}

function listed(letters: readonly Letter[]): string {
  return letters.length > 0 ? letters.map(lineOf).join('\n') : 'there are no dead letters';
}

function lineOf({ id, createdAt, source, topic, partition, offset, key, reason }: Letter): string {
  const place = topic === null ? source : partition === null ? `${source} ${topic}` : `${topic}/${partition}@${offset}`;
  return [id, createdAt.toISOString(), place, key ?? '-', reason].join('  ');
}

/** As text where it is text. */
function shown(payload: Buffer): string {
  const text = payload.toString('utf8');
  return Buffer.from(text, 'utf8').equals(payload) ? text : `base64 ${payload.toString('base64')}`;
}

import { parseArgs } from 'node:util';
import { displayText } from '@flatline/channels';
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
  await runCommand({ name: 'dead-letters', usage: USAGE, orderIn, obey }, words, env);
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

async function obey(order: Order, { dataSource, kernel, openLog, say }: CommandParts): Promise<void> {
  const letters = new LetterStore();
  const { manager } = dataSource;
  const replay = new Replay({ dataSource, letters, openLog, clock: kernel.clock });
  if (order.verb === 'list' || order.verb === 'replay-all') {
    const tell = order.verb === 'list' ? lineOf : (letter: Letter) => replayed(replay, letter);
    const count = await letters.each(dataSource, async (letter) => say(await tell(letter)));
    if (count === 0) await say('there are no dead letters');
    return;
  }
  const letter = await letters.find(manager, order.id);
  if (!letter) throw new CommandRefused(`there is no dead letter ${order.id}`);
  if (order.verb === 'show') {
    await say(lineOf(letter));
    if (order.payload) await say(shown(await letters.payload(manager, letter)));
    return;
  }
  if (order.verb === 'discard') await letters.discard(manager, letter);
  else await replay.replay(letter);
  await say(`${order.verb === 'replay' ? 'replayed' : 'discarded'} ${lineOf(letter)}`);
}

/** Replays one of all; when it cannot be replayed it keeps none of the others. */
async function replayed(replay: Replay, letter: Letter): Promise<string> {
  try {
    await replay.replay(letter);
    return `replayed ${lineOf(letter)}`;
  } catch (error) {
    if (!(error instanceof CommandRefused)) throw error;
    return `left ${lineOf(letter)}: ${error.message}`;
  }
}

function lineOf({ id, createdAt, source, topic, partition, offset, key, reason }: Letter): string {
  const place = topic === null ? source : partition === null ? `${source} ${topic}` : `${topic}/${partition}@${offset}`;
  return displayText([id, createdAt.toISOString(), place, key ?? '-', reason].join('  '));
}

/** What a terminal would obey rather than show. */
const controls = /[^\P{Cc}\n\t]/u;

/** As text where it is text that any terminal shows as it is. */
function shown(payload: Buffer): string {
  const text = payload.toString('utf8');
  const isPlain = Buffer.from(text, 'utf8').equals(payload) && !controls.test(text);
  return isPlain ? text : `base64 ${payload.toString('base64')}`;
}

/** What servers inherit. Not the rest: it holds secrets of ours, and options for other programs of their kind. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG'];

/** The environment of a server's process. */
export function serverEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(inherited), ...more } as NodeJS.ProcessEnv;
}

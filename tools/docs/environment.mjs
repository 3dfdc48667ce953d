/** The table of environment variables, from the schema that validates them at boot. */
import { cell, compiled, table } from './writing.mjs';

export function environmentSection() {
  const { describeEnvironment } = compiled('libs/service-kernel/src/index');
  const rows = describeEnvironment().map(({ name, description, secret, whenUnset, ...note }) => [
    `\`${name}\``,
    `${cell(description)}${secret ? ' *Secret.*' : ''}`,
    note.default === undefined ? (whenUnset ?? 'not set') : `\`${note.default}\``,
  ]);
  return table(['variable', 'what it says', 'unless set'], rows);
}

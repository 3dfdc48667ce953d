import { randomBytes } from 'node:crypto';
import * as path from 'node:path';

import { readOrCreatePrivateFile } from './private-file';

const TOKEN_KEY_FILE = 'ping-token-keys';

/** The keys that sign the ping tokens of a data directory, as PING_TOKEN_KEYS takes them; made at the first start. */
export function tokenKeysOf(dataDir: string): string {
  return readOrCreatePrivateFile(path.join(dataDir, TOKEN_KEY_FILE), () => randomBytes(32).toString('base64url'));
}

import { lookup } from 'node:dns';
import type { LookupAddress, LookupAllOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isPublicAddress } from './public-address';

/** A host name led to no address that we may connect to. */
export class PrivateTarget extends Error {
  override readonly name = 'PrivateTarget';
}

/** As `dns.lookup` with `all: true`; tests put a resolver that lies in its place. */
export type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * The name resolution of outgoing webhooks: resolves, drops every address that is not public and hands on the rest.
 *
 * It runs inside the connection attempt, so the address that was vetted is the one connected to. A name that answers
 * otherwise the second time (DNS rebinding) is vetted the second time. Not asked for literal addresses: Node connects
 * to those without a lookup, so the sender checks them itself.
 *
 * Concurrent questions for one name share one `getaddrinfo`: each holds a thread of a small pool for as long as the
 * name server takes, and a slow one must not use them all up.
 */
export function vettedLookup(resolve: ResolveAll = lookup): LookupFunction {
  const asked = new Map<string, Promise<LookupAddress[]>>();

  const resolveOnce = (hostname: string): Promise<LookupAddress[]> => {
    const running = asked.get(hostname);
    if (running) return running;
    const answer = new Promise<LookupAddress[]>((done, fail) => {
      resolve(hostname, { all: true }, (error, addresses) => (error ? fail(error) : done(addresses)));
    }).finally(() => asked.delete(hostname));
    asked.set(hostname, answer);
    return answer;
  };

  return (hostname, options, callback) => {
    resolveOnce(hostname).then(
      (addresses) => {
        const wanted = Number(options.family ?? 0);
        const usable = addresses.filter(
          ({ address, family }) => isPublicAddress(address) && (wanted === 0 || family === wanted),
        );
        const [first] = usable;
        if (!first) callback(new PrivateTarget('the host name leads to no public address'), '', 0);
        else if (options.all) callback(null, usable);
        else callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    );
  };
}

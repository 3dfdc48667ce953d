import { isPublicAddress } from './public-address';
import { literalAddress } from './webhook-settings';

/**
 * Whether a URL can be seen, without asking the name server, to lead to a private place: a literal address that is not
 * public, or localhost by name. Whether a name leads to one is known only when something is sent, and checked then.
 */
export function namesPrivateTarget(url: URL): boolean {
  const literal = literalAddress(url);
  if (literal !== null) return !isPublicAddress(literal);
  const host = url.hostname.toLowerCase().replace(/\.$/, '');
  return host === 'localhost' || host.endsWith('.localhost');
}

import { parse } from 'ipaddr.js';

const globalUnicast: [ReturnType<typeof parse>, number] = [parse('2000::'), 3];

/**
 * Whether an IP address belongs to the public internet.
 *
 * False for loopback, private, link-local, carrier-grade NAT, multicast, reserved and documentation ranges, for
 * IPv4-mapped addresses (they reach what the IPv4 address reaches), for addresses that a translator turns into IPv4
 * (NAT64, 6to4, Teredo), for everything outside IPv6 global unicast (2000::/3), and for what is no address at all.
 */
export function isPublicAddress(address: string): boolean {
  try {
    const parsed = parse(address);
    if (parsed.range() !== 'unicast') return false;
    return parsed.kind() === 'ipv4' || parsed.match(...globalUnicast);
  } catch {
    return false; // not an address: nothing that could be vetted
  }
}

import { networkInterfaces } from 'node:os';
import { findOwnAddress, type Interfaces } from '../test/kit/own-address.ts';

/**
 * Finds the address of the demo's cloud.
 *
 * @throws Error that lists the addresses that were found, if none can be used
 */
export const requireOwnAddress = (interfaces: Interfaces = networkInterfaces()): string => {
  const own = findOwnAddress(interfaces);
  if (own !== undefined) return own;
  const all = Object.entries(interfaces).flatMap(([name, infos = []]) =>
    infos.map(({ address }) => `${name} ${address}`),
  );
  throw new Error(
    `the demo's cloud needs an IPv4 address of this machine that is neither loopback, link-local nor CGNAT, because the gateway sends nothing to those; found: ${all.join(', ') || 'none'}. Connect a network interface (no route to anywhere is needed) and try again.`,
  );
};

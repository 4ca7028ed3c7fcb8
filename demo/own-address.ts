import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { isCloudAddress } from '../lib/edge/http/address-check.ts';

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * Finds an IPv4 address of this machine at which the gateway accepts a cloud.
 *
 * @throws Error that lists the addresses that were found, if there is none
 */
export const findOwnAddress = (interfaces: Interfaces = networkInterfaces()): string => {
  const all = Object.entries(interfaces).flatMap(([name, infos = []]) =>
    infos.map((info) => ({ ...info, name })),
  );
  const own = all.find(
    ({ family, internal, address }) => family === 'IPv4' && !internal && isCloudAddress(address),
  );
  if (own !== undefined) return own.address;
  const found = all.map(({ name, address }) => `${name} ${address}`).join(', ') || 'none';
  throw new Error(
    `the demo's cloud needs an IPv4 address of this machine that is neither loopback, link-local nor CGNAT, because the gateway sends nothing to those; found: ${found}. Connect a network interface (no route to anywhere is needed) and try again.`,
  );
};

import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * Finds an IPv4 address of this machine at which the gateway accepts a cloud.
 *
 * @returns undefined if there is none
 */
export const findOwnAddress = (interfaces: Interfaces = networkInterfaces()): string | undefined =>
  Object.values(interfaces)
    .flatMap((infos = []) => infos)
    .find(
      ({ family, internal, address }) => family === 'IPv4' && !internal && isCloudAddress(address),
    )?.address;

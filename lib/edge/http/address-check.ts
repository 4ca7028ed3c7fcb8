import { BlockList, isIP } from 'node:net';

/** Loopback, link-local with the metadata services, CGNAT (100.100.100.200 too), unspecified, multicast. */
const REFUSED_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['224.0.0.0', 3],
];

/** The same for IPv6, with the metadata services of AWS and Google, and forms that hold IPv4 addresses. */
const REFUSED_IPV6: readonly (readonly [string, number])[] = [
  ['::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

/** RFC 1918 and RFC 4193. */
const PRIVATE_IPV4: typeof REFUSED_IPV4 = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
];
const PRIVATE_IPV6: typeof REFUSED_IPV6 = [['fc00::', 7]];

const buildList = (ipv4: typeof REFUSED_IPV4, ipv6: typeof REFUSED_IPV6): BlockList => {
  const refused = new BlockList();
  for (const [address, bits] of ipv4) {
    // Also refuses the same as IPv4-mapped addresses.
    refused.addSubnet(address, bits, 'ipv4');
    // NAT64 (RFC 6052, section 2.1).
    refused.addSubnet(`64:ff9b::${address}`, 96 + bits, 'ipv6');
  }
  for (const [address, bits] of ipv6) refused.addSubnet(address, bits, 'ipv6');
  return refused;
};

const refused = buildList(REFUSED_IPV4, REFUSED_IPV6);
const privateAddresses = buildList(PRIVATE_IPV4, PRIVATE_IPV6);

/**
 * Whether a cloud may have this address. Addresses of the pod and of the node's own services are
 * refused; private addresses are not, because VPC endpoints and private clouds have them.
 */
export const isCloudAddress = (address: string): boolean => {
  const family = isIP(address);
  return family !== 0 && !refused.check(address, family === 6 ? 'ipv6' : 'ipv4');
};

/** Whether a public server may have this address: one that {@link isCloudAddress} and that is not private. */
export const isPublicAddress = (address: string): boolean =>
  isCloudAddress(address) &&
  !privateAddresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { requireOwnAddress } from './own-address.ts';

const buildInfo = (address: string, internal = false): NetworkInterfaceInfo => {
  const [mac, netmask] = ['00:00:00:00:00:00', '255.255.255.0'];
  return address.includes(':')
    ? { address, netmask, mac, internal, family: 'IPv6', scopeid: 0, cidr: null }
    : { address, netmask, mac, internal, family: 'IPv4', cidr: null };
};
const loopback = [buildInfo('127.0.0.1', true), buildInfo('::1', true)];

describe('requireOwnAddress', () => {
  it('returns the first IPv4 address at which the gateway accepts a cloud', () => {
    const interfaces = {
      lo: loopback,
      vpn: [buildInfo('100.64.1.2')],
      bridge: [buildInfo('169.254.3.4'), buildInfo('fd00::2')],
      eth0: [buildInfo('fd00::3'), buildInfo('10.1.2.3')],
      eth1: [buildInfo('10.1.2.4')],
    };
    expect(requireOwnAddress(interfaces)).toBe('10.1.2.3');
  });

  it('says why it needs one, and what it found, if there is none', () => {
    const interfaces = { lo: loopback, vpn: [buildInfo('100.64.1.2')] };
    expect(() => requireOwnAddress(interfaces)).toThrow(
      /neither loopback, link-local nor CGNAT, because the gateway sends nothing to those; found: lo 127\.0\.0\.1, lo ::1, vpn 100\.64\.1\.2\./,
    );
    expect(() => requireOwnAddress({})).toThrow(/found: none\./);
  });
});

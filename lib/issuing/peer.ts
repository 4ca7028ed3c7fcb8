const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
const GROUPS = 4;

/**
 * Whose bucket a remote address takes from: an IPv4 address itself; of an IPv6 address its /64, since
 * one host has all of those.
 *
 * @param address as a socket tells it; nothing once the peer is gone
 */
export const peerOf = (address: string | undefined): string => {
  if (address === undefined) return 'gone';
  const [, v4] = MAPPED.exec(address) ?? [];
  if (v4 !== undefined) return v4;
  if (!address.includes(':')) return address;
  const [plain = ''] = address.split('%');
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return `${[...left, ...zeros, ...right].slice(0, GROUPS).join(':')}::/64`;
};

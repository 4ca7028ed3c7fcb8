const IPV4_MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/**
 * Whose bucket a remote address takes from: its own. Not an IPv6 address's /64: that is a node's, or a
 * subnet's, and one pod would use up what is its neighbours'.
 *
 * @param address as a socket tells it; nothing once the peer is gone
 */
export const normalizePeerAddress = (address: string | undefined): string => {
  if (address === undefined) return 'gone';
  const [, v4] = IPV4_MAPPED.exec(address) ?? [];
  if (v4 !== undefined) return v4;
  return address.split('%', 1)[0] ?? address;
};

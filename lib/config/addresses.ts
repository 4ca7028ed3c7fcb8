import { rejectValue, value, type Reader } from '../schema/reader.ts';

const IPV4 = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;
const CIDR_BLOCK = /^([0-9a-fA-F.:]+)(?:\/(\d|[1-9]\d|1[01]\d|12[0-8]))?$/;

const LISTEN_ADDRESS = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]*)):(\d{1,5})$/;

/** Reads an IPv4 or IPv6 address or CIDR block, as in IAM's `IpAddress` conditions (RFC 4632, 4291). */
export const cidr: Reader<string> = value(
  'an address or CIDR block such as 198.51.100.0/24 or 2001:db8::/48',
  (given): given is string => typeof given === 'string' && isCidrBlock(given),
);

const isCidrBlock = (text: string): boolean => {
  const [, address = '', prefix = '0'] = CIDR_BLOCK.exec(text) ?? [];
  return IPV4.test(address) ? Number(prefix) <= 32 : isIpv6(address);
};

const isIpv6 = (text: string): boolean => text.includes(':') && URL.canParse(`http://[${text}]/`);

/** Reads an `http:` or `https:` origin without path, query, fragment and user. Not normalized. */
export const origin =
  (protocols: readonly ('http:' | 'https:')[]): Reader<string> =>
  (given, path, faults) => {
    const url = typeof given === 'string' && URL.canParse(given) ? new URL(given) : undefined;
    if (url !== undefined && protocols.some((p) => p === url.protocol) && isBareOrigin(url)) {
      return given as string;
    }
    const schemes = protocols.map((protocol) => `${protocol}//host:port`).join(' or ');
    return rejectValue(faults, {
      path,
      expected: `${schemes}, without a path`,
      value: given,
    });
  };

const isBareOrigin = (url: URL): boolean =>
  `${url.username}${url.password}${url.search}${url.hash}` === '' && url.pathname === '/';

/** Reads an `https:` URL without user and fragment, of at most 2048 characters. Not normalized. */
export const httpsUrl: Reader<string> = value(
  'an https URL without user and fragment',
  (given): given is string => {
    const url = typeof given === 'string' && given.length <= 2048 ? URL.parse(given) : null;
    return url?.protocol === 'https:' && `${url.username}${url.password}${url.hash}` === '';
  },
);

export type Address = { readonly host: string; readonly port: number };

/** Reads `host:port` or `[v6]:port`; an empty host: every address. */
export const listenAddress: Reader<Address> = (given, path, faults) => {
  const [, v6, name, port] = LISTEN_ADDRESS.exec(typeof given === 'string' ? given : '') ?? [];
  const number = Number(port);
  if (number <= 65_535) return { host: v6 ?? name ?? '', port: number };
  return rejectValue(faults, { path, expected: 'host:port', value: given });
};

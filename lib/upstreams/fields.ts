import { rejectValue, refine, string, type Reader } from '../schema/reader.ts';

/** RFC 9110, section 5.6.2: a token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;

/** Headers of the connection and of framing, and those that the gateway sets itself. */
const RESERVED_HEADERS = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
]);

const isReservedHeader = (name: string): boolean =>
  RESERVED_HEADERS.has(name) || /^(proxy|sec|x-forwarded|x-valetkey)-/.test(name);

/** Reads the name of a header that an Upstream may pass, set or present; lower case. */
export const headerName: Reader<string> = (given, path, faults) => {
  const name = typeof given === 'string' && TOKEN.test(given) ? given.toLowerCase() : undefined;
  if (name !== undefined && !isReservedHeader(name)) return name;
  const expected = 'a header that does not concern the connection, a proxy or cookies';
  return rejectValue(faults, { path, expected, value: given });
};

/** Reads the value of a header: visible ASCII and single spaces within. */
export const headerValue: Reader<string> = string({
  expected: 'visible ASCII characters, with spaces only between them',
  pattern: /^[!-~]+(?: [!-~]+)*$/,
  maxLength: 1024,
});

export const secretKey = {
  name: string({
    expected: 'the name of a Secret',
    pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
  }),
  key: string({ expected: 'a key of a Secret', pattern: /^[-._a-zA-Z0-9]{1,253}$/ }),
};

/** Refuses a URL that a reader could normalize to another one. */
const isCanonical = (given: string, url: URL): boolean =>
  (url.href === given || url.href === `${given}/`) &&
  `${url.username}${url.password}${url.search}${url.hash}` === '' &&
  !/[?#@\\;%]|\/\//.test(given.slice(url.protocol.length + 2));

/** Reads an origin and a base path in canonical form; without a slash at the end. */
export const baseUrl: Reader<string> = (given, path, faults) => {
  const url = typeof given === 'string' && given.length <= 2048 ? URL.parse(given) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && isCanonical(given as string, url)) {
    return url.href.replace(/\/+$/, '');
  }
  const expected =
    'https://host[:port][/path] in canonical form (lower case, no default port), without user, ' +
    'query, fragment and encoded characters';
  return rejectValue(faults, { path, expected, value: given });
};

/** Reads `https://host[:port]` without a path. */
export const httpsOrigin: Reader<string> = refine(baseUrl, (url) =>
  url.startsWith('https:') && new URL(url).pathname === '/'
    ? undefined
    : 'https://host[:port] without a path',
);

/** Reads the https URL of one endpoint. */
export const httpsEndpoint: Reader<string> = refine(baseUrl, (url) =>
  url.startsWith('https:') ? undefined : 'an https URL',
);

/** Reads a path of a task or of a level, with `*` and `{name}`. */
export const pathPattern: Reader<string> = string({
  expected: 'a path such as /v1/items/{id} or /v1/*, without encoded characters and dot segments',
  pattern:
    /^(?!.*\/\.{1,2}(?:\/|$))(?!.*\/\/)\/(?:[\w.~!$&'()*+,=:@/-]|\{[a-z][a-zA-Z0-9]{0,31}\})*$/,
  maxLength: 1024,
});

const BYTES = /^(\d{1,10})(Ki|Mi|Gi)?$/;
const FACTORS = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 } as const;

/** Reads a number of bytes such as `32Mi`. */
export const byteSize =
  ({ min, max }: { min: number; max: number }): Reader<number> =>
  (given, path, faults) => {
    const [, amount, unit] = BYTES.exec(typeof given === 'string' ? given : '') ?? [];
    const bytes = Number(amount) * (unit === undefined ? 1 : FACTORS[unit as 'Ki' | 'Mi' | 'Gi']);
    if (bytes >= min && bytes <= max) return bytes;
    const expected = `a size such as 32Mi, from ${min} to ${max} bytes`;
    return rejectValue(faults, { path, expected, value: given });
  };

const encodeHex = (secret: Buffer): string => secret.toString('hex');

/**
 * The characters that base64 shows of a text at each of the three places where it can begin within a
 * group of three bytes. The first and last characters depend on what surrounds it and are left out.
 */
const encodeBase64 = (secret: Buffer): readonly string[] =>
  [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), secret])
      .toString('base64')
      .replace(/=+$/, '');
    const first = Math.ceil((offset * 8) / 6);
    const last = Math.floor(((offset + secret.length) * 8) / 6);
    return text.slice(first, last);
  });

const toUrlAlphabet = (base64: string): string => base64.replaceAll('+', '-').replaceAll('/', '_');

const percent = (byte: number): string => `%${byte.toString(16).padStart(2, '0')}`;

/**
 * As common encoders write it: RFC 3986 strictly and with slashes left, `encodeURIComponent`, forms, with a
 * space as plus, and every byte; the codes in upper and in lower case.
 */
const encodeUrl = (secret: Buffer): readonly string[] => {
  const text = secret.toString('latin1');
  const strict = text.replace(/[^\w.~-]/g, (character) => percent(character.charCodeAt(0)));
  const component = encodeURIComponent(text);
  const form = new URLSearchParams({ '': text }).toString().slice(1);
  const forms = [strict, strict.replaceAll('%2f', '/'), component, form];
  const plus = [strict, component].map((encoded) => encoded.replaceAll('%20', '+'));
  const all = [...secret].map(percent).join('');
  return [...forms, ...plus, all].flatMap((encoded) => [
    encoded.replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase()),
    encoded.replace(/%[0-9a-f]{2}/gi, (code) => code.toLowerCase()),
  ]);
};

const escapeUnicode = (text: string, pattern: RegExp): readonly string[] => {
  const write = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const lower = text.replace(pattern, write);
  return [lower, lower.replace(/\\u[0-9a-f]{4}/g, (code) => `\\u${code.slice(2).toUpperCase()}`)];
};

/** As JSON writes it: plain, with escaped slashes (PHP), as Go, Java and .NET escape it, and all escaped. */
const encodeJson = (secret: Buffer): readonly string[] => {
  const text = secret.toString('latin1');
  const plain = JSON.stringify(text).slice(1, -1);
  return [
    plain,
    plain.replaceAll('/', '\\/'),
    ...escapeUnicode(plain, /[<>&]/g),
    ...escapeUnicode(plain, /[<>&'=]/g),
    ...escapeUnicode(text.replaceAll('\\', '\\\\'), /[<>&'"+`]/g),
    ...escapeUnicode(text, /[^]/g),
  ];
};

/** @returns the forms in which an answer could show a secret, each once */
export const listEchoForms = (secret: string): readonly Buffer[] => {
  const bytes = Buffer.from(secret);
  const hex = encodeHex(bytes);
  const base64 = encodeBase64(bytes);
  const forms = [
    secret,
    hex,
    hex.toUpperCase(),
    ...base64,
    ...base64.map(toUrlAlphabet),
    ...encodeUrl(bytes),
    ...encodeJson(bytes),
  ];
  return [...new Set(forms)].map((form) => Buffer.from(form));
};

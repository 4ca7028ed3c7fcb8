import { request } from 'node:http';
import { XMLParser } from 'fast-xml-parser';
import type { Answer } from './outcome.ts';

/** What goes on the wire, byte for byte: `path` includes the query. */
export type HttpRequest = {
  readonly endpoint: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
};

/** Sends a request and reads the error code of its answer, in S3's shape or in STS's. */
export const answerTo = (given: HttpRequest): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { endpoint, method, path, headers, body = '' } = given;
    const { hostname, port } = new URL(endpoint);
    const length = { 'content-length': String(Buffer.byteLength(body)) };
    const outgoing = request(
      { hostname, port, method, path, headers: { ...headers, ...length }, timeout: 15_000 },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(parts).toString();
          const status = incoming.statusCode ?? 0;
          resolve({ status, code: status < 300 ? '' : errorCode(text), body: text });
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });

const parser = new XMLParser({ parseTagValue: false });

/** An XML document as plain objects; text stays text. */
export const parseXml = (text: string): Tree => parser.parse(text) as Tree;

export type Tree = { readonly [name: string]: Tree | string | undefined };

/** What stands at a path of element names, as text. */
export const textAt = (tree: Tree, ...names: readonly string[]): string => {
  const found = names.reduce<Tree | string | undefined>(
    (at, name) => (typeof at === 'object' ? at[name] : undefined),
    tree,
  );
  return typeof found === 'string' ? found : '';
};

const errorCode = (text: string): string => {
  if (!text.trimStart().startsWith('<')) return '';
  const tree = parseXml(text);
  return textAt(tree, 'Error', 'Code') || textAt(tree, 'ErrorResponse', 'Error', 'Code');
};

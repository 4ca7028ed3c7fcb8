import { request } from 'node:http';
import { XMLParser } from 'fast-xml-parser';
import type { CaseAnswer } from './case-outcome.ts';

/** An exact HTTP request; `path` includes the query. */
export type CaseHttpRequest = {
  readonly endpoint: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
};

/** Sends a request, and reads the error code of the response in the format of S3 or STS. */
export const sendCaseRequest = (given: CaseHttpRequest): Promise<CaseAnswer> =>
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
          resolve({ status, code: status < 300 ? '' : parseErrorCode(text), body: text });
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no response`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });

const parser = new XMLParser({ parseTagValue: false });

/** Parses XML to plain objects; values are strings. */
export const parseXml = (text: string): XmlTree => parser.parse(text) as XmlTree;

export type XmlTree = { readonly [name: string]: XmlTree | string | undefined };

/** Returns the text at a path of element names. */
export const findText = (tree: XmlTree, ...names: readonly string[]): string => {
  const found = names.reduce<XmlTree | string | undefined>(
    (at, name) => (typeof at === 'object' ? at[name] : undefined),
    tree,
  );
  return typeof found === 'string' ? found : '';
};

const parseErrorCode = (text: string): string => {
  if (!text.trimStart().startsWith('<')) return '';
  const tree = parseXml(text);
  return findText(tree, 'Error', 'Code') || findText(tree, 'ErrorResponse', 'Error', 'Code');
};

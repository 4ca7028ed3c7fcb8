import { request } from 'node:https';
import { text } from 'node:stream/consumers';

/** A GET of a public document. */
export type FetchDocument = (url: string) => Promise<Response>;

const TIMEOUT_MS = 5_000;

/** By the public authorities, or over https by these roots (PEM) and no others. */
export const createDocumentFetch = (roots: (() => string) | undefined): FetchDocument =>
  roots === undefined ? (url) => fetch(url) : (url) => fetchWithCa(url, roots());

const fetchWithCa = (url: string, ca: string): Promise<Response> =>
  new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    request(url, { ca, agent: false, signal }, (answer) => {
      text(answer).then(
        (body) => resolve(new Response(body, { status: answer.statusCode ?? 500 })),
        reject,
      );
    })
      .on('error', reject)
      .end();
  });

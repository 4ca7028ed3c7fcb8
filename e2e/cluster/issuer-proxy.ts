// Serves issuers' documents from a folder over TLS: node issuer-proxy.ts ADDRESS FOLDER CERTIFICATE KEY
// If an issuer has a file `upstream`, requests are forwarded to the URL in that file, as by an ingress.
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as send } from 'node:https';
import { join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';

const [address = '', folder = '', certificate = '', key = ''] = process.argv.slice(2);

async function handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'https://front');
  try {
    const document = await findDocument(pathname);
    response
      .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      .end(document);
  } catch {
    response.writeHead(404).end();
  }
  console.log(`${response.statusCode} ${pathname}`);
}

async function findDocument(pathname: string): Promise<string> {
  // `normalize` of an absolute path cannot leave its root.
  const [, issuer = '', ...rest] = normalize(pathname).split('/');
  const upstream = join(folder, issuer, 'upstream');
  return existsSync(upstream)
    ? fetchFrom(new URL(rest.join('/'), `${readFileSync(upstream, 'utf8').trim()}/`))
    : readFile(join(folder, issuer, ...rest), 'utf8');
}

/** The upstream's certificate is of the authority's own CA, which only sidecars trust. */
function fetchFrom(url: URL): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  send(url, { rejectUnauthorized: false, timeout: 5_000 }, (response) => {
    if (response.statusCode === 200) resolve(text(response));
    else reject(new Error(`${url.href}: ${response.statusCode}`));
  })
    .on('error', reject)
    .end();
  return promise;
}

const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
const server = createServer(tls, (request, response) => void handleRequest(request, response));
server.listen(443, address, () => {
  console.log(`serving ${folder} at https://${address}`);
});
process.on('SIGTERM', () => {
  process.exit(0);
});

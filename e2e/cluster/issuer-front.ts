// Serves issuers' documents from a folder over TLS: node issuer-front.ts ADDRESS FOLDER CERTIFICATE KEY
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join, normalize } from 'node:path';

const [address = '', folder = '', certificate = '', key = ''] = process.argv.slice(2);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'https://front');
  try {
    // `normalize` of an absolute path cannot climb above its root.
    const document = await readFile(join(folder, normalize(pathname)));
    response
      .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      .end(document);
  } catch {
    response.writeHead(404).end();
  }
  console.log(`${response.statusCode} ${pathname}`);
}

const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
const server = createServer(tls, (request, response) => void answer(request, response));
server.listen(443, address, () => {
  console.log(`serving ${folder} at https://${address}`);
});
process.on('SIGTERM', () => {
  process.exit(0);
});

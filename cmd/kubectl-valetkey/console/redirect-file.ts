import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { html } from './html.ts';

export type RedirectFile = { readonly path: string; readonly remove: () => void };

/**
 * Writes a page that leads to `url`, in a folder and with a mode that other users cannot read. The program that
 * opens it gets its path: the key in `url` is in no list of processes.
 */
export const writeRedirectFile = (url: string): RedirectFile => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-console-'));
  const path = join(folder, 'open.html');
  const { markup } = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta http-equiv="refresh" content="0;url=${url}" />
      <title>Valetkey console</title>
    </head>
    <body>
      <p><a href="${url}">Open the console</a></p>
    </body>
  </html>`;
  writeFileSync(path, `<!doctype html>\n${markup}\n`, { mode: 0o600, flag: 'wx' });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

import { spawn } from 'node:child_process';

import { EXIT, ToolError } from './tool-error.ts';

/** What opens a file in the browser that the user prefers. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly [program: string, ...string[]]>>> =
  {
    darwin: ['open'],
    win32: ['rundll32', 'url.dll,FileProtocolHandler'],
  };
const DEFAULT_OPENER = ['xdg-open'] as const;

/**
 * Opens a local file in the user's browser. The program that does it may go on running.
 *
 * @throws ToolError if it cannot be started
 */
export const showInBrowser = (path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const [program, ...words] = OPENERS[process.platform] ?? DEFAULT_OPENER;
    const child = spawn(program, [...words, path], { stdio: 'ignore', detached: true });
    child.once('spawn', () => {
      child.unref();
      resolve();
    });
    child.once('error', () => {
      const expected = 'it to open the browser, got an error: open the printed address instead';
      reject(new ToolError(EXIT.problems, [`${program}: expected ${expected}`]));
    });
  });

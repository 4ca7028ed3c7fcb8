import type { Command } from 'commander';

import { createCatalogLoader } from '../../../lib/catalog/catalog.ts';
import {
  newCommand,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from '../command-line.ts';
import { renderResult } from '../command-result.ts';
import type { ClusterOptions } from '../cluster.ts';
import type { Io } from '../io.ts';
import { ToolError } from '../tool-error.ts';
import { createRecordsReader } from '../records/shown-records.ts';
import { writeRedirectFile } from './redirect-file.ts';
import { startConsoleServer } from './server.ts';
import { createSession } from './session.ts';

type Options = ClusterOptions & OutputOptions & { readonly open?: true; readonly readOnly?: true };

/** Without a request. */
const IDLE_MS = 30 * 60_000;
const MAX_MS = 8 * 3_600_000;

/** `console` */
export const createConsoleCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand('console', 'Serve a page about runs, approvals and policies on this computer', [
        ['kubectl valetkey console', 'Print the address, and serve until Ctrl-C'],
        ['kubectl valetkey console --open', 'Open it in the browser'],
        ['kubectl valetkey console --read-only', 'Without forms: no approval, no revocation'],
      ])
        .option('--open', 'Open the page in the browser')
        .option('--read-only', 'Offer no action that changes anything'),
    ),
  ).action((options: Options) => runConsole(options, shell));

const runConsole = async (options: Options, { io }: Shell): Promise<void> => {
  const cluster = io.createClusterClient(options);
  const user = await cluster.readOwnName();
  const monotonic = () => performance.now();
  const endsAt = io.now() + MAX_MS;
  const end = createEnd(io);
  const server = await startConsoleServer({
    context: {
      cluster,
      user,
      now: io.now,
      newId: io.newId,
      isReadOnly: options.readOnly ?? false,
      session: createSession(),
      readRecords: createRecordsReader(cluster, { now: io.now, monotonic }),
      loadCatalog: createCatalogLoader(),
    },
    endsAt,
    onRequest: end.postpone,
    onInternalError: (error) =>
      io.error(`console: internal error: ${error instanceof Error ? error.message : 'unknown'}\n`),
  });
  const redirect = options.open === true ? writeRedirectFile(server.url) : undefined;
  try {
    io.out(renderResult(buildStart(server.url, { user, endsAt }), options.output));
    if (redirect !== undefined) await showRedirect(redirect.path, io);
    io.error(`console: ${await end.reached}\n`);
  } finally {
    end.cancel();
    redirect?.remove();
    await server.close();
  }
};

/** Without a browser the printed address still works. */
const showRedirect = async (path: string, { showInBrowser, error }: Io): Promise<void> => {
  try {
    await showInBrowser(path);
  } catch (thrown) {
    if (!(thrown instanceof ToolError)) throw thrown;
    error(`${thrown.message}\n`);
  }
};

const buildStart = (
  url: string,
  { user, endsAt }: { readonly user: string; readonly endsAt: number },
) => ({
  isHealthy: true,
  lines: [
    url,
    `Acts as ${user}. Anyone with this address can do the same: do not share it. Ctrl-C ends it.`,
  ],
  json: { url, user, endsAt: new Date(endsAt).toISOString() },
});

/** The end of a session: the user, 30 minutes without a request, or 8 hours. */
const createEnd = ({ schedule, onInterrupt }: Io) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const startIdle = () => schedule(IDLE_MS, () => resolve('ended: no request for 30 minutes'));
  let cancelIdle = startIdle();
  const cancels = [
    schedule(MAX_MS, () => resolve('ended: 8 hours are over')),
    onInterrupt(() => resolve('ended')),
  ];
  return {
    reached: promise,
    postpone: (): void => {
      cancelIdle();
      cancelIdle = startIdle();
    },
    cancel: (): void => {
      cancelIdle();
      for (const cancel of cancels) cancel();
    },
  };
};

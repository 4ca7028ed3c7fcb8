import { Command } from 'commander';
import { join } from 'node:path';

import { OPENID_METADATA_PATH } from '../../lib/contract/authority-api.ts';
import { buildIssuerDocuments } from '../../lib/grant/issuer-documents.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { parsePublishedKeys, readJwks } from './jwks.ts';
import { requireAuthority, readClusterPlatform } from './platform-settings.ts';
import { createProblemError } from './tool-error.ts';

/** `issuer export DIR` */
export const createIssuerCommand = (shell: Shell): Command =>
  new Command('issuer')
    .summary('Export the documents with which clouds verify grants')
    .description('Export the documents with which clouds verify grants.')
    .addCommand(
      withCluster(
        withOutput(
          newCommand('export', "Write the issuer's two documents as the authority serves them", [
            [
              'kubectl valetkey issuer export public/',
              'Write them to public/, then upload them to the issuer URL',
            ],
          ]).argument('<dir>', 'Output folder, created if missing'),
        ),
      ).action((folder: string, options: ClusterOptions & OutputOptions) =>
        exportIssuer(folder, options, shell),
      ),
    );

const exportIssuer = async (
  folder: string,
  options: ClusterOptions & OutputOptions,
  shell: Shell,
): Promise<void> => {
  const { io } = shell;
  const cluster = io.createClusterClient(options);
  const authority = requireAuthority(await readClusterPlatform(cluster));
  const jwks = await readJwks(cluster);
  const keys = parsePublishedKeys(jwks);
  checkIssuer(await cluster.readDocument(OPENID_METADATA_PATH), authority.issuer);
  const documents = buildIssuerDocuments(authority, jwks).map(({ path, body }) => ({
    file: join(folder, path),
    url: `${authority.issuer}/${path}`,
    body,
  }));
  for (const { file, body } of documents) await io.writeFile(file, body);
  const lines = [
    ...documents.map(({ file, url }) => `upload ${file} to ${url}`),
    `keys: ${keys.length}; export again before the next key signs; serve both files as application/json`,
  ];
  const json = {
    issuer: authority.issuer,
    files: documents.map(({ file, url }) => ({ file, url })),
  };
  printResult(shell, { isHealthy: true, lines, json }, options.output);
};

/** Rejects another issuer: during an unfinished rollout the documents would not match the grants. */
const checkIssuer = (document: unknown, expected: string): void => {
  const { issuer } = (document ?? {}) as { readonly issuer?: unknown };
  if (issuer === expected) return;
  const path = `${OPENID_METADATA_PATH} issuer`;
  throw createProblemError([
    { path, expected: `${expected} from the platform settings`, got: formatValue(issuer) },
  ]);
};

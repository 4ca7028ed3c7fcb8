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
    .summary("the documents by which clouds verify the authority's grants")
    .description("The documents by which clouds verify the authority's grants.")
    .addCommand(
      withCluster(
        withOutput(
          newCommand('export', "write the issuer's two documents, as the authority serves them", [
            ['kubectl valetkey issuer export public/', 'then put them where the issuer URL points'],
          ]).argument('<dir>', 'folder, made where it is missing'),
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
    ...documents.map(({ file, url }) => `${file} belongs at ${url}`),
    `with ${keys.length} keys; export again before the next one signs, and serve both as application/json`,
  ];
  const json = {
    issuer: authority.issuer,
    files: documents.map(({ file, url }) => ({ file, url })),
  };
  printResult(shell, { isHealthy: true, lines, json }, options.output);
};

/** A rollout that is not done yet would let the documents contradict the grants. */
const checkIssuer = (document: unknown, expected: string): void => {
  const { issuer } = (document ?? {}) as { readonly issuer?: unknown };
  if (issuer === expected) return;
  const path = `${OPENID_METADATA_PATH} issuer`;
  throw createProblemError([
    { path, expected: `${expected}, as the platform says`, got: formatValue(issuer) },
  ]);
};

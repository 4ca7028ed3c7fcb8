import { Command } from 'commander';
import { join } from 'node:path';

import { OPENID_METADATA_PATH } from '../../lib/contract/authority.ts';
import { issuerDocuments } from '../../lib/grant/documents.ts';
import { show } from '../../lib/reading/fault.ts';
import {
  newCommand,
  tell,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { publishedKeys, readJwks } from './jwks.ts';
import { authorityOf, platformOf } from './platform.ts';
import { foundWrong } from './tool-error.ts';

/** `issuer export DIR` */
export const issuerCommand = (shell: Shell): Command =>
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
  const { edges } = shell;
  const cluster = edges.openCluster(options);
  const authority = authorityOf(await platformOf(cluster));
  const jwks = await readJwks(cluster);
  const keys = publishedKeys(jwks);
  expectIssuer(await cluster.readDocument(OPENID_METADATA_PATH), authority.issuer);
  const documents = issuerDocuments(authority, jwks).map(({ path, body }) => ({
    file: join(folder, path),
    url: `${authority.issuer}/${path}`,
    body,
  }));
  for (const { file, body } of documents) await edges.writeFile(file, body);
  const lines = [
    ...documents.map(({ file, url }) => `${file} belongs at ${url}`),
    `with ${keys.length} keys; export again before the next one signs, and serve both as application/json`,
  ];
  const json = {
    issuer: authority.issuer,
    files: documents.map(({ file, url }) => ({ file, url })),
  };
  tell(shell, { isWell: true, lines, json }, options.output);
};

/** A rollout that is not done yet would let the documents contradict the grants. */
const expectIssuer = (document: unknown, expected: string): void => {
  const { issuer } = (document ?? {}) as { readonly issuer?: unknown };
  if (issuer === expected) return;
  const path = `${OPENID_METADATA_PATH} issuer`;
  throw foundWrong([{ path, expected: `${expected}, as the platform says`, got: show(issuer) }]);
};

import type { Command } from 'commander';
import { parse } from 'yaml';

import { formatAuditFault, formatUnverified } from '../../lib/audit/audit-findings.ts';
import { PUBLIC_KEYS_NAME, readHead, type Head } from '../../lib/audit/heads.ts';
import { readPublicKeys, type PublicKeys } from '../../lib/audit/sealing-keys.ts';
import { verifyChain, type AuditReport } from '../../lib/audit/verify.ts';
import { AUDIT_HEADS_CONFIG_MAP } from '../../lib/contract/authority-api.ts';
import type { CommandResult } from './command-result.ts';
import {
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { createFileReader, readText } from './files.ts';
import { renderTable } from './table.ts';
import { createProblemError, createUsageError } from './tool-error.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly key?: string;
    /** `false`: verify without heads. */
    readonly heads?: string | false;
    readonly partial?: true;
    readonly log?: true;
  };

/** `audit verify FILE…` */
export const createAuditVerifyCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand(
        'verify',
        'Verify audit files: gaps, truncation, modified records, invalid signatures',
        [
          [
            'kubectl valetkey audit verify audit-*.jsonl',
            'With the key and the heads in the cluster',
          ],
          [
            'kubectl valetkey audit verify --key public-keys.pem --heads heads.yaml audit-*.jsonl',
            'Offline',
          ],
          [
            'kubectl logs -n valetkey valetkey-authority-0 | kubectl valetkey audit verify --log --partial -',
            'From the log of a replica',
          ],
        ],
      )
        .argument('<files...>', 'Audit files of any replicas; - reads standard input')
        .option(
          '--key <file>',
          'Public keys that verify seals, PEM (default: read from the cluster)',
        )
        .option(
          '--heads <file>',
          `ConfigMap ${AUDIT_HEADS_CONFIG_MAP} as YAML or JSON (default: read from the cluster)`,
        )
        .option('--no-heads', 'Verify without published heads; truncation is not detected')
        .option('--partial', 'Accept input without the oldest files')
        .option('--log', 'Ignore non-record lines'),
    ),
  ).action((files: readonly string[], options: Options) => verifyFiles(files, options, shell));

const verifyFiles = async (
  files: readonly string[],
  options: Options,
  shell: Shell,
): Promise<void> => {
  const published = await readPublished(options, shell);
  const publicKeys = readKeys(await readKeyText(options, published, shell));
  const heads = readHeads(published, options);
  const report = await verifyChain(
    files.map((path) => createFileReader(shell.io, path)),
    {
      publicKeys,
      heads,
      isMissingStartAllowed: options.partial ?? false,
      ignoresForeignLines: options.log ?? false,
    },
  );
  printResult(shell, buildVerifyResult(report, Object.keys(heads).length), options.output);
};

type Published = Readonly<Record<string, string>>;

/** Data of the ConfigMap of heads. The cluster is not needed with `--key` and `--no-heads`. */
const readPublished = async (options: Options, { io }: Shell): Promise<Published> => {
  const { heads, key } = options;
  if (typeof heads === 'string') return parseConfigMap(await readText(io, heads), heads);
  if (heads === false && key !== undefined) return {};
  const cluster = io.createClusterClient(options);
  const data = await cluster.readConfigMap(AUDIT_HEADS_CONFIG_MAP);
  if (data !== undefined) return data;
  const path = `ConfigMap ${cluster.installedIn}/${AUDIT_HEADS_CONFIG_MAP}`;
  throw createProblemError([
    { path, expected: 'published heads and public keys', got: 'no such ConfigMap' },
  ]);
};

/** A ConfigMap as `kubectl get -o yaml` or `-o json` prints it. */
const parseConfigMap = (text: string, file: string): Published => {
  const { data } = (parseYaml(text) ?? {}) as { readonly data?: Published };
  if (data !== undefined) return data;
  const expected = `ConfigMap ${AUDIT_HEADS_CONFIG_MAP}, as YAML or JSON`;
  throw createUsageError([{ path: file, expected, got: 'something else' }]);
};

const parseYaml = (text: string): unknown => {
  try {
    return parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const readKeyText = async (
  { key, heads }: Options,
  published: Published,
  { io }: Shell,
): Promise<string> => {
  if (key !== undefined) return readText(io, key);
  const found = published[PUBLIC_KEYS_NAME];
  if (found !== undefined) return found;
  const path = typeof heads === 'string' ? heads : AUDIT_HEADS_CONFIG_MAP;
  throw createProblemError([{ path, expected: `${PUBLIC_KEYS_NAME}, or --key`, got: 'nothing' }]);
};

const readKeys = (pem: string): PublicKeys => {
  try {
    return readPublicKeys(pem);
  } catch {
    const expected = 'Ed25519 public keys in PEM';
    throw createUsageError([{ path: '--key', expected, got: 'something else' }]);
  }
};

const readHeads = (published: Published, { heads }: Options): Readonly<Record<string, Head>> => {
  if (heads === false) return {};
  const entries = Object.entries(published).filter(([name]) => name !== PUBLIC_KEYS_NAME);
  const results = entries.map(([replica, text]) => [replica, readHead(text, replica)] as const);
  const faults = results.flatMap(([, head]) => (head.ok ? [] : head.faults));
  if (faults.length > 0) throw createProblemError(faults);
  return Object.fromEntries(
    results.flatMap(([replica, head]) => (head.ok ? [[replica, head.value] as const] : [])),
  );
};

/** @param heads number of published heads that the chains were compared with */
const buildVerifyResult = (report: AuditReport, heads: number): CommandResult => {
  const { isWhole, faults, faultCount, notes, unverified, chains } = report;
  const rows = chains.map(({ chain, records, first, last, sealedThrough }) => [
    chain,
    `${records}`,
    `${first}`,
    `${last}`,
    `${sealedThrough ?? 'none'}`,
  ]);
  const unlisted = faultCount - faults.length;
  return {
    isHealthy: isWhole,
    isDecided: unverified.length === 0,
    lines: [
      ...renderTable(['CHAIN', 'RECORDS', 'FIRST', 'LAST', 'SEALED THROUGH'], rows),
      ...faults.map(formatAuditFault),
      ...(unlisted > 0 ? [`and ${unlisted} more problems`] : []),
      ...unverified.map(formatUnverified),
      ...notes.map(({ file, line, code, text }) => `${file}:${line}: note: ${code}: ${text}`),
      ...(heads === 0 ? ['No published heads: truncation is not detected.'] : []),
      isWhole ? formatWhole(unverified.length) : `${formatCount(faultCount, 'problem')} found.`,
    ],
    json: { ...report, heads },
  };
};

const formatWhole = (unverified: number): string =>
  unverified === 0
    ? 'No problems found.'
    : `No problems found; ${formatCount(unverified, 'range')} cannot be verified.`;

const formatCount = (count: number, noun: string): string =>
  `${count} ${count === 1 ? noun : `${noun}s`}`;

import type { Command } from 'commander';
import { parse } from 'yaml';

import {
  readRecordedHead,
  verifyCalls,
  type RecordedHead,
} from '../../lib/audit/call-verification.ts';
import { verifyChain } from '../../lib/audit/verify.ts';
import { AUDIT_HEADS_CONFIG_MAP } from '../../lib/contract/authority-api.ts';
import {
  buildVerifyResult,
  toCallsResult,
  toRecordsResult,
  type PartialResult,
} from './audit-verify-view.ts';
import {
  collectValues,
  newCommand,
  printResult,
  withCluster,
  withOutput,
  type OutputOptions,
  type Shell,
} from './command-line.ts';
import type { ClusterOptions } from './cluster.ts';
import { createFileReader, readText } from './files.ts';
import { withProgress } from './progress.ts';
import {
  getPublishedKeys,
  parseHeads,
  parseKeys,
  readClusterHeads,
  type Published,
} from './published-heads.ts';
import { createUsageError } from './tool-error.ts';

type Options = ClusterOptions &
  OutputOptions & {
    readonly key?: string;
    /** `false`: verify without heads. */
    readonly heads?: string | false;
    readonly partial?: true;
    readonly log?: true;
    readonly calls?: readonly string[];
  };

/** `audit verify FILE…` */
export const createAuditVerifyCommand = (shell: Shell): Command =>
  withCluster(
    withOutput(
      newCommand(
        'verify',
        'Verify audit files, and journals of calls against them: gaps, truncation, changed lines, invalid signatures',
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
          [
            'kubectl valetkey audit verify audit-*.jsonl --calls agent-7.log',
            "With the journal of a pod's calls, from `kubectl logs agent-7 -c valetkey-sidecar`",
          ],
        ],
      )
        .argument('[files...]', 'Audit files of any replicas; - reads standard input')
        .option(
          '--key <file>',
          'Public keys that verify seals, PEM (default: read from the cluster)',
        )
        .option(
          '--heads <file>',
          `ConfigMap ${AUDIT_HEADS_CONFIG_MAP} as YAML or JSON (default: read from the cluster)`,
        )
        .option('--no-heads', 'Verify without published heads; truncation is not detected')
        .option(
          '--calls <file>',
          'Log of a sidecar with its journal of calls; repeatable; without audit files, only its chains are verified',
          collectValues,
        )
        .option(
          '--partial',
          'Accept input without the oldest files, or without the logs of some runs',
        )
        .option('--log', 'Ignore non-record lines'),
    ),
  ).action((files: readonly string[], options: Options) => verifyFiles(files, options, shell));

const verifyFiles = async (
  files: readonly string[],
  options: Options,
  shell: Shell,
): Promise<void> => {
  const { calls: callLogs = [], partial = false, output } = options;
  if (files.length + callLogs.length === 0) {
    throw createUsageError([{ path: 'files', expected: 'audit files, or --calls', got: 'none' }]);
  }
  const recorded: RecordedHead[] = [];
  const verify = async (): Promise<readonly PartialResult[]> => {
    const records =
      files.length === 0 ? [] : [await verifyRecords(files, { options, shell, recorded })];
    const logs = callLogs.map((path) => createFileReader(shell.io, path));
    const calls =
      logs.length === 0
        ? []
        : [await verifyCalls(logs, { heads: recorded, isMissingStartAllowed: partial })];
    return [...records, ...calls.map(toCallsResult)];
  };
  const results = await withProgress('verifying audit files', verify, shell.io);
  printResult(shell, buildVerifyResult(results), output);
};

/** @param deps.recorded receives the heads of journals that the records state */
const verifyRecords = async (
  files: readonly string[],
  deps: {
    readonly options: Options;
    readonly shell: Shell;
    readonly recorded: RecordedHead[];
  },
): Promise<PartialResult> => {
  const { options, shell, recorded } = deps;
  const published = await readPublished(options, shell);
  const publicKeys = parseKeys(await readKeyText(options, published, shell), '--key');
  const heads = options.heads === false ? {} : parseHeads(published);
  const report = await verifyChain(
    files.map((path) => createFileReader(shell.io, path)),
    {
      publicKeys,
      heads,
      isMissingStartAllowed: options.partial ?? false,
      ignoresForeignLines: options.log ?? false,
      onRecord: (record, place) => recorded.push(...listRecordedHeads(record, place)),
    },
  );
  return toRecordsResult(report, Object.keys(heads).length);
};

const listRecordedHeads = (
  ...given: Parameters<typeof readRecordedHead>
): readonly RecordedHead[] => {
  const head = readRecordedHead(...given);
  return head === undefined ? [] : [head];
};

/** Data of the ConfigMap of heads. The cluster is not needed with `--key` and `--no-heads`. */
const readPublished = async (options: Options, { io }: Shell): Promise<Published> => {
  const { heads, key } = options;
  if (typeof heads === 'string') return parseConfigMap(await readText(io, heads), heads);
  if (heads === false && key !== undefined) return {};
  return readClusterHeads(io.createClusterClient(options));
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
): Promise<string> =>
  key === undefined
    ? getPublishedKeys(published, typeof heads === 'string' ? heads : AUDIT_HEADS_CONFIG_MAP)
    : readText(io, key);

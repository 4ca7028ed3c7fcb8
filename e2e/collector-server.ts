import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

import { readOtlpSpans, type OtlpSpan } from '../test/kit/otlp-spans.ts';
import type { Cluster } from './cluster/cluster-file.ts';
import { sendInsideNamespace } from './cluster/namespace-request.ts';
import { startProgram, stopProgram, waitForProgram } from './cluster/processes.ts';
import { getProgramPath } from './cluster/programs.ts';

/** The port of OTLP over HTTP. */
const PORT = 4318;

export type Collector = {
  /** As the chart's value `tracing.endpoint`; pods reach it. */
  readonly endpoint: string;
  /** Everything that it received since its first start, as it wrote it. */
  readonly readText: () => string;
  readonly readSpans: () => readonly OtlpSpan[];
  readonly stop: () => Promise<void>;
};

/** The configuration of a collector, whose only exporter writes a file. */
const buildConfiguration = (listen: string, path: string) => ({
  receivers: { otlp: { protocols: { http: { endpoint: listen } } } },
  processors: { batch: { timeout: '200ms' } },
  exporters: { file: { path } },
  service: {
    telemetry: { logs: { level: 'warn' }, metrics: { level: 'none' } },
    pipelines: { traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['file'] } },
  },
});

/**
 * Starts a collector on the node, which pods reach. It appends to what it received before a stop; a new test begins
 * with {@link removeReceivedSpans}.
 */
export const startCollector = async (node: Cluster): Promise<Collector> => {
  const folder = getFolder(node);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'spans.jsonl');
  const configuration = join(folder, 'collector.yaml');
  const listen = `${node.nodeAddress}:${PORT}`;
  writeFileSync(configuration, stringify(buildConfiguration(listen, file)));
  const { folder: clusterFolder, namespace } = node;
  const program = startProgram({
    ...{ folder: clusterFolder, namespace, name: 'collector' },
    ...{ command: getProgramPath('collector'), args: ['--config', configuration] },
  });
  const endpoint = `http://${listen}`;
  await waitForProgram(program, () => isAccepting(node, endpoint));
  const readText = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  return {
    endpoint,
    readText,
    // The last line may be incomplete while it is written.
    readSpans: () => readText().split('\n').slice(0, -1).flatMap(readOtlpSpans),
    stop: () => stopProgram(clusterFolder, program),
  };
};

/** Removes what an earlier collector of this cluster wrote. */
export const removeReceivedSpans = (node: Cluster): void =>
  rmSync(getFolder(node), { recursive: true, force: true });

const getFolder = ({ folder }: Cluster): string => join(folder, 'collector');

const isAccepting = async ({ namespace }: Cluster, endpoint: string): Promise<boolean> => {
  const { status } = await sendInsideNamespace(namespace, {
    method: 'POST',
    url: `${endpoint}/v1/traces`,
    headers: { 'content-type': 'application/json' },
    body: '{"resourceSpans":[]}',
  });
  return status === 200;
};

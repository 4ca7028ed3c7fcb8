import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { getProgramPath } from '../../e2e/cluster/programs.ts';

export const CHART = join(import.meta.dirname, '../../charts/valetkey');
/** The version that is tested; without it Helm renders for the oldest it knows. */
export const KUBE_VERSION = '1.35.0';
export const NAMESPACE = 'valetkey';

/** Helm's output, or its error. */
export type HelmResult = { readonly ok: boolean; readonly text: string };
export type RunHelm = (args: readonly string[], values: object) => HelmResult;

/**
 * Finds Helm 3 on PATH, or in the cache of `make e2e`.
 *
 * @throws Error if neither exists
 */
export const findHelm = (): string => {
  const found = ['helm', getProgramPath('helm')].find(isHelm);
  if (found !== undefined) return found;
  throw new Error(
    'helm: expected Helm 3 on PATH, got none; install it, or run `node e2e/cluster/main.ts build`, which builds one with Go',
  );
};

const isHelm = (program: string): boolean =>
  spawnSync(program, ['version', '--short'], { encoding: 'utf8' }).status === 0;

/** Runs Helm with values on standard input (`-f -`), and caches the result. */
export const createHelm = (program: string): RunHelm => {
  const known = new Map<string, HelmResult>();
  return (args, values) => {
    const input = JSON.stringify(values);
    const key = `${args.join(' ')} ${input}`;
    const result = known.get(key) ?? runHelm(program, [...args, '-f', '-'], input);
    known.set(key, result);
    return result;
  };
};

const runHelm = (program: string, args: readonly string[], input: string): HelmResult => {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8' });
  return status === 0 ? { ok: true, text: stdout } : { ok: false, text: `${stderr}${stdout}` };
};

/** The account of every rendering that sets none: with dialect aws the chart requires one. */
export const SAMPLE_ACCOUNT = '111122223333';

/** The issuer of every rendering that sets none: with dialect aws the chart requires one. */
const SAMPLE_ISSUER = 'https://issuer.example/valetkey';

/** Adds the required values, unless the values contain them. */
export const withRequired = (values: object): object => {
  const { cloud, tasks, authority } = values as {
    readonly cloud?: { readonly dialect?: string };
    readonly tasks?: object;
    readonly authority?: object;
  };
  return {
    ...values,
    tasks: { accountIds: cloud?.dialect === 's3' ? [] : [SAMPLE_ACCOUNT], ...tasks },
    authority: { issuer: SAMPLE_ISSUER, ...authority },
  };
};

export const renderChart = (helm: RunHelm, values: object, namespace = NAMESPACE): HelmResult =>
  helm(
    [
      'template',
      'valetkey',
      CHART,
      '-n',
      namespace,
      '--include-crds',
      '--kube-version',
      KUBE_VERSION,
    ],
    withRequired(values),
  );

export const lintChart = (helm: RunHelm, values: object): HelmResult =>
  helm(['lint', CHART, '--strict', '--kube-version', KUBE_VERSION], withRequired(values));

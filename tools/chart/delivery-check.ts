import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { getJson, runKubectl } from '../../e2e/cluster/kubectl.ts';
import { runInside } from '../../e2e/cluster/network-namespace.ts';
import { readObjects, type KubernetesObject } from '../../test/kit/kubernetes-objects.ts';
import { KUBE_VERSION, NAMESPACE, withRequired, type RunHelm } from './helm.ts';
import { readRenderedPlatform } from './rendered-platform.ts';
import { copyChart, type Target } from './upgrade-check.ts';

const TEMPLATES = ['_helpers.tpl', '_checks.tpl', 'platform.yaml'];
const CONFIG_MAP = 'valetkey-platform';
/** Other checks in the same namespace have releases of their own. */
const RELEASE = 'delivery';

/** Other than those of an upgrade, whatever the chart's are today. */
const NEW_INSTALLATION = { delivery: 'sign', vend: 'exception' };
const NEW = 'sign, exception';
const OLDER = 'vend, free';

/** Copies the chart with the ConfigMap of the platform's settings only, and new installations that sign. */
const copySigningChart = (): string => {
  const chart = copyChart(TEMPLATES);
  const file = join(chart, 'contract.json');
  const contract = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...contract, newInstallation: NEW_INSTALLATION }));
  return chart;
};

const buildValues = (delivery: string, vend: string): object => ({
  tasks: { delivery },
  policy: { vend },
});

type DeliveryCase = {
  readonly name: string;
  readonly args?: readonly string[];
  readonly values?: object;
  /** `delivery, vend` */
  readonly expected: string;
};

const RENDERINGS: readonly DeliveryCase[] = [
  { name: 'a new installation', expected: NEW },
  { name: 'an upgrade that cannot read the cluster', args: ['--is-upgrade'], expected: OLDER },
  {
    name: 'a new installation with both values',
    values: buildValues('vend', 'free'),
    expected: OLDER,
  },
  {
    name: 'an upgrade with both values',
    args: ['--is-upgrade'],
    values: buildValues('sign', 'exception'),
    expected: NEW,
  },
  {
    name: 'a new installation with trust: cluster',
    values: { trust: 'cluster' },
    expected: 'sign, free',
  },
];

/** Renders the defaults of delivery without a cluster, and returns those that differ from what is expected. */
export const findRenderedDeliveryFaults = (helm: RunHelm): readonly string[] => {
  const chart = copySigningChart();
  try {
    return RENDERINGS.flatMap(({ name, args = [], values = {}, expected }) => {
      const { text } = helm(
        ['template', RELEASE, chart, '-n', NAMESPACE, '--kube-version', KUBE_VERSION, ...args],
        withRequired(values),
      );
      return compareDelivery(name, expected, readDelivery(readObjects(text)));
    });
  } finally {
    rmSync(chart, { recursive: true });
  }
};

const compareDelivery = (name: string, expected: string, got: string): readonly string[] =>
  got === expected ? [] : [`${name}: expected ${expected}, got ${got}`];

const readDelivery = (objects: readonly KubernetesObject[]): string => {
  const platform = readRenderedPlatform(objects);
  return typeof platform === 'string'
    ? platform
    : `${platform.tasks.delivery}, ${platform.policy.vend}`;
};

/** Installs and upgrades the ConfigMap of the platform's settings, and returns upgrades that changed delivery. */
export const findChangedDelivery = async (target: Target): Promise<readonly string[]> => {
  const chart = copySigningChart();
  const faults: string[] = [];
  const run = (command: string, values: object = {}): Promise<unknown> =>
    runInside(
      target.cluster.namespace,
      target.helm,
      [
        ...['--kubeconfig', target.cluster.kubeconfig, '--namespace', target.namespace],
        ...[command, RELEASE, chart, '-f', '-'],
      ],
      { input: JSON.stringify(withRequired(values)) },
    );
  const check = async (name: string, expected: string): Promise<void> => {
    faults.push(...compareDelivery(name, expected, readDelivery([await readLive(target)])));
  };
  try {
    await run('install');
    await check('a new installation', NEW);
    await run('upgrade');
    await check('its upgrade', NEW);
    await run('upgrade', buildValues('vend', 'free'));
    await check('an upgrade with both values', OLDER);
    await run('upgrade');
    await check('the next upgrade without them', OLDER);
    await run('upgrade', buildValues('sign', 'exception'));
    await replaceLive(target, (text) => text.replace(/^policy:\n.*\n|^ *delivery: .*\n/gm, ''));
    await run('upgrade');
    await check('an upgrade of an older chart', OLDER);
    await replaceLive(target, () => 'tasks: [');
    faults.push(...(await expectRefusal(run('upgrade'))));
    await runInside(target.cluster.namespace, target.helm, [
      ...['--kubeconfig', target.cluster.kubeconfig, '--namespace', target.namespace],
      ...['uninstall', RELEASE],
    ]);
    return faults;
  } finally {
    rmSync(chart, { recursive: true });
  }
};

const readLive = ({ cluster, namespace }: Target): Promise<KubernetesObject> =>
  getJson<KubernetesObject>(cluster, ['configmap', CONFIG_MAP, '-n', namespace]);

const replaceLive = async (target: Target, change: (text: string) => string): Promise<void> => {
  const { data } = await readLive(target);
  const text = (data as Readonly<Record<string, string>>)['platform.yaml'] ?? '';
  const patch = JSON.stringify({ data: { 'platform.yaml': change(text) } });
  const args = [
    'patch',
    'configmap',
    CONFIG_MAP,
    '-n',
    target.namespace,
    '--type=merge',
    '-p',
    patch,
  ];
  await runKubectl(target.cluster, args);
};

const expectRefusal = async (upgrade: Promise<unknown>): Promise<readonly string[]> => {
  const name = 'an upgrade of settings that are no YAML';
  const message = await upgrade.then(
    () => 'success',
    (error: unknown) => String(error),
  );
  return message.includes('Set both values')
    ? []
    : [`${name}: expected an error that says what to set, got ${message}`];
};

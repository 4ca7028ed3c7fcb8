import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readPlatform } from '../../lib/config/platform-parser.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { isInScope } from '../../lib/injection/webhook-scope.ts';
import { TEST_LABEL } from '../test-namespaces.ts';
import { listStaticViolations } from '../../test/kit/static-violations.ts';
import { STATIC_CASES } from '../../test/kit/static-cases.ts';
import type { StaticCase } from '../../test/kit/static-cases.ts';
import { buildEditorRoleBinding } from '../cluster/editor-role-binding.ts';
import { applyObjects, getJson, runKubectl } from '../cluster/kubectl.ts';
import { CommandError } from '../cluster/command.ts';
import {
  buildAgentContainer,
  buildAgentPod,
  cluster,
  createNamespace,
  readPod,
  readReports,
  runPod,
  testContext,
} from './test-context.ts';

/** Returns the message of a refusal; an empty string if the request was allowed. */
const findRefusingPolicies = async (
  args: string[],
  input?: string,
): Promise<string | undefined> => {
  try {
    await runKubectl(cluster, args, input === undefined ? {} : { input });
    return undefined;
  } catch (error) {
    if (error instanceof CommandError) return error.stderr;
    throw error;
  }
};

/** Lists what a refusal by an admission policy names, as `<rule> <path>`. */
const parseBreachPaths = (refusal: string): string[] =>
  [...refusal.matchAll(/(?<=; |request: )(\/[^ ]*): expected .*? \(rule (\d+)\)/g)]
    .map(([, path, rule]) => `${rule ?? ''} ${path ?? ''}`)
    .sort();

const { namespace: home } = testContext.release;

describe('the ValidatingAdmissionPolicies', () => {
  /** Clients of the API server for each namespace, as a user who may only edit there. */
  const author = 'policies-author';
  const asAuthor = ['--as', author, '--as-group', 'system:authenticated'];

  const namespaceNamed = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { [TEST_LABEL]: 'true' } },
  });

  /** The webhooks are not called in the first one; in the others they are called after the policies. */
  const PLACES = { restricted: home, baseline: 'e2e-baseline', excepted: 'e2e-exempted' };

  beforeAll(async () => {
    const [, ...others] = Object.values(PLACES);
    await applyObjects(cluster, others.map(namespaceNamed));
    await applyObjects(
      cluster,
      Object.values(PLACES).map((place) => buildEditorRoleBinding(place, author)),
    );
  });

  afterAll(async () => {
    await runKubectl(cluster, ['delete', 'rolebinding', author, '-n', home, '--ignore-not-found']);
  });

  it('compile against the types of the API server without a warning', async () => {
    type Policies = {
      items: {
        metadata: { name: string };
        spec: { validations: unknown[] };
        status?: { typeChecking?: { expressionWarnings?: unknown[] } };
      }[];
    };
    const { items } = await getJson<Policies>(cluster, ['validatingadmissionpolicies']);
    const ours = items.filter(({ metadata }) => metadata.name.startsWith('valetkey-'));
    expect(ours).toHaveLength(10);
    expect(ours.flatMap(({ status }) => status?.typeChecking?.expressionWarnings ?? [])).toEqual(
      [],
    );
  });

  let platform: Platform;
  beforeAll(async () => {
    const { data } = await getJson<{ data: Record<string, string> }>(cluster, [
      ...['configmap', 'valetkey-platform', '-n', home],
    ]);
    const read = readPlatform(data['platform.yaml'] ?? '');
    if (!read.ok) throw new Error(JSON.stringify(read.faults));
    platform = read.value;
  });

  describe('are evaluated for the pods that the webhook checks, and for no others', () => {
    const container = { name: 'agent', image: 'agent:1' };
    const native = { ...container, name: 'valetkey-sidecar', restartPolicy: 'Always' as const };
    const project = (audience: string): NonNullable<Pod['spec']> => ({
      volumes: [
        {
          name: 'own',
          projected: { sources: [{ serviceAccountToken: { audience, path: 'token' } }] },
        },
      ],
    });

    it.each<[string, Pod]>([
      ['without a reserved name', {}],
      [
        'with an annotation of another domain',
        { metadata: { annotations: { 'valetkey.dev/x': '' } } },
      ],
      [
        'with an annotation of a task',
        { metadata: { annotations: { 'task.valetkey.dev/x': '' } } },
      ],
      ['with a container that has the name of the sidecar', { spec: { containers: [native] } }],
      ['with an init container that has it', { spec: { initContainers: [native] } }],
      ['with a volume that has a reserved name', { spec: { volumes: [{ name: 'valetkey-x' }] } }],
      [
        'with a projected volume without sources',
        { spec: { volumes: [{ name: 'a', projected: {} }] } },
      ],
      ['with a token for another audience', { spec: project('vault.example') }],
      ['with a token for the authority', { spec: project('authority.valetkey.dev') }],
    ])('a pod %s', async (_, { metadata = {}, spec }) => {
      const containers = (spec?.containers ?? [container]).map(({ name, image = '' }) => ({
        name,
        image,
      }));
      // Violates rule 3, so that a policy that is evaluated denies it.
      const pod = { metadata, spec: { ...spec, containers, shareProcessNamespace: true } };
      const refusal = await findRefusingPolicies(
        ['create', '--dry-run=server', '-f', '-'],
        JSON.stringify({
          ...{ apiVersion: 'v1', kind: 'Pod' },
          ...pod,
          metadata: { ...metadata, name: 'in-scope', namespace: home },
        }),
      );
      const isEvaluated = (refusal ?? '').includes('/spec/shareProcessNamespace: expected');
      expect(isEvaluated).toBe(isInScope({ pod, oldPod: undefined }, platform));
      if (!isEvaluated) expect(refusal).toBeUndefined();
    });
  });

  describe('refuse the same new pods as the rules in TypeScript, and name the same paths', () => {
    type Place = keyof typeof PLACES;
    const said = new Map<Place, Map<string, string>>();

    /** In every namespace, the pods whose result depends on the namespace. */
    const isAmong: Record<Place, (each: StaticCase) => boolean> = {
      restricted: ({ level }) => level !== 'baseline',
      baseline: ({ level, violations }) =>
        level === 'baseline' || violations.some((each) => each.startsWith('4 ')),
      excepted: ({ violations }) => violations.some((each) => each.startsWith('3 ')),
    };

    const casesFor = (place: Place) =>
      [...STATIC_CASES.entries()].filter(([, each]) => isAmong[place](each));

    const readName = (index: number) => `case-${index}`;

    /** The refusal of each refused pod, by the name of the pod. */
    const tryPods = async (place: Place, cases: readonly (readonly [number, StaticCase])[]) => {
      const items = cases.map(([index, { pod }]) => ({
        ...{ apiVersion: 'v1', kind: 'Pod' },
        ...pod,
        metadata: { ...pod.metadata, name: readName(index), namespace: PLACES[place] },
      }));
      const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
      const errors = await findRefusingPolicies(
        // A field that an older API server does not know would refuse the whole list.
        ['create', '--dry-run=server', '--validate=ignore', '-f', '-', ...asAuthor],
        list,
      );
      const lines = (errors ?? '').split(/\n(?=Error from server|The Pod )/);
      const named = lines.map((line) => [/"(case-\d+)"/.exec(line)?.[1] ?? '', line] as const);
      said.set(place, new Map(named));
    };

    beforeAll(async () => {
      const places = Object.keys(PLACES) as Place[];
      await Promise.all(places.map((place) => tryPods(place, casesFor(place))));
    });

    const agreed = (place: Place, index: number, pod: StaticCase['pod']) => {
      const refusal = said.get(place)?.get(readName(index)) ?? '';
      const expected = listStaticViolations(pod, { platform, namespace: PLACES[place] });
      const isPolicys = refusal.includes("ValidatingAdmissionPolicy 'valetkey-pods'");
      expect(isPolicys ? parseBreachPaths(refusal) : []).toEqual(expected);
      // The others break only rules 1 and 2, which the webhook checks.
      if (!isPolicys && refusal !== '') expect(refusal).toContain('validate.valetkey.dev');
    };

    const named = (place: Place) =>
      casesFor(place).map(([index, { name, pod }]) => [name, index, pod] as const);

    it.each(named('restricted'))('%s', (_, index, pod) => {
      agreed('restricted', index, pod);
    });

    it.each(named('baseline'))('%s, in a namespace at level baseline', (_, index, pod) => {
      agreed('baseline', index, pod);
    });

    it.each(named('excepted'))('%s, in a namespace exempted from rule 3', (_, index, pod) => {
      agreed('excepted', index, pod);
    });
  });

  describe('protect their parameters', () => {
    const name = 'valetkey-policy-parameters';
    const path = `/api/v1/namespaces/${home}/configmaps`;
    const dry = ['-n', home, '--dry-run=server'];
    const patch = (change: object, user: string[]) =>
      findRefusingPolicies([
        ...['patch', 'configmap', name, ...dry, '-p', JSON.stringify(change), ...user],
      ]);
    const widen = { data: { allowApiToken: 'true' } };

    it.each([
      ['a changed value', () => patch(widen, asAuthor)],
      ['a changed label', () => patch({ metadata: { labels: { x: 'y' } } }, asAuthor)],
      [
        'a deletion',
        () => findRefusingPolicies(['delete', 'configmap', name, ...dry, ...asAuthor]),
      ],
      [
        'a deletion of every object of a label',
        () =>
          findRefusingPolicies([
            ...[
              'delete',
              '--raw',
              `${path}?dryRun=All&labelSelector=app.kubernetes.io/name=valetkey`,
            ],
            ...asAuthor,
          ]),
      ],
    ])('from an editor of their namespace: %s', async (_, request) => {
      expect(await request()).toContain(
        `${name}: expected a user who may update ValidatingAdmissionPolicy valetkey-parameters, got ${author}`,
      );
    });

    it('from the deletion of their namespace, as long as the policies exist', async () => {
      const controller = ['--as', 'system:serviceaccount:kube-system:namespace-controller'];
      const request = ['delete', 'configmap', name, ...dry, ...controller];
      expect(await findRefusingPolicies(request)).toContain('valetkey-parameters');
    });

    it('but not from a user who may update the policies', async () => {
      expect(await patch(widen, [])).toBeUndefined();
    });

    it('and leave other ConfigMaps of the namespace to its editors', async () => {
      const request = ['create', 'configmap', 'other', ...dry, ...asAuthor];
      expect(await findRefusingPolicies(request)).toBeUndefined();
    });
  });

  describe('let the webhook change caBundle in its configurations and nothing else', () => {
    const webhook = ['--as', `system:serviceaccount:${home}:valetkey-webhook`];
    const first = '/webhooks/0';
    const replace = (path: string, value: unknown) => ({ op: 'replace', path, value });
    const add = (path: string, value: unknown) => ({ op: 'add', path, value });

    const change = (kind: string, operations: readonly object[], user: string[]) =>
      findRefusingPolicies([
        ...['patch', `${kind}webhookconfiguration`, 'valetkey', '--dry-run=server'],
        ...['--type=json', '-p', JSON.stringify(operations), ...user],
      ]);

    const readBundle = async () => {
      type Configuration = { webhooks: { clientConfig: { caBundle: string } }[] };
      const [{ clientConfig } = { clientConfig: { caBundle: '' } }] = (
        await getJson<Configuration>(cluster, ['validatingwebhookconfiguration', 'valetkey'])
      ).webhooks;
      return clientConfig.caBundle;
    };

    it.each(['mutating', 'validating'])('caBundle of the %s one', async (kind) => {
      const twice = Buffer.from(await readBundle(), 'base64')
        .toString()
        .repeat(2);
      const bundle = replace(
        `${first}/clientConfig/caBundle`,
        Buffer.from(twice).toString('base64'),
      );
      expect(await change(kind, [bundle], webhook)).toBeUndefined();
    });

    it.each([
      [`${first}/rules`, [replace(`${first}/rules`, [])]],
      [`${first}/failurePolicy`, [replace(`${first}/failurePolicy`, 'Ignore')]],
      [`${first}/timeoutSeconds`, [replace(`${first}/timeoutSeconds`, 1)]],
      [`${first}/namespaceSelector`, [replace(`${first}/namespaceSelector`, {})]],
      [
        `${first}/objectSelector`,
        [replace(`${first}/objectSelector`, { matchLabels: { a: 'b' } })],
      ],
      [`${first}/matchConditions`, [{ op: 'remove', path: `${first}/matchConditions` }]],
      [`${first}/name`, [replace(`${first}/name`, 'other.valetkey.dev')]],
      [
        `${first}/clientConfig/service`,
        [replace(`${first}/clientConfig/service/namespace`, 'other')],
      ],
      [
        `${first}/clientConfig/url`,
        [replace(`${first}/clientConfig`, { url: 'https://other.example/' })],
      ],
      ['/webhooks', [{ op: 'remove', path: first }]],
      ['/metadata/labels', [add('/metadata/labels/x', 'y')]],
      ['/metadata/annotations', [add('/metadata/annotations', { x: 'y' })]],
      ['/metadata/finalizers', [add('/metadata/finalizers', ['valetkey.dev/x'])]],
    ])('refuses a change of %s and names it', async (path, operations) => {
      for (const kind of ['mutating', 'validating']) {
        const refusal = await change(kind, operations, webhook);
        expect(refusal).toContain('valetkey-webhook-configurations');
        expect(refusal).toContain(path);
        expect(await change(kind, operations, [])).toBeUndefined();
      }
    });
  });

  describe('for a running pod', () => {
    const pod = 'held';
    let namespace: string;
    let url: string;

    beforeAll(async () => {
      namespace = await createNamespace('policies');
      url = `/api/v1/namespaces/${namespace}/pods/${pod}`;
      await runPod({ name: pod, namespace, tasks: { read: readReports } });
    });

    const exec = (container: string, ...more: string[]) =>
      findRefusingPolicies([
        'exec',
        '-n',
        namespace,
        pod,
        ...more,
        '-c',
        container,
        '--',
        '/bin/true',
      ]);

    it('refuse exec and attach into the sidecar, in every form of the request', async () => {
      const query = 'container=valetkey-sidecar&command=true&stdout=true';
      const refusals = await Promise.all([
        exec('valetkey-sidecar'),
        findRefusingPolicies(['attach', '-n', namespace, pod, '-c', 'valetkey-sidecar']),
        findRefusingPolicies(['get', '--raw', `${url}/exec?${query}`]),
        findRefusingPolicies(['get', '--raw', `${url}/attach?${query}`]),
        findRefusingPolicies(['create', '--raw', `${url}/exec?${query}`, '-f', '-'], '{}'),
        findRefusingPolicies(['create', '--raw', `${url}/attach?${query}`, '-f', '-'], '{}'),
      ]);
      for (const refusal of refusals) expect(refusal).toContain('(rule 11)');
    });

    it('allow exec and attach into the other containers, named or by default', async () => {
      expect(await exec('agent')).toBeUndefined();
      const unnamed = ['exec', '-n', namespace, pod, '--', '/bin/true'];
      expect(await findRefusingPolicies(unnamed)).toBeUndefined();
    });

    const patch = (subresource: string[], change: object) =>
      findRefusingPolicies([
        ...['patch', 'pod', pod, '-n', namespace, ...subresource, '--dry-run=server'],
        ...['-p', JSON.stringify(change)],
      ]);
    const patchStatus = (change: object) => patch(['--subresource=status'], change);

    it.each([
      [
        { metadata: { annotations: { 'task.valetkey.dev/more': '{}' } } },
        'task.valetkey.dev~1more',
      ],
      [
        { metadata: { annotations: { 'task.valetkey.dev/read': '{}' } } },
        'task.valetkey.dev~1read',
      ],
      [
        { metadata: { annotations: { 'task.valetkey.dev/read': null } } },
        'task.valetkey.dev~1read',
      ],
      [{ metadata: { labels: { 'valetkey.dev/injected': null } } }, 'valetkey.dev~1injected'],
      [{ metadata: { labels: { aadpodidbinding: 'agent' } } }, '/metadata/labels/aadpodidbinding'],
      [
        { metadata: { annotations: { 'iam.amazonaws.com/role': 'any' } } },
        '/metadata/annotations/iam.amazonaws.com~1role',
      ],
      [{ status: { podIP: '10.9.9.9', podIPs: null } }, '/status/podIP'],
    ])('refuse a status update that changes %j', async (change, path) => {
      const refusal = await patchStatus(change);
      expect(refusal).toContain('valetkey-pod-changes');
      expect(refusal).toContain(path);
    });

    it('allow updates of the rest of its status', async () => {
      const conditions = [{ type: 'example.com/ready', status: 'True' }];
      expect(await patchStatus({ status: { conditions } })).toBeUndefined();
      const annotations = { 'example.com/seen': 'yes' };
      expect(await patchStatus({ metadata: { annotations } })).toBeUndefined();
    });

    it('refuse to resize the sidecar, and allow it for other containers', async () => {
      const resize = (list: string, name: string) =>
        patch(['--subresource=resize'], {
          spec: { [list]: [{ name, resources: { requests: { cpu: '1m' } } }] },
        });
      expect(await resize('initContainers', 'valetkey-sidecar')).toContain('(rule 10)');
      expect((await resize('containers', 'agent')) ?? '').not.toContain('valetkey');
    });

    const join = async (container: object, groups: string[]) => {
      const current = await readPod<{ spec: object }>(namespace, pod);
      const ephemeralContainers = [{ ...buildAgentContainer('debug'), ...SECURE, ...container }];
      const changed = { ...current, spec: { ...current.spec, ephemeralContainers } };
      return findRefusingPolicies(
        [
          ...['replace', '--raw', `${url}/ephemeralcontainers?dryRun=All`, '-f', '-'],
          ...['--as', 'someone', ...groups.flatMap((group) => ['--as-group', group])],
        ],
        JSON.stringify(changed),
      );
    };
    const SECURE = {
      securityContext: {
        ...{ runAsNonRoot: true, runAsUser: 1000, allowPrivilegeEscalation: false },
        ...{ capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
      },
    };
    const breakers = ['system:masters', 'e2e-break-glass'];

    it('allow ephemeral containers only to the break-glass group, which must follow the other rules', async () => {
      expect(await join({}, ['system:masters'])).toContain('(rule 9)');
      expect(await join({}, breakers)).toBeUndefined();
      const target = { targetContainerName: 'valetkey-sidecar' };
      expect(await join(target, breakers)).toContain('/targetContainerName');
      const volumeMounts = [{ name: 'valetkey-token', mountPath: '/tokens' }];
      expect(await join({ volumeMounts }, breakers)).toContain('(rule 6)');
      expect(await join({ securityContext: { privileged: true } }, breakers)).toContain('(rule 4)');
    });

    const bind = (path: string, name: string, metadata: object) => {
      const node = 'nowhere';
      const binding = { apiVersion: 'v1', kind: 'Binding', target: { kind: 'Node', name: node } };
      const body = JSON.stringify({ ...binding, metadata: { name, namespace, ...metadata } });
      return findRefusingPolicies(['create', '--raw', `${path}?dryRun=All`, '-f', '-'], body);
    };

    it('refuse a binding that declares a task, through both subresources', async () => {
      const waiting = buildAgentPod({
        name: 'waiting',
        namespace,
        spec: { schedulerName: 'no-scheduler' },
      });
      await applyObjects(cluster, waiting);
      for (const path of ['pods/waiting/binding', 'bindings']) {
        const at = `/api/v1/namespaces/${namespace}/${path}`;
        const annotations = { 'task.valetkey.dev/more': '{}' };
        expect(await bind(at, 'waiting', { annotations })).toContain('(rule 8)');
        const labels = { 'valetkey.dev/injected': 'true' };
        expect(await bind(at, 'waiting', { labels })).toContain('(rule 8)');
        expect(await bind(at, 'waiting', {})).toBeUndefined();
      }
    });

    const askToken = (audience: string, ...more: string[]) =>
      findRefusingPolicies([
        'create',
        'token',
        'agent',
        '-n',
        namespace,
        '--audience',
        audience,
        ...more,
      ]);

    it('refuse a TokenRequest for the exchange audience, except from kubelets', async () => {
      const ours = 'authority.valetkey.dev';
      const bound = ['--bound-object-kind', 'Pod', '--bound-object-name', pod];
      expect(await askToken(ours)).toContain('(rule 12)');
      expect(await askToken(ours, ...bound)).toContain('(rule 12)');
      const pretending = ['--as', 'system:node:x', '--as-group', 'system:masters'];
      expect(await askToken(ours, ...bound, ...pretending)).toContain('(rule 12)');
      expect(await askToken('vault.example')).toBeUndefined();
    });
  });
});

import fc from 'fast-check';

const buildOptional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** A value as it was sent: JSON writes -0 as 0, and has no undefined. */
const buildSent = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  arbitrary.map((value) => JSON.parse(JSON.stringify(value)) as T);

export const anyJson: fc.Arbitrary<unknown> = buildSent(fc.jsonValue({ maxDepth: 3 }));

const API_TOKEN = {
  name: 'kube-api-access-abcde',
  mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
};

/** A container that keeps every rule or leaves it to be filled, with fields we know nothing of. */
const container = fc.record(
  {
    image: fc.constantFrom('a:1', 'b:2'),
    env: fc.uniqueArray(
      fc.record({ name: fc.constantFrom('LOG', 'AWS_REGION', 'PATH'), value: fc.string() }),
      { selector: ({ name }) => name },
    ),
    volumeMounts: fc.constantFrom(
      [],
      [{ name: 'scratch', mountPath: '/tmp' }],
      [{ name: 'scratch', mountPath: '/a b/~1', subPath: 'x' }, API_TOKEN],
    ),
    securityContext: fc.record(
      {
        allowPrivilegeEscalation: fc.constant(false),
        capabilities: fc.constantFrom({ drop: ['ALL'] }, {}),
        seccompProfile: fc.constant({ type: 'RuntimeDefault' }),
        seLinuxOptions: fc.constant({ level: 's0' }),
      },
      { requiredKeys: [] },
    ),
    resources: fc.constantFrom({}, { limits: { cpu: '1', memory: '1Gi' } }),
    workingDir: fc.string({ unit: 'binary' }),
    livenessProbe: fc.record({ tcpSocket: fc.constant({ port: 80 }), newField: anyJson }),
    newField: anyJson,
  },
  { requiredKeys: ['image'] },
);

const buildContainers = (prefix: string, min: number) =>
  fc
    .array(container, { minLength: min, maxLength: 3 })
    .map((list) => list.map((each, index) => ({ ...each, name: `${prefix}${index}` })));

const buildDeclaration = (containers: readonly string[] | undefined) =>
  JSON.stringify({
    role: 'arn:aws:iam::111122223333:role/agent-reports',
    allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
    lifetime: '5m',
    ...(containers && { containers }),
  });

/** A pod with one or two tasks that keeps every rule once it is injected. */
export const compliantPod: fc.Arbitrary<Json> = buildSent(
  fc
    .record({
      ordinary: buildContainers('c', 1),
      init: buildContainers('i', 0),
      native: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
      labels: buildOptional(
        fc.dictionary(fc.constantFrom('app', 'a/b~c', '__proto__'), fc.string()),
      ),
      foreign: fc.dictionary(fc.constantFrom('note', 'x.dev/y'), fc.string({ unit: 'binary' })),
      spec: fc.dictionary(fc.constantFrom('priorityClassName', 'tolerations', 'newField'), anyJson),
      automount: buildOptional(fc.boolean()),
      hasVolumes: fc.boolean(),
      second: buildOptional(fc.boolean()),
    })
    .map(({ ordinary, init, native, labels, foreign, spec, automount, hasVolumes, second }) => {
      const initContainers = init.map((each, index) => ({
        ...each,
        ...(native[index] === true && { restartPolicy: 'Always' }),
      }));
      const mounts = [...ordinary, ...init].flatMap(({ volumeMounts = [] }) => volumeMounts);
      const volumes = [
        { name: 'scratch', emptyDir: {} },
        { name: API_TOKEN.name, projected: { sources: [] } },
      ];
      const named = second === true ? [...init, ...ordinary].map(({ name }) => name) : ['c0'];
      return {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          annotations: {
            ...foreign,
            'task.valetkey.dev/a': buildDeclaration(undefined),
            ...(second !== undefined && { 'task.valetkey.dev/b': buildDeclaration(named) }),
          },
          ...(labels && { labels }),
        },
        spec: {
          ...spec,
          securityContext: { runAsNonRoot: true },
          containers: ordinary,
          ...(initContainers.length > 0 && { initContainers }),
          ...((hasVolumes || mounts.length > 0) && { volumes }),
          ...(automount !== undefined && { automountServiceAccountToken: automount }),
        },
      };
    }),
);

export type Json = Readonly<Record<string, unknown>>;

/** A place in a JSON value: names of members and places in lists. */
export type Path = readonly (string | number)[];

/** Every place in a value, itself included. */
export const listPaths = (value: unknown, at: Path = []): readonly Path[] => [
  at,
  ...listChildren(value).flatMap(([name, child]) => listPaths(child, [...at, name])),
];

const listChildren = (value: unknown): readonly (readonly [string | number, unknown])[] => {
  if (Array.isArray(value)) return value.map((item: unknown, index) => [index, item] as const);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
};

/** The value at a JSON path; undefined if there is none. */
export const getValueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (at, name) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, name)
        ? (at as Record<string | number, unknown>)[name]
        : undefined,
    value,
  );

/** One change of a JSON value. */
export type Change = {
  readonly kind: 'replace' | 'remove' | 'add';
  /** Chooses among the places. */
  readonly place: number;
  readonly value: unknown;
};

export const anyChange: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('replace', 'remove', 'add'),
  place: fc.nat(),
  value: fc.oneof(
    fc.constantFrom<unknown>(null, '', 0, -1, 1e21, true, [], {}, [null], 'x', [[]], '\ud800'),
    fc.constantFrom<unknown>('valetkey-token', 'valetkey-sidecar', '/var/run', 'Always'),
    anyJson,
  ),
});

/** The value with one thing changed, and where; nothing is added to a leaf. */
export const applyChange = (
  value: unknown,
  change: Change,
  places: readonly Path[] = listPaths(value),
): { readonly value: unknown; readonly at: Path } => {
  const at = places[change.place % places.length] ?? [];
  const copy = structuredClone(value);
  if (change.kind === 'add') {
    mergeInto(getValueAt(copy, at), change.value);
    return { value: copy, at };
  }
  const name = at.at(-1);
  if (name === undefined) return { value: change.value, at };
  const parent = getValueAt(copy, at.slice(0, -1));
  if (change.kind === 'replace') setValue(parent as object, name, change.value);
  else if (Array.isArray(parent)) parent.splice(Number(name), 1);
  else Reflect.deleteProperty(parent as object, name);
  return { value: copy, at };
};

const mergeInto = (target: unknown, more: unknown): void => {
  if (Array.isArray(target)) target.push(more);
  else if (typeof target === 'object' && target !== null) setValue(target, 'unknown', more);
};

/** A plain assignment to __proto__ would change the prototype instead. */
const setValue = (target: object, name: string | number, value: unknown): void => {
  Object.defineProperty(target, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
};

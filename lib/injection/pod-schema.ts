import { isMapping, toMapping, type Mapping } from '../schema/mapping.ts';
import type { Container, Pod, Volume } from '../contract/pod.ts';
import { formatValue, type FieldError, type Result } from '../schema/field-error.ts';
import { escapeSegment } from './json-patch.ts';
import { removeNullMembers } from './null-members.ts';

/** Adds a fault for every value at or below `path` that does not match the type. */
type FieldSchema = (value: unknown, path: string, faults: FieldError[]) => void;

/**
 * Checks the fields of a pod that Valetkey reads; all others are accepted. Null members are absent
 * members. Without any the result is the same object, and unknown fields survive either way.
 */
export const parsePod = (value: unknown): Result<Pod> => {
  if (hasNullContainers(value)) return { ok: false, faults: [NULL_CONTAINERS] };
  return parseWithSchema<Pod>(pod, removeNullMembers(value));
};

const hasNullContainers = (value: unknown): boolean =>
  toMapping(toMapping(value)['spec'])['containers'] === null;

const NULL_CONTAINERS = {
  path: '/spec/containers',
  expected: 'a list with at least one container',
  got: 'null',
};

/** The same for a single container. */
export const parseContainer = (value: unknown): Result<Container> =>
  parseWithSchema<Container>(container, value);

/** The same for a single volume. */
export const parseVolume = (value: unknown): Result<Volume> =>
  parseWithSchema<Volume>(volume, value);

const parseWithSchema = <T>(schema: FieldSchema, value: unknown): Result<T> => {
  const faults: FieldError[] = [];
  schema(value, '', faults);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: value as T };
};

const createLeafSchema =
  (expected: string, accepts: (value: unknown) => boolean): FieldSchema =>
  (value, path, faults) => {
    if (!accepts(value)) faults.push({ path: path || '(root)', expected, got: formatValue(value) });
  };

/** An unpaired surrogate has no canonical form, and Go never writes one. */
const text = createLeafSchema(
  'a string of whole characters',
  (value) => typeof value === 'string' && value.isWellFormed(),
);
const flag = createLeafSchema('true or false', (value) => typeof value === 'boolean');
const integer = createLeafSchema('a whole number', Number.isSafeInteger);
const quantity = createLeafSchema(
  'a quantity',
  (value) => typeof value === 'string' || typeof value === 'number',
);
const mapping = createLeafSchema('a mapping', isMapping);

type Members = Readonly<Record<string, FieldSchema>>;

const createObjectSchema = (required: Members, optional: Members = {}): FieldSchema => {
  const needed = Object.entries(required);
  const known = Object.entries(optional);
  return (value, path, faults) => {
    if (!isMapping(value)) {
      mapping(value, path, faults);
      return;
    }
    for (const [name, schema] of needed)
      schema(getOwnMember(value, name), `${path}/${name}`, faults);
    for (const [name, schema] of known) {
      const member = getOwnMember(value, name);
      if (member !== undefined) schema(member, `${path}/${name}`, faults);
    }
  };
};

/** Rules compare lists with lists: a hundred thousand elements would block the webhook for minutes. */
const MAX_ELEMENTS = 1000;

/** Go writes an absent list as null, or omits it. */
const createListSchema =
  (schema: FieldSchema): FieldSchema =>
  (value, path, faults) => {
    if (value === null) return;
    if (!Array.isArray(value)) {
      createLeafSchema('a list', Array.isArray)(value, path, faults);
      return;
    }
    if (value.length > MAX_ELEMENTS) {
      faults.push({ path, expected: `at most ${MAX_ELEMENTS} elements`, got: `${value.length}` });
      return;
    }
    value.forEach((item, index) => schema(item, `${path}/${index}`, faults));
  };

const createMapSchema =
  (schema: FieldSchema): FieldSchema =>
  (value, path, faults) => {
    if (value === null) return;
    if (!isMapping(value)) {
      mapping(value, path, faults);
      return;
    }
    for (const [name, member] of Object.entries(value)) {
      schema(member, `${path}/${escapeSegment(name)}`, faults);
    }
  };

const getOwnMember = (value: Mapping, name: string): unknown =>
  Object.hasOwn(value, name) ? value[name] : undefined;

const profile = createObjectSchema({}, { type: text, localhostProfile: text });

const seLinuxOptions = createObjectSchema({}, { type: text, user: text, role: text, level: text });

const securityContext = createObjectSchema(
  {},
  {
    runAsUser: integer,
    runAsGroup: integer,
    runAsNonRoot: flag,
    privileged: flag,
    allowPrivilegeEscalation: flag,
    readOnlyRootFilesystem: flag,
    capabilities: createObjectSchema(
      {},
      { add: createListSchema(text), drop: createListSchema(text) },
    ),
    procMount: text,
    seccompProfile: profile,
    appArmorProfile: profile,
    seLinuxOptions,
  },
);

const keyRef = createObjectSchema({}, { name: text, key: text });

const envSource = createObjectSchema(
  {},
  {
    fieldRef: createObjectSchema({ fieldPath: text }, { apiVersion: text }),
    fileKeyRef: createObjectSchema({}, { volumeName: text, path: text, key: text }),
    secretKeyRef: keyRef,
    configMapKeyRef: keyRef,
  },
);

const volumeMount = createObjectSchema(
  { name: text, mountPath: text },
  {
    readOnly: flag,
    recursiveReadOnly: text,
    subPath: text,
    subPathExpr: text,
    mountPropagation: text,
  },
);

const resources = createObjectSchema(
  {},
  { requests: createMapSchema(quantity), limits: createMapSchema(quantity) },
);

const handler = createObjectSchema(
  {},
  { exec: createObjectSchema({}, { command: createListSchema(text) }) },
);

const source = createObjectSchema({}, { name: text });

const container = createObjectSchema(
  { name: text },
  {
    image: text,
    imagePullPolicy: text,
    command: createListSchema(text),
    args: createListSchema(text),
    env: createListSchema(
      createObjectSchema({ name: text }, { value: text, valueFrom: envSource }),
    ),
    envFrom: createListSchema(
      createObjectSchema({}, { prefix: text, secretRef: source, configMapRef: source }),
    ),
    volumeMounts: createListSchema(volumeMount),
    volumeDevices: createListSchema(createObjectSchema({ name: text }, { devicePath: text })),
    ports: createListSchema(
      createObjectSchema({ containerPort: integer }, { name: text, protocol: text }),
    ),
    securityContext,
    resources,
    restartPolicy: text,
    startupProbe: handler,
    livenessProbe: handler,
    readinessProbe: handler,
    lifecycle: createObjectSchema({}, { postStart: handler, preStop: handler }),
    targetContainerName: text,
  },
);

const tokenSource = createObjectSchema(
  {},
  { audience: text, expirationSeconds: integer, path: text },
);

const volume = createObjectSchema(
  { name: text },
  {
    hostPath: mapping,
    gitRepo: mapping,
    secret: createObjectSchema({}, { secretName: text }),
    configMap: source,
    emptyDir: createObjectSchema({}, { medium: text, sizeLimit: quantity }),
    projected: createObjectSchema(
      {},
      {
        defaultMode: integer,
        sources: createListSchema(
          createObjectSchema(
            {},
            {
              serviceAccountToken: tokenSource,
              secret: source,
              configMap: source,
              podCertificate: createObjectSchema({}, { signerName: text }),
            },
          ),
        ),
      },
    ),
  },
);

const podSecurityContext = createObjectSchema(
  {},
  {
    runAsUser: integer,
    runAsGroup: integer,
    runAsNonRoot: flag,
    fsGroup: integer,
    supplementalGroups: createListSchema(integer),
    seccompProfile: profile,
    appArmorProfile: profile,
    seLinuxOptions,
    sysctls: createListSchema(createObjectSchema({ name: text }, { value: text })),
  },
);

const nodeSelectorTerm = createObjectSchema(
  {},
  {
    matchExpressions: createListSchema(
      createObjectSchema({ key: text, operator: text }, { values: createListSchema(text) }),
    ),
  },
);

const nodeAffinity = createObjectSchema(
  {},
  {
    requiredDuringSchedulingIgnoredDuringExecution: createObjectSchema(
      {},
      { nodeSelectorTerms: createListSchema(nodeSelectorTerm) },
    ),
    preferredDuringSchedulingIgnoredDuringExecution: createListSchema(
      createObjectSchema({}, { preference: nodeSelectorTerm }),
    ),
  },
);

const pod = createObjectSchema(
  {
    metadata: createObjectSchema(
      {},
      {
        name: text,
        generateName: text,
        namespace: text,
        uid: text,
        labels: createMapSchema(text),
        annotations: createMapSchema(text),
      },
    ),
    spec: createObjectSchema(
      {},
      {
        containers: createListSchema(container),
        initContainers: createListSchema(container),
        ephemeralContainers: createListSchema(container),
        volumes: createListSchema(volume),
        serviceAccountName: text,
        serviceAccount: text,
        automountServiceAccountToken: flag,
        hostPID: flag,
        hostIPC: flag,
        hostNetwork: flag,
        shareProcessNamespace: flag,
        os: createObjectSchema({ name: text }),
        nodeSelector: createMapSchema(text),
        affinity: createObjectSchema({}, { nodeAffinity }),
        hostname: text,
        subdomain: text,
        dnsPolicy: text,
        dnsConfig: createObjectSchema(
          {},
          { nameservers: createListSchema(text), searches: createListSchema(text) },
        ),
        hostnameOverride: text,
        hostAliases: createListSchema(
          createObjectSchema({}, { ip: text, hostnames: createListSchema(text) }),
        ),
        securityContext: podSecurityContext,
        resources,
        imagePullSecrets: createListSchema(createObjectSchema({}, { name: text })),
      },
    ),
  },
  { apiVersion: text, kind: text },
);

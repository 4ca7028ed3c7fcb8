import type { Container, Pod, Volume } from '../contract/pod.ts';
import { show, type Fault, type Result } from '../reading/fault.ts';
import { escapeSegment } from './json-patch.ts';

/** Pushes a fault for everything below `path` that is not what the type says. */
type Shape = (value: unknown, path: string, faults: Fault[]) => void;

/**
 * Holds a foreign value against the fields of a pod that we use; all others pass. The answer is the
 * very object that came in: what we do not know survives.
 */
export const readPod = (value: unknown): Result<Pod> => check<Pod>(pod, value);

/** The same for a container that stands alone. */
export const readContainer = (value: unknown): Result<Container> =>
  check<Container>(container, value);

/** The same for a volume that stands alone. */
export const readVolume = (value: unknown): Result<Volume> => check<Volume>(volume, value);

const check = <T>(shape: Shape, value: unknown): Result<T> => {
  const faults: Fault[] = [];
  shape(value, '', faults);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: value as T };
};

const leaf =
  (expected: string, accepts: (value: unknown) => boolean): Shape =>
  (value, path, faults) => {
    if (!accepts(value)) faults.push({ path: path || '(root)', expected, got: show(value) });
  };

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Half of a surrogate pair has no canonical form, and Go writes none. */
const text = leaf(
  'a string of whole characters',
  (value) => typeof value === 'string' && value.isWellFormed(),
);
const flag = leaf('true or false', (value) => typeof value === 'boolean');
const whole = leaf('a whole number', Number.isSafeInteger);
const amount = leaf(
  'a quantity',
  (value) => typeof value === 'string' || typeof value === 'number',
);
const mapping = leaf('a mapping', isMapping);

type Members = Readonly<Record<string, Shape>>;

const members = (required: Members, optional: Members = {}): Shape => {
  const needed = Object.entries(required);
  const known = Object.entries(optional);
  return (value, path, faults) => {
    if (!isMapping(value)) {
      mapping(value, path, faults);
      return;
    }
    for (const [name, shape] of needed) shape(own(value, name), `${path}/${name}`, faults);
    for (const [name, shape] of known) {
      const member = own(value, name);
      if (member !== undefined) shape(member, `${path}/${name}`, faults);
    }
  };
};

/** Rules hold lists against lists: one of a hundred thousand would stop the webhook for minutes. */
const MAX_ELEMENTS = 1000;

/** Go writes an absent list as null where it does not leave it out. */
const items =
  (shape: Shape): Shape =>
  (value, path, faults) => {
    if (value === null) return;
    if (!Array.isArray(value)) {
      leaf('a list', Array.isArray)(value, path, faults);
      return;
    }
    if (value.length > MAX_ELEMENTS) {
      faults.push({ path, expected: `at most ${MAX_ELEMENTS} elements`, got: `${value.length}` });
      return;
    }
    value.forEach((item, index) => shape(item, `${path}/${index}`, faults));
  };

const entries =
  (shape: Shape): Shape =>
  (value, path, faults) => {
    if (value === null) return;
    if (!isMapping(value)) {
      mapping(value, path, faults);
      return;
    }
    for (const [name, member] of Object.entries(value)) {
      shape(member, `${path}/${escapeSegment(name)}`, faults);
    }
  };

const own = (value: Record<string, unknown>, name: string): unknown =>
  Object.hasOwn(value, name) ? value[name] : undefined;

const profile = members({}, { type: text, localhostProfile: text });

const seLinuxOptions = members({}, { type: text, user: text, role: text, level: text });

const securityContext = members(
  {},
  {
    runAsUser: whole,
    runAsGroup: whole,
    runAsNonRoot: flag,
    privileged: flag,
    allowPrivilegeEscalation: flag,
    readOnlyRootFilesystem: flag,
    capabilities: members({}, { add: items(text), drop: items(text) }),
    procMount: text,
    seccompProfile: profile,
    appArmorProfile: profile,
    seLinuxOptions,
  },
);

const keyRef = members({}, { name: text, key: text });

const envSource = members(
  {},
  {
    fieldRef: members({ fieldPath: text }, { apiVersion: text }),
    fileKeyRef: members({}, { volumeName: text, path: text, key: text }),
    secretKeyRef: keyRef,
    configMapKeyRef: keyRef,
  },
);

const volumeMount = members(
  { name: text, mountPath: text },
  {
    readOnly: flag,
    recursiveReadOnly: text,
    subPath: text,
    subPathExpr: text,
    mountPropagation: text,
  },
);

const resources = members({}, { requests: entries(amount), limits: entries(amount) });

const handler = members({}, { exec: members({}, { command: items(text) }) });

const source = members({}, { name: text });

const container = members(
  { name: text },
  {
    image: text,
    imagePullPolicy: text,
    command: items(text),
    args: items(text),
    env: items(members({ name: text }, { value: text, valueFrom: envSource })),
    envFrom: items(members({}, { prefix: text, secretRef: source, configMapRef: source })),
    volumeMounts: items(volumeMount),
    volumeDevices: items(members({ name: text }, { devicePath: text })),
    ports: items(members({ containerPort: whole }, { name: text, protocol: text })),
    securityContext,
    resources,
    restartPolicy: text,
    startupProbe: handler,
    livenessProbe: handler,
    readinessProbe: handler,
    lifecycle: members({}, { postStart: handler, preStop: handler }),
    targetContainerName: text,
  },
);

const tokenSource = members({}, { audience: text, expirationSeconds: whole, path: text });

const volume = members(
  { name: text },
  {
    hostPath: mapping,
    gitRepo: mapping,
    emptyDir: members({}, { medium: text, sizeLimit: amount }),
    projected: members(
      {},
      { defaultMode: whole, sources: items(members({}, { serviceAccountToken: tokenSource })) },
    ),
  },
);

const podSecurityContext = members(
  {},
  {
    runAsUser: whole,
    runAsGroup: whole,
    runAsNonRoot: flag,
    fsGroup: whole,
    supplementalGroups: items(whole),
    seccompProfile: profile,
    appArmorProfile: profile,
    seLinuxOptions,
    sysctls: items(members({ name: text }, { value: text })),
  },
);

const pod = members(
  {
    metadata: members(
      {},
      {
        name: text,
        generateName: text,
        namespace: text,
        uid: text,
        labels: entries(text),
        annotations: entries(text),
      },
    ),
    spec: members(
      {},
      {
        containers: items(container),
        initContainers: items(container),
        ephemeralContainers: items(container),
        volumes: items(volume),
        serviceAccountName: text,
        automountServiceAccountToken: flag,
        hostPID: flag,
        hostIPC: flag,
        hostNetwork: flag,
        shareProcessNamespace: flag,
        os: members({ name: text }),
        nodeSelector: entries(text),
        hostname: text,
        dnsPolicy: text,
        dnsConfig: members({}, { nameservers: items(text), searches: items(text) }),
        hostnameOverride: text,
        hostAliases: items(members({}, { ip: text, hostnames: items(text) })),
        securityContext: podSecurityContext,
        resources,
      },
    ),
  },
  { apiVersion: text, kind: text },
);

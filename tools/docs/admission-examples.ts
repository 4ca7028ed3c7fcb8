import { parse } from 'yaml';
import type { Pod } from '../../lib/contract/pod.ts';
import { authorityPlatform as platform } from '../../lib/injection/fixtures/sample-platform.ts';
import {
  buildAcceptedTemplates,
  agentTasks,
  injectPod,
} from '../../lib/injection/fixtures/injected-pods.ts';
import { evaluateRules } from '../../lib/injection/rules/rule-evaluation.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';

/** What is done to a pod that was injected, and is refused by one rule. */
export type Example = {
  readonly rule: string;
  readonly on: 'CREATE' | 'UPDATE';
  /** Part of a pod, YAML: members of lists are matched by name. */
  readonly yaml: string;
};

export const EXAMPLES: readonly Example[] = [
  {
    rule: '1',
    on: 'CREATE',
    yaml: `spec:
  volumes:
    - name: valetkey-mine
      emptyDir: {}
`,
  },
  {
    rule: '2',
    on: 'CREATE',
    yaml: `spec:
  initContainers:
    - name: valetkey-sidecar
      image: mirror.example/valetkey:latest
`,
  },
  {
    rule: '3',
    on: 'CREATE',
    yaml: `spec:
  shareProcessNamespace: true
`,
  },
  {
    rule: '4',
    on: 'CREATE',
    yaml: `spec:
  containers:
    - name: helper
      securityContext:
        capabilities: { drop: [ALL], add: [SYS_PTRACE] }
`,
  },
  {
    rule: '5',
    on: 'CREATE',
    yaml: `spec:
  volumes:
    - name: mine
      projected:
        sources:
          - serviceAccountToken: { audience: sts.amazonaws.com, path: token }
`,
  },
  {
    rule: '6',
    on: 'CREATE',
    yaml: `spec:
  containers:
    - name: helper
      volumeMounts:
        - { name: valetkey-consumer-0, mountPath: /sockets }
`,
  },
  {
    rule: '7',
    on: 'CREATE',
    yaml: `spec:
  containers:
    - name: helper
      envFrom:
        - secretRef: { name: aws-credentials }
`,
  },
  {
    rule: '8',
    on: 'UPDATE',
    yaml: `metadata:
  annotations:
    task.valetkey.dev/summarize: a wider task
`,
  },
  {
    rule: '9',
    on: 'UPDATE',
    yaml: `spec:
  ephemeralContainers:
    - name: debugger
      image: busybox
      securityContext:
        allowPrivilegeEscalation: false
        capabilities: { drop: [ALL] }
        seccompProfile: { type: RuntimeDefault }
`,
  },
  {
    rule: '10',
    on: 'UPDATE',
    yaml: `spec:
  initContainers:
    - name: valetkey-sidecar
      resources:
        limits: { memory: 16Mi }
`,
  },
];

/** What the rules answer to it. */
export const evaluateExample = ({ on, yaml }: Example): readonly FieldError[] => {
  const oldPod = injectPod({ platform });
  const pod = mergeValues(oldPod, parse(yaml)) as Pod;
  return evaluateRules(pod, {
    ...{ platform, templates: buildAcceptedTemplates(platform), phase: on, tasks: agentTasks },
    ...(on === 'UPDATE' && { oldPod }),
  });
};

type Mapping = Readonly<Record<string, unknown>>;

/** As a person reads the example: what it names is changed, what it does not name is kept. */
const mergeValues = (base: unknown, changes: unknown): unknown => {
  if (isMapping(base) && isMapping(changes)) return mergeMembers(base, changes);
  if (!Array.isArray(base) || !Array.isArray(changes)) return changes;
  const items: readonly unknown[] = changes;
  return items.reduce<readonly unknown[]>((list, item) => {
    const index = list.findIndex(
      (each) => getName(each) !== undefined && getName(each) === getName(item),
    );
    return index === -1 ? [...list, item] : list.with(index, mergeValues(list[index], item));
  }, base);
};

const mergeMembers = (base: Mapping, changes: Mapping): Mapping => ({
  ...base,
  ...Object.fromEntries(
    Object.entries(changes).map(([name, value]) => [name, mergeValues(base[name], value)]),
  ),
});

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const getName = (value: unknown): unknown => (isMapping(value) ? value['name'] : undefined);

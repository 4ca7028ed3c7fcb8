import { describe, expect, it } from '@jest/globals';
import type { Pod, SecurityContext } from '../../contract/pod.ts';
import { platform } from '../fixtures/sample-platform.ts';
import { buildAcceptedTemplates, agentTasks } from '../fixtures/injected-pods.ts';
import { formatSecurityDefaults, buildSecurityDefaults } from '../security-defaults.ts';
import { LEVEL_TABLE, type LevelRow } from './level-table.ts';
import type { Level } from './levels.ts';
import { evaluateRules } from './rule-evaluation.ts';

const settings = { ...platform, pods: { ...platform.pods, baselineNamespaces: ['legacy'] } };
const NAMESPACES: Readonly<Record<Level, string>> = { restricted: 'research', baseline: 'legacy' };

/** Complete at both levels. Each case removes or adds fields. */
const complete: SecurityContext = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

const buildPod = (
  securityContext: object,
  annotations: Readonly<Record<string, string>> = {},
): Pod => ({
  metadata: { annotations: { 'task.valetkey.dev/summarize': '', ...annotations } },
  spec: { containers: [{ name: 'agent', image: 'agent:1', securityContext }] },
});

const listPaths = (pod: Pod, level: Level): readonly string[] =>
  evaluateRules(
    pod,
    {
      platform: settings,
      templates: buildAcceptedTemplates(settings),
      phase: 'CREATE',
      tasks: agentTasks,
      namespace: NAMESPACES[level],
    },
    (id) => id === '4',
  ).map(({ path }) => path.replace('/spec/containers/0/securityContext/', ''));

type Example = readonly [securityContext: object, annotations?: Readonly<Record<string, string>>];
type Cases = {
  /** Fields of the row. */
  readonly members: readonly (keyof SecurityContext)[];
  /** Whether a pod without these fields is refused if they are not filled. */
  readonly isRequired: boolean;
  readonly allowed: readonly Example[];
  readonly refused: readonly (readonly [path: string, ...example: Example])[];
};

const buildEqualCases = (cases: Cases): Readonly<Record<Level, Cases>> => ({
  restricted: cases,
  baseline: cases,
});

const ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/agent';

const CASES: Readonly<Record<string, Readonly<Record<Level, Cases>>>> = {
  privileged: buildEqualCases({
    members: ['privileged'],
    isRequired: false,
    allowed: [[{ privileged: false }]],
    refused: [['privileged', { privileged: true }]],
  }),
  allowPrivilegeEscalation: {
    restricted: {
      members: ['allowPrivilegeEscalation'],
      isRequired: true,
      allowed: [[{ allowPrivilegeEscalation: false }]],
      refused: [['allowPrivilegeEscalation', { allowPrivilegeEscalation: true }]],
    },
    baseline: {
      members: ['allowPrivilegeEscalation'],
      isRequired: false,
      allowed: [[{ allowPrivilegeEscalation: true }], [{ allowPrivilegeEscalation: false }]],
      refused: [],
    },
  },
  'runAsNonRoot, runAsUser': {
    restricted: {
      members: ['runAsNonRoot', 'runAsUser'],
      isRequired: true,
      allowed: [[{ runAsNonRoot: true }], [{ runAsUser: 1000 }]],
      refused: [
        ['runAsUser', { runAsUser: 0 }],
        ['runAsNonRoot', { runAsNonRoot: false }],
      ],
    },
    baseline: {
      members: ['runAsNonRoot', 'runAsUser'],
      isRequired: false,
      allowed: [[{ runAsUser: 0 }], [{ runAsNonRoot: false }], [{ runAsUser: 1000 }]],
      refused: [],
    },
  },
  "runAsUser, runAsGroup: the sidecar's": buildEqualCases({
    members: ['runAsGroup'],
    isRequired: false,
    allowed: [[{ runAsUser: 64870, runAsGroup: 64870 }]],
    refused: [
      ['runAsUser', { runAsUser: 64871 }],
      ['runAsGroup', { runAsGroup: 64871 }],
    ],
  }),
  capabilities: {
    restricted: {
      members: ['capabilities'],
      isRequired: true,
      allowed: [[{ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }]],
      refused: [
        ['capabilities/drop', { capabilities: { drop: ['NET_RAW'] } }],
        ['capabilities/add/0', { capabilities: { drop: ['ALL'], add: ['CHOWN'] } }],
        ['capabilities/add/0', { capabilities: { drop: ['ALL'], add: ['ALL'] } }],
      ],
    },
    baseline: {
      members: ['capabilities'],
      isRequired: true,
      allowed: [
        [{ capabilities: { drop: ['NET_RAW'] } }],
        [{ capabilities: { drop: ['ALL'], add: ['CHOWN', 'SETUID'] } }],
      ],
      refused: [
        ['capabilities/drop', { capabilities: { drop: ['MKNOD'] } }],
        ['capabilities/drop', { capabilities: { add: ['CHOWN'] } }],
        ['capabilities/add/0', { capabilities: { drop: ['ALL'], add: ['NET_RAW'] } }],
        ['capabilities/add/0', { capabilities: { drop: ['NET_RAW'], add: ['SYS_PTRACE'] } }],
        ['capabilities/add/0', { capabilities: { drop: ['NET_RAW'], add: ['ALL'] } }],
      ],
    },
  },
  procMount: buildEqualCases({
    members: ['procMount'],
    isRequired: false,
    allowed: [[{ procMount: 'Default' }]],
    refused: [['procMount', { procMount: 'Unmasked' }]],
  }),
  'seccompProfile.type': buildEqualCases({
    members: ['seccompProfile'],
    isRequired: true,
    allowed: [[{ seccompProfile: { type: 'RuntimeDefault' } }], [buildLocalhostProfile()]],
    refused: [['seccompProfile/type', { seccompProfile: { type: 'Unconfined' } }]],
  }),
  'appArmorProfile.type, and its older annotation': buildEqualCases({
    members: ['appArmorProfile'],
    isRequired: false,
    allowed: [[{ appArmorProfile: { type: 'RuntimeDefault' } }], [{}, { [ANNOTATION]: 'mine' }]],
    refused: [
      ['appArmorProfile/type', { appArmorProfile: { type: 'Unconfined' } }],
      [
        `/metadata/annotations/${ANNOTATION.replace('/', '~1')}`,
        {},
        { [ANNOTATION]: 'unconfined' },
      ],
    ],
  }),
  seLinuxOptions: buildEqualCases({
    members: ['seLinuxOptions'],
    isRequired: false,
    allowed: [
      [{ seLinuxOptions: { type: 'container_t', level: 's0:c1,c2' } }],
      [{ seLinuxOptions: { type: '' } }],
    ],
    refused: [
      ['seLinuxOptions/type', { seLinuxOptions: { type: 'spc_t' } }],
      ['seLinuxOptions/user', { seLinuxOptions: { user: 'unconfined_u' } }],
      ['seLinuxOptions/role', { seLinuxOptions: { role: 'unconfined_r' } }],
    ],
  }),
};

function buildLocalhostProfile() {
  return { seccompProfile: { type: 'Localhost', localhostProfile: 'agent.json' } };
}

const cells = LEVEL_TABLE.flatMap(({ field, cells: row }) =>
  (['restricted', 'baseline'] as const).map((level) => ({ field, level, cell: row[level] })),
);

const omitMembers = (members: Cases['members']): object =>
  Object.fromEntries(Object.entries(complete).filter(([name]) => !members.some((m) => m === name)));

const getCases = (field: string, level: Level): Cases => {
  const found = CASES[field]?.[level];
  if (found === undefined) throw new Error(`no cases of ${field} at ${level}`);
  return found;
};

it('the level table has cases for every field, and for no other', () => {
  expect(Object.keys(CASES)).toEqual(LEVEL_TABLE.map(({ field }: LevelRow) => field));
});

describe.each(cells)('$field at level $level', ({ field, level, cell }) => {
  const { members, isRequired, allowed, refused } = getCases(field, level);

  it('is filled as in the table, and complies with the rule afterwards', () => {
    const pod = buildPod(omitMembers(members));
    const [fill] = buildSecurityDefaults(pod, level);
    const written =
      fill === undefined
        ? 'nothing'
        : formatSecurityDefaults(fill).split(' defaults were set: ')[1];
    expect(written).toBe(cell.filled);
    const filled = buildPod({ ...omitMembers(members), ...fill?.values });
    expect(listPaths(filled, level).length > 0).toBe(isRequired && cell.filled === 'nothing');
  });

  it('is required if it is unset and not filled, as in the table', () => {
    expect(listPaths(buildPod(omitMembers(members)), level).length > 0).toBe(isRequired);
    expect(cell.required === 'nothing').toBe(!isRequired);
  });

  it('is accepted with the values of the table', () => {
    for (const [context, annotations] of allowed) {
      expect(
        listPaths(buildPod({ ...omitMembers(members), ...context }, annotations), level),
      ).toEqual([]);
    }
  });

  it('is refused with the values of the table', () => {
    for (const [path, context, annotations] of refused) {
      const pod = buildPod({ ...omitMembers(members), ...context }, annotations);
      expect(listPaths(pod, level)).toEqual([path]);
    }
    expect(cell.refused === 'nothing').toBe(refused.length === 0);
  });
});

it('an unknown namespace has level restricted', () => {
  const context = {
    platform: settings,
    templates: new Map(),
    phase: 'CREATE' as const,
    tasks: [],
  };
  const root = buildPod({ ...complete, runAsUser: 0 });
  expect(evaluateRules(root, context, (id) => id === '4')).toHaveLength(1);
});

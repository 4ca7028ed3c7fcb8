import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { KNOWN_MUTATORS } from './known-mutators.ts';
import { checkMutators } from './mutator-checks.ts';

const PAGE = join(import.meta.dirname, '../../../docs/mutators.md');

/** The bold names in the first column of the table of known mutators. */
const readRows = (): readonly string[] => {
  const [, section = ''] = readFileSync(PAGE, 'utf8').split(
    '\n## Known mutators and controllers\n',
  );
  const [table = ''] = section.split('\n### ', 1);
  const cells = Array.from(table.matchAll(/^\|([^|]*)\|/gm), ([, cell = '']) => cell);
  return cells.flatMap((cell) =>
    Array.from(cell.matchAll(/\*\*(.+?)\*\*/g), ([, name = '']) => name),
  );
};

/** Rows that no name of a webhook configuration shows, with the reason. */
const OTHER_ROWS: Readonly<Record<string, string>> = {
  LimitRange: 'the row admission shows its effect in a dry run',
  AlwaysPullImages: 'an admission plugin of the API server; it needs no setting',
  'Vertical Pod Autoscaler': 'read from its objects, because most of them concern other pods',
  'GKE Autopilot': 'its webhooks have no documented names',
  MutatingAdmissionPolicy: 'read from its objects',
  'OpenShift SCC': 'the row openshift-scc',
  Knative: 'a controller that creates pods',
  'Argo Workflows': 'a controller that creates pods',
  Tekton: 'a controller that creates pods',
  Airflow: 'a controller that creates pods',
  Spark: 'a program that creates pods',
  KubeRay: 'a controller that creates pods',
  'Actions Runner Controller': 'a controller that creates pods',
  'agent-sandbox': 'a controller that creates pods',
  'Argo CD': 'needs no setting',
  Flux: 'needs no setting',
  'OpenTelemetry operator': 'needs no setting',
  'Image mirrors': 'any policy engine can rewrite images',
  'Proxy variables': 'any policy engine can set variables',
  'GKE Workload Identity': 'no webhook; the pod does not show it',
};

describe('KNOWN_MUTATORS', () => {
  it('has each mutator of the table in docs/mutators.md that its configuration shows', () => {
    const known = KNOWN_MUTATORS.flatMap(({ rows }) => rows);
    const documented = [...new Set(readRows())];
    expect([...known, ...Object.keys(OTHER_ROWS)].toSorted()).toEqual(documented.toSorted());
  });
});

const NOTHING = { configurations: [], policies: [], autoscalers: [] };

const buildPolicy = (resources: readonly string[]) => ({
  metadata: { name: 'defaults' },
  spec: { matchConstraints: { resourceRules: [{ resources, operations: ['CREATE'] }] } },
});

const buildAutoscaler = (spec: object) => ({
  metadata: { namespace: 'research', name: 'agents' },
  spec,
});

describe('checkMutators', () => {
  it('warns of a MutatingAdmissionPolicy for pods, and of none for other objects', () => {
    const found = checkMutators({ ...NOTHING, policies: [buildPolicy(['pods'])] });
    expect(found).toMatchObject({
      outcome: 'warning',
      problems: [
        'MutatingAdmissionPolicy defaults: changes pods: exclude container valetkey-sidecar if it writes more than defaults',
      ],
    });
    const others = checkMutators({ ...NOTHING, policies: [buildPolicy(['services'])] });
    expect(others.outcome).toBe('pass');
  });

  it('warns of a VerticalPodAutoscaler that may change the sidecar', () => {
    const autoscalers = [
      buildAutoscaler({}),
      buildAutoscaler({ updatePolicy: { updateMode: 'Auto' } }),
    ];
    const found = checkMutators({ ...NOTHING, autoscalers });
    expect(found.outcome).toBe('warning');
    expect(found.problems).toEqual(
      autoscalers.map(
        () =>
          'VerticalPodAutoscaler research/agents: expected a containerPolicies entry valetkey-sidecar with mode Off, got none',
      ),
    );
  });

  it.each([
    { updatePolicy: { updateMode: 'Off' } },
    {
      resourcePolicy: {
        containerPolicies: [{ containerName: 'valetkey-sidecar', mode: 'Off' }],
      },
    },
    {
      resourcePolicy: {
        containerPolicies: [
          { containerName: '*', mode: 'Off' },
          { containerName: 'agent', mode: 'Auto' },
        ],
      },
    },
  ])('passes an autoscaler that leaves the sidecar out: %j', (spec) => {
    const found = checkMutators({ ...NOTHING, autoscalers: [buildAutoscaler(spec)] });
    expect(found.outcome).toBe('pass');
  });

  it('warns of one whose own entry for the sidecar turns a general one off', () => {
    const containerPolicies = [
      { containerName: '*', mode: 'Off' },
      { containerName: 'valetkey-sidecar', mode: 'Auto' },
    ];
    const autoscalers = [buildAutoscaler({ resourcePolicy: { containerPolicies } })];
    expect(checkMutators({ ...NOTHING, autoscalers }).outcome).toBe('warning');
  });
});

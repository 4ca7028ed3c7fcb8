import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import type { ReadResult } from '../status-data.ts';
import { pass, report, type CheckResult } from './check-row.ts';

/** The way from Prometheus to the metrics of one program. */
export type ScrapedProgram = {
  /** `valetkey-webhook`: the Service, the ServiceMonitor and the NetworkPolicy have this name, too. */
  readonly name: string;
  readonly port: number;
  /** Of one of its pods, through the API server. */
  readonly metrics: ReadResult<string>;
};

export type ScrapingFacts = {
  readonly programs: readonly ScrapedProgram[];
  /** Undefined: the cluster has no Prometheus Operator. */
  readonly monitors: ReadResult<readonly Mapping[] | undefined>;
  readonly networkPolicies: ReadResult<readonly Mapping[]>;
};

/** Checks that the programs serve metrics, that something scrapes them, and that NetworkPolicies let it. */
export const checkScraping = ({
  programs,
  monitors,
  networkPolicies,
}: ScrapingFacts): CheckResult => {
  const known = 'value' in monitors ? monitors.value : undefined;
  const problems = [
    ...programs.flatMap((program) => [
      ...checkMetrics(program),
      ...('value' in networkPolicies ? checkNetworkPolicy(program, networkPolicies.value) : []),
      ...(known === undefined ||
      known.length === 0 ||
      known.some(({ metadata }) => toMapping(metadata)['name'] === program.name)
        ? []
        : [
            `ServiceMonitor ${program.name}: expected it to exist as for the other program, got nothing`,
          ]),
    ]),
    ...[monitors, networkPolicies].flatMap((read) =>
      'unknown' in read ? [`unknown (${read.unknown})`] : [],
    ),
  ];
  if (problems.length > 0) return report('warning', { problems, hint: HINT });
  const names = programs.map(({ name }) => name).join(', ');
  return pass(
    `${names}: ${known !== undefined && known.length > 0 ? 'ServiceMonitors' : 'no ServiceMonitor'}`,
  );
};

const HINT =
  'set monitoring.serviceMonitor.enabled, and networkPolicies.*.telemetryFrom to the pods of Prometheus';

const checkMetrics = ({ name, port, metrics }: ScrapedProgram): readonly string[] => {
  const got = 'unknown' in metrics ? `unknown (${metrics.unknown})` : 'another text';
  const hasOwn = 'value' in metrics && metrics.value.includes('valetkey_build_info');
  return hasOwn ? [] : [`${name}: expected metrics on port ${port}, got ${got}`];
};

/** What the chart renders: a policy that lists everything that may connect. */
const checkNetworkPolicy = (
  { name, port }: ScrapedProgram,
  policies: readonly Mapping[],
): readonly string[] => {
  const policy = policies.find(({ metadata }) => toMapping(metadata)['name'] === name);
  if (policy === undefined) return [];
  const { ingress } = toMapping(policy['spec']);
  const isOpen = toList(ingress).some(
    ({ ports }) => ports === undefined || toList(ports).some((each) => each['port'] === port),
  );
  return isOpen
    ? []
    : [
        `NetworkPolicy ${name}: expected an ingress rule for port ${port}, got none: no Prometheus reaches it`,
      ];
};

const toList = (value: unknown): readonly Mapping[] =>
  Array.isArray(value) ? value.map(toMapping) : [];

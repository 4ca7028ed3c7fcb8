import { toMapping } from '../schema/mapping.ts';

export type TimelineStep = {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly kind:
    | 'intent'
    | 'policy'
    | 'approval'
    | 'delegation'
    | 'credentials'
    | 'refusal'
    | 'call'
    | 'cloud call'
    | 'summary'
    | 'end'
    | 'other';
  readonly text: string;
};

type Members = Readonly<Record<string, unknown>>;

/** The members of a record that timeline steps are built from. */
type RecordMembers = {
  readonly body: Members;
  readonly ours: Members;
  readonly session: Members;
};

/** The steps that one record adds to the timeline of `run`; none for a record of another run. */
export const buildRecordSteps = (
  body: Members,
  run: string,
): { readonly steps: readonly TimelineStep[]; readonly session?: string } => {
  const record = { body, ours: toMapping(body['unmapped']), session: toMapping(body['session']) };
  const { session, ours } = record;
  if (session['uid'] !== run && ours['run'] !== run) {
    return { steps: buildChildSteps(record, run) };
  }
  const at = typeof body['time'] === 'number' ? body['time'] : 0;
  const policy = listPolicyDecisions(record).map((text): TimelineStep => ({
    at,
    kind: 'policy',
    text,
  }));
  const name = session['uid_alt'];
  return {
    steps: isRefusal(record)
      ? [...policy, buildStep(record, at)]
      : [buildStep(record, at), ...policy],
    ...(typeof name === 'string' && { session: name }),
  };
};

/** What runs below `run` did with what it delegated. */
const buildChildSteps = ({ body, ours, session }: RecordMembers, run: string): TimelineStep[] => {
  const text = CHILD_TEXT[String(ours['kind'])];
  const chain = Array.isArray(ours['delegation_chain'])
    ? ours['delegation_chain'].map(toMapping)
    : [];
  const depth = chain.findIndex((link) => link['run'] === run);
  if (text === undefined || depth < 0) return [];
  const at = typeof body['time'] === 'number' ? body['time'] : 0;
  const who = `${formatMember(ours['namespace'])}/${formatMember(ours['pod'])}`;
  const child = `run ${formatMember(session['uid'])}, task ${formatMember(ours['task'])} of pod ${who}`;
  return [{ at, kind: 'delegation', text: `${text} ${chain.length - depth} below: ${child}` }];
};

const CHILD_TEXT: Readonly<Record<string, string>> = {
  'run.issued': 'delegated run issued,',
  'run.ended': 'delegated run ended,',
};

const isRefusal = ({ ours }: RecordMembers): boolean => ours['kind'] === 'run.refused';

const buildStep = (record: RecordMembers, at: number): TimelineStep => {
  const { body, ours, session } = record;
  const why = formatReason(body['status_code'], body['message']);
  switch (ours['kind']) {
    case 'run.intent':
      return { at, kind: 'intent', text: formatIntent(record) };
    case 'run.issued':
      return { at, kind: 'credentials', text: formatCredentials(record) };
    case 'run.refused':
      return { at, kind: 'refusal', text: why };
    case 'approval.requested':
    case 'approval.observed':
    case 'approval.used':
    case 'approval.denied':
    case 'emergency.used':
      return { at, kind: 'approval', text: `${formatApproval(record)} ${why}` };
    case 'delegation.minted':
      return { at, kind: 'delegation', text: `minted: ${formatMember(body['message'])}` };
    case 'delegation.used':
      return {
        at,
        kind: 'delegation',
        text: `used, from ${formatChain(ours['delegation_chain'])}`,
      };
    case 'run.ended':
      return { at, kind: 'end', text: formatReason(session['expiration_reason'], body['message']) };
    case 'run.calls':
      return { at, kind: 'summary', text: formatCallSummary(toMapping(ours['calls'])) };
    default: {
      const name = toMapping(body['entity'])['name'];
      return {
        at,
        kind: 'other',
        text: [formatMember(ours['kind']), formatMember(name), why].join(' ').trim(),
      };
    }
  }
};

const formatApproval = ({ body, ours }: RecordMembers): string => {
  const [what = '', verb = ''] = formatMember(ours['kind']).split('.');
  const request = formatMember(toMapping(body['entity'])['name']);
  return `${what === 'emergency' ? 'emergency ' : ''}${verb}: ${request}`;
};

const formatIntent = ({ body, ours }: RecordMembers): string => {
  const user = toMapping(ours['user']);
  const parts = [
    `task ${formatMember(ours['task'])} of pod ${formatMember(ours['namespace'])}/${formatMember(ours['pod'])}`,
    `(${formatMember(toMapping(toMapping(body['actor'])['user'])['name'])})`,
    `by ${formatMember(toMapping(body['actor'])['app_name'])}`,
    ours['exemptions'] === undefined
      ? ''
      : `(exempted from rules ${formatList(ours['exemptions'])})`,
    ours['warned'] === undefined ? '' : `(warned of rules ${formatList(ours['warned'])})`,
    user['subject'] === undefined
      ? ''
      : `for ${formatMember(user['subject'])} of ${formatMember(user['issuer'])}`,
    ours['params'] === undefined ? '' : `with ${formatMember(ours['params'])}`,
    ours['purpose'] === undefined ? '' : `to ${formatMember(ours['purpose'])}`,
  ];
  return parts.filter(Boolean).join(' ');
};

const formatChain = (chain: unknown): string =>
  (Array.isArray(chain) ? chain.map(toMapping) : [])
    .map(
      (link) =>
        `${formatMember(link['run'])} (task ${formatMember(link['task'])} of ${formatMember(link['namespace'])}/${formatMember(link['service_account'])})`,
    )
    .join(' → ');

const formatCredentials = ({ body, ours, session }: RecordMembers): string => {
  const expires = session['expiration_time'];
  const until = typeof expires === 'number' && Math.abs(expires) <= 8.64e15;
  const parts = [
    `session ${formatMember(session['uid_alt'])} of ${formatMember(ours['role'])}`,
    until ? `until ${new Date(expires).toISOString()}` : '',
    `may ${formatList(body['privileges'])} on ${formatList(ours['resources'])}`,
  ];
  return parts.filter(Boolean).join(', ');
};

const formatCallSummary = ({ from, to, counts }: Members): string => {
  const parts = Object.entries(toMapping(counts))
    .filter(([, count]) => count !== 0)
    .map(([outcome, count]) => `${formatMember(count)} ${outcome}`);
  if (parts.length === 0) return 'calls: no more until the end of the run';
  return `calls: ${parts.join(', ')}; lines ${formatMember(from)} to ${formatMember(to)} of the journal`;
};

const listPolicyDecisions = ({ body }: RecordMembers): readonly string[] => {
  const authorizations = toMapping(body['actor'])['authorizations'];
  if (!Array.isArray(authorizations)) return [];
  return authorizations.map(toMapping).map(({ decision, policy }) => {
    const { name, version } = toMapping(policy);
    return `${formatMember(decision)} by ${formatMember(name)}, version ${formatMember(version).slice(0, 12)}`;
  });
};

const formatReason = (code: unknown, message: unknown): string =>
  [formatMember(code), formatMember(message)].filter(Boolean).join(': ');

const formatList = (value: unknown): string =>
  Array.isArray(value) ? value.map(formatMember).join(', ') : formatMember(value);

const formatMember = (value: unknown): string => {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

export type StoryStep = {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly kind: 'intent' | 'policy' | 'credentials' | 'refusal' | 'cloud call' | 'end' | 'other';
  readonly text: string;
};

type Members = Readonly<Record<string, unknown>>;

/** The parts of a record that a story is told from. */
type Told = {
  readonly body: Members;
  readonly ours: Members;
  readonly session: Members;
};

/** What one record says about `run`; no steps where it is about another. */
export const tellRecord = (
  body: Members,
  run: string,
): { readonly steps: readonly StoryStep[]; readonly session?: string } => {
  const told = { body, ours: members(body['unmapped']), session: members(body['session']) };
  const { session, ours } = told;
  if (session['uid'] !== run && ours['run'] !== run) return { steps: [] };
  const at = typeof body['time'] === 'number' ? body['time'] : 0;
  const policy = policyOf(told).map((text): StoryStep => ({ at, kind: 'policy', text }));
  const name = session['uid_alt'];
  return {
    steps: isRefusal(told) ? [...policy, stepOf(told, at)] : [stepOf(told, at), ...policy],
    ...(typeof name === 'string' && { session: name }),
  };
};

const isRefusal = ({ ours }: Told): boolean => ours['kind'] === 'run.refused';

const stepOf = (told: Told, at: number): StoryStep => {
  const { body, ours, session } = told;
  const why = words(body['status_code'], body['message']);
  switch (ours['kind']) {
    case 'run.intent':
      return { at, kind: 'intent', text: intentOf(told) };
    case 'run.issued':
      return { at, kind: 'credentials', text: credentialsOf(told) };
    case 'run.refused':
      return { at, kind: 'refusal', text: why };
    case 'run.ended':
      return { at, kind: 'end', text: words(session['expiration_reason'], body['message']) };
    default: {
      const name = members(body['entity'])['name'];
      return { at, kind: 'other', text: [shown(ours['kind']), shown(name), why].join(' ').trim() };
    }
  }
};

const intentOf = ({ body, ours }: Told): string => {
  const user = members(ours['user']);
  const parts = [
    `task ${shown(ours['task'])} of pod ${shown(ours['namespace'])}/${shown(ours['pod'])}`,
    `(${shown(members(members(body['actor'])['user'])['name'])})`,
    `by ${shown(members(body['actor'])['app_name'])}`,
    ours['exceptions'] === undefined ? '' : `(excepted from rules ${listed(ours['exceptions'])})`,
    ours['warned'] === undefined ? '' : `(warned of rules ${listed(ours['warned'])})`,
    user['subject'] === undefined
      ? ''
      : `for ${shown(user['subject'])} of ${shown(user['issuer'])}`,
    ours['params'] === undefined ? '' : `with ${shown(ours['params'])}`,
    ours['purpose'] === undefined ? '' : `to ${shown(ours['purpose'])}`,
  ];
  return parts.filter(Boolean).join(' ');
};

const credentialsOf = ({ body, ours, session }: Told): string => {
  const expires = session['expiration_time'];
  const until = typeof expires === 'number' && Math.abs(expires) <= 8.64e15;
  const parts = [
    `session ${shown(session['uid_alt'])} of ${shown(ours['role'])}`,
    until ? `until ${new Date(expires).toISOString()}` : '',
    `may ${listed(body['privileges'])} on ${listed(ours['resources'])}`,
  ];
  return parts.filter(Boolean).join(', ');
};

const policyOf = ({ body }: Told): readonly string[] => {
  const authorizations = members(body['actor'])['authorizations'];
  if (!Array.isArray(authorizations)) return [];
  return authorizations.map(members).map(({ decision, policy }) => {
    const { name, version } = members(policy);
    return `${shown(decision)} by ${shown(name)}, version ${shown(version).slice(0, 12)}`;
  });
};

const words = (code: unknown, message: unknown): string =>
  [shown(code), shown(message)].filter(Boolean).join(': ');

const listed = (value: unknown): string =>
  Array.isArray(value) ? value.map(shown).join(', ') : shown(value);

const shown = (value: unknown): string => {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

const members = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};

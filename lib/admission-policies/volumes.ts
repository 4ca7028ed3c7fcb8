import { PROTECTED_AUDIENCE_PREFIXES, PROTECTED_AUDIENCES, TOKEN_VOLUME } from '../contract/names.ts';
import { concat, describeBreach, elements, literal, shown, type Cel } from './cel.ts';
import type { PolicySettings, Variable } from './policy.ts';

const rule = '5';

export const volumeVariables: readonly Variable[] = [
  { name: 'volumes', expression: elements('object.spec.volumes') },
];

const PATH = '"/spec/volumes/" + string(variables.volumes.map(each, each.name).indexOf(v.name))';

/** Rule 5 as a list of lines; the same as lib/injection/rules/volumes.ts. */
export const volumeBreaches = ({ audience }: Pick<PolicySettings, 'audience'>): Cel =>
  concat([hostPaths, tokens(audience)]);

const hostPaths = `variables.volumes.filter(v, has(v.hostPath)).map(v, ${describeBreach({
  rule,
  path: `${PATH} + "/hostPath"`,
  expected: 'no hostPath',
  got: shown('v.hostPath.path'),
})})`;

const lower = (words: readonly string[]): Cel =>
  literal(words.map((word) => word.toLowerCase()));

const isProtected = (name: Cel, audience: Cel): Cel =>
  [
    `${name} == ${audience}.lowerAscii()`,
    `${name} in ${lower(PROTECTED_AUDIENCES)}`,
    `${lower(PROTECTED_AUDIENCE_PREFIXES)}.exists(prefix, ${name}.startsWith(prefix))`,
  ].join(' || ');

/** Our own volume is compared field by field under rule 2. */
const tokens = (audience: Cel): Cel => {
  const asked = 's.?serviceAccountToken.?audience.orValue("")';
  const sources = elements('v.projected.sources');
  const breach = describeBreach({
    rule,
    path: `${PATH} + "/projected/sources/" + string(${sources}.indexOf(s)) + "/serviceAccountToken/audience"`,
    expected: 'no audience that a cloud or Valetkey trades for credentials',
    got: shown('s.serviceAccountToken.audience'),
  });
  const lines = `${sources}.filter(s, ${isProtected(`${asked}.lowerAscii()`, audience)}).map(s, ${breach}).join("; ")`;
  return `variables.volumes.filter(v, v.name != ${literal(TOKEN_VOLUME)}).map(v, ${lines}).filter(lines, lines != "")`;
};

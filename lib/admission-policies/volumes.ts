import {
  API_AUDIENCES,
  API_TOKEN_VOLUME_PREFIX,
  PROTECTED_AUDIENCE_PREFIXES,
  PROTECTED_AUDIENCE_SUFFIXES,
  PROTECTED_AUDIENCES,
  TOKEN_VOLUME,
} from '../contract/names.ts';
import { concat, describeBreach, elements, joined, literal, shown, type Cel } from './cel.ts';
import type { PolicySettings, Variable } from './policy.ts';

type Audiences = Pick<PolicySettings, 'audience' | 'protectedAudiences' | 'allowApiToken'>;

const rule = '5';

export const volumeVariables: readonly Variable[] = [
  { name: 'volumes', expression: elements('object.spec.volumes') },
];

const PATH = '"/spec/volumes/" + string(variables.volumes.map(each, each.name).indexOf(v.name))';

/** Rule 5 as a list of lines; the same as lib/injection/rules/volumes.ts. */
export const volumeBreaches = (settings: Audiences): Cel =>
  concat([...nodeFiles, ...tokens(settings)]);

const nodeFiles = ['hostPath', 'gitRepo'].map((source) => {
  const line = describeBreach({
    rule,
    path: `${PATH} + "/${source}"`,
    expected: `no ${source}`,
    got: '"one"',
  });
  return `variables.volumes.filter(v, has(v.${source})).map(v, ${line})`;
});

const AUDIENCE = 's.serviceAccountToken.?audience.orValue("").lowerAscii()';

/** `s` is a source that has a token. */
const isProtected = ({ audience, protectedAudiences }: Audiences): Cel =>
  `(${[
    `${AUDIENCE} == ${audience}.lowerAscii()`,
    `${AUDIENCE} in ${protectedAudiences}`,
    `${AUDIENCE} in ${literal(PROTECTED_AUDIENCES)}`,
    `${literal(PROTECTED_AUDIENCE_PREFIXES)}.exists(prefix, ${AUDIENCE}.startsWith(prefix))`,
    `${literal(PROTECTED_AUDIENCE_SUFFIXES)}.exists(suffix, ${AUDIENCE}.endsWith(suffix))`,
  ].join(' || ')})`;

/** The volume that Kubernetes adds for the API token is rule 2's to compare. */
const isApi = `(${AUDIENCE} in ${literal(API_AUDIENCES)} || ${AUDIENCE} == "" && !v.name.startsWith(${literal(API_TOKEN_VOLUME_PREFIX)}))`;

const tokens = (settings: Audiences): readonly Cel[] => [
  tokensThat(isProtected(settings), 'no audience that a cloud or Valetkey trades for credentials'),
  tokensThat(
    `!${settings.allowApiToken} && ${isApi} && !${isProtected(settings)}`,
    "an audience that is not the API server's: the platform allows no API token in pods with tasks",
  ),
];

/** One line for each volume but our own, which is compared field by field under rule 2. */
const tokensThat = (isBroken: Cel, expected: string): Cel => {
  const sources = elements('v.projected.sources');
  const line = describeBreach({
    rule,
    path: `${PATH} + "/projected/sources/" + string(${sources}.indexOf(s)) + "/serviceAccountToken/audience"`,
    expected,
    got: `(${AUDIENCE} == "" ? "nothing" : ${shown('s.serviceAccountToken.audience')})`,
  });
  const lines = `${sources}.filter(s, has(s.serviceAccountToken) && ${isBroken}).map(s, ${line})`;
  return `variables.volumes.filter(v, v.name != ${literal(TOKEN_VOLUME)}).map(v, ${joined(lines)}).filter(lines, lines != "")`;
};

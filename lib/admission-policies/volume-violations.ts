import {
  API_AUDIENCES,
  API_TOKEN_VOLUME_PREFIX,
  PROTECTED_AUDIENCE_PREFIXES,
  PROTECTED_AUDIENCE_SUFFIXES,
  PROTECTED_AUDIENCES,
  TOKEN_VOLUME,
} from '../contract/names.ts';
import {
  concatLists,
  formatViolation,
  buildElements,
  joinLines,
  toCelLiteral,
  quoteText,
  type Cel,
} from './cel.ts';
import { TOKEN_SECRET_NAME } from '../injection/rules/volumes.ts';
import type { AdmissionPolicySettings, Variable } from './validating-admission-policy.ts';

type AudienceSettings = Pick<
  AdmissionPolicySettings,
  'audience' | 'protectedAudiences' | 'allowApiToken'
>;

const rule = '5';

export const volumeVariables: readonly Variable[] = [
  { name: 'volumes', expression: buildElements('object.spec.volumes') },
];

const PATH = '"/spec/volumes/" + string(variables.volumes.map(each, each.name).indexOf(v.name))';

/** Rule 5 as a list of lines; the same as lib/injection/rules/volumes.ts. */
export const buildVolumeViolations = (settings: AudienceSettings): Cel =>
  concatLists([
    ...nodeFiles,
    ...buildTokenViolations(settings),
    `(${settings.allowApiToken} ? [] : ${concatLists(tokenSecrets)})`,
  ]);

const nodeFiles = ['hostPath', 'gitRepo'].map((source) => {
  const line = formatViolation({
    rule,
    path: `${PATH} + "/${source}"`,
    expected: `no ${source}`,
    got: '"one"',
  });
  return `variables.volumes.filter(v, has(v.${source})).map(v, ${line})`;
});

const IS_TOKEN_SECRET = `.matches(${toCelLiteral(TOKEN_SECRET_NAME)})`;
const SECRET_NAME = 'v.?secret.?secretName.orValue("")';
const SOURCE_NAME = 's.?secret.?name.orValue("")';
const SOURCES = buildElements('v.projected.sources');
const EXPECTED_NO_TOKEN =
  'no token Secret of a service account: the platform allows no API token in pods with tasks';

/** Names of the token Secrets of service accounts until Kubernetes 1.24. */
const tokenSecrets = [
  `variables.volumes.filter(v, ${SECRET_NAME}${IS_TOKEN_SECRET}).map(v, ${formatViolation({
    rule,
    path: `${PATH} + "/secret/secretName"`,
    expected: EXPECTED_NO_TOKEN,
    got: quoteText(SECRET_NAME),
  })})`,
  `variables.volumes.map(v, ${joinLines(
    `${SOURCES}.filter(s, ${SOURCE_NAME}${IS_TOKEN_SECRET}).map(s, ${formatViolation({
      rule,
      path: `${PATH} + "/projected/sources/" + string(${SOURCES}.indexOf(s)) + "/secret/name"`,
      expected: EXPECTED_NO_TOKEN,
      got: quoteText(SOURCE_NAME),
    })})`,
  )}).filter(lines, lines != "")`,
];

const AUDIENCE = 's.serviceAccountToken.?audience.orValue("").lowerAscii()';

/** `s` is a source that has a token. */
const buildProtectedTest = ({ audience, protectedAudiences }: AudienceSettings): Cel =>
  `(${[
    `${AUDIENCE} == ${audience}.lowerAscii()`,
    `${AUDIENCE} in ${protectedAudiences}`,
    `${AUDIENCE} in ${toCelLiteral(PROTECTED_AUDIENCES)}`,
    `${toCelLiteral(PROTECTED_AUDIENCE_PREFIXES)}.exists(prefix, ${AUDIENCE}.startsWith(prefix))`,
    `${toCelLiteral(PROTECTED_AUDIENCE_SUFFIXES)}.exists(suffix, ${AUDIENCE}.endsWith(suffix))`,
  ].join(' || ')})`;

/** The volume that Kubernetes adds for the API token is rule 2's to compare. */
const IS_API_AUDIENCE = `(${AUDIENCE} in ${toCelLiteral(API_AUDIENCES)} || ${AUDIENCE} == "" && !v.name.startsWith(${toCelLiteral(API_TOKEN_VOLUME_PREFIX)}))`;

const buildTokenViolations = (settings: AudienceSettings): readonly Cel[] => [
  buildTokenViolation(
    buildProtectedTest(settings),
    'no audience that a cloud or Valetkey trades for credentials',
  ),
  buildTokenViolation(
    `!${settings.allowApiToken} && ${IS_API_AUDIENCE} && !${buildProtectedTest(settings)}`,
    "an audience that is not the API server's: the platform allows no API token in pods with tasks",
  ),
];

/** One line for each volume but our own, which is compared field by field under rule 2. */
const buildTokenViolation = (isBroken: Cel, expected: string): Cel => {
  const sources = buildElements('v.projected.sources');
  const line = formatViolation({
    rule,
    path: `${PATH} + "/projected/sources/" + string(${sources}.indexOf(s)) + "/serviceAccountToken/audience"`,
    expected,
    got: `(${AUDIENCE} == "" ? "nothing" : ${quoteText('s.serviceAccountToken.audience')})`,
  });
  const lines = `${sources}.filter(s, has(s.serviceAccountToken) && ${isBroken}).map(s, ${line})`;
  return `variables.volumes.filter(v, v.name != ${toCelLiteral(TOKEN_VOLUME)}).map(v, ${joinLines(lines)}).filter(lines, lines != "")`;
};

import type { FieldError } from '../../schema/field-error.ts';

/** Short, because the API server cuts long warnings off and what was found is at their end. */
const UNLESS_ALLOWED = ' without pods.otherClouds: allow';

/** Prefixes with which a key of a Secret could become a credential variable of Azure or Google. */
export const OTHER_CLOUD_PREFIXES: readonly string[] = ['AZURE_', 'GOOGLE_'];

/** What is expected where a pod has credentials of Azure or Google, which no task replaces. */
export const NO_OTHER_IDENTITY = `no identity of another cloud${UNLESS_ALLOWED}`;
export const NO_OTHER_AUDIENCE = `no audience of another cloud${UNLESS_ALLOWED}`;
export const NO_OTHER_PREFIX = `a prefix that cannot create a name like ${OTHER_CLOUD_PREFIXES.join('…, ')}…${UNLESS_ALLOWED}`;

const OTHER_CLOUD_TEXTS: readonly string[] = [
  NO_OTHER_IDENTITY,
  NO_OTHER_AUDIENCE,
  NO_OTHER_PREFIX,
];

/** Whether the violation is about Azure or Google only: `pods.otherClouds` may allow it. */
export const isOtherCloudError = ({ expected }: FieldError): boolean =>
  OTHER_CLOUD_TEXTS.includes(expected);

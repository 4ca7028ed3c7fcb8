import type { Expectation, FieldError } from '../../schema/field-error.ts';

/** Short, because the API server cuts long warnings off and what was found is at their end. */
const UNLESS_ALLOWED = ' without pods.otherClouds: allow';

/** Prefixes with which a key of a Secret could become a credential variable of Azure or Google. */
export const OTHER_CLOUD_PREFIXES: readonly string[] = ['AZURE_', 'GOOGLE_'];

const refuseOtherCloud = (expected: string): Expectation => ({
  expected: `${expected}${UNLESS_ALLOWED}`,
  code: 'other_cloud',
});

/** What is expected where a pod has credentials of Azure or Google, which no task replaces. */
export const NO_OTHER_IDENTITY = refuseOtherCloud('no identity of another cloud');
export const NO_OTHER_AUDIENCE = refuseOtherCloud('no audience of another cloud');
export const NO_OTHER_PREFIX = refuseOtherCloud(
  `a prefix that cannot create a name like ${OTHER_CLOUD_PREFIXES.join('…, ')}…`,
);

/** Whether the violation is about Azure or Google only: `pods.otherClouds` may allow it. */
export const isOtherCloudError = ({ code }: FieldError): boolean => code === 'other_cloud';

import { API_GROUP } from '../../../lib/contract/authority-api.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import type { AccessQuestion } from '../../../lib/edge/kubernetes/self-subject-review.ts';
import { formatApiError } from '../api-errors.ts';
import type { ConsoleContext } from './console-context.ts';
import { html, type HtmlPart } from './html.ts';

/** Whether an action is offered, or why not. */
export type Permission =
  { readonly isAllowed: true } | { readonly isAllowed: false; readonly why: string };

/** A right on one of Valetkey's own kinds. */
export type Right = Omit<AccessQuestion, 'group'>;

const READ_ONLY: Permission = {
  isAllowed: false,
  why: 'This console was started with --read-only.',
};

/** Asks the API server for the rights that an action needs. What cannot be answered counts as missing. */
export const readPermission = async (
  { cluster, isReadOnly }: Pick<ConsoleContext, 'cluster' | 'isReadOnly'>,
  rights: readonly Right[],
): Promise<Permission> => {
  if (isReadOnly) return READ_ONLY;
  try {
    const answers = await Promise.all(
      rights.map((right) => cluster.checkAccess({ ...right, group: API_GROUP })),
    );
    const missing = rights.filter((_, at) => answers[at] !== true);
    return missing.length === 0
      ? { isAllowed: true }
      : { isAllowed: false, why: formatMissing(missing) };
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    return { isAllowed: false, why: `Your rights are unknown: ${formatApiError(error)}.` };
  }
};

const formatMissing = (missing: readonly Right[]): string =>
  `You do not have the right to ${missing.map(formatRight).join(', nor to ')}.`;

const formatRight = ({ verb, resource, name, namespace }: Right): string => {
  const object = name === undefined ? resource : `${resource}/${name}`;
  const where = namespace === undefined ? 'in the whole cluster' : `in namespace ${namespace}`;
  return `${verb} ${object} ${where}`;
};

/** Why an action is absent. */
export const renderAbsence = (action: string, permission: Permission): HtmlPart =>
  !permission.isAllowed && html`<p class="absent">${action}: not offered. ${permission.why}</p>`;

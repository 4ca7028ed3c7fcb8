import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import { PageError, type ConsoleContext, type ViewRequest } from './console-context.ts';
import { html, type Html, type HtmlPart } from './html.ts';

export type NamespacedList<T> = {
  readonly items: readonly T[];
  /** Of the list; undefined: every namespace. */
  readonly namespace: string | undefined;
  /** Whether the user may not list the objects of every namespace. */
  readonly isNarrowed: boolean;
};

/**
 * Lists the objects of `?namespace=`, or of every namespace, or of that of the context if the user may not.
 *
 * @throws PageError for an invalid namespace; KubernetesError
 */
export const readNamespacedList = async <T>(
  { query }: Pick<ViewRequest, 'query'>,
  { cluster }: Pick<ConsoleContext, 'cluster'>,
  list: (namespace?: string) => Promise<readonly T[]>,
): Promise<NamespacedList<T>> => {
  const asked = query.get('namespace') ?? '';
  if (!/^[a-z0-9-]{0,63}$/.test(asked)) {
    throw new PageError(400, ['namespace: expected a DNS label, got something else']);
  }
  if (asked !== '') return { items: await list(asked), namespace: asked, isNarrowed: false };
  try {
    return { items: await list(), namespace: undefined, isNarrowed: false };
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.code !== 'refused') throw error;
    const { namespace } = cluster;
    return { items: await list(namespace), namespace, isNarrowed: true };
  }
};

/** Renders the form that chooses a namespace, and why the list is not of every one. */
export const renderNamespaceFilter = (
  action: string,
  {
    namespace,
    isNarrowed,
    objects,
  }: Omit<NamespacedList<unknown>, 'items'> & {
    /** What is listed, such as `requests`. */
    readonly objects: string;
  },
): readonly HtmlPart[] => [
  isNarrowed &&
    html`<p class="absent">
      You may not list the ${objects} of every namespace. These are of the namespace of your
      context.
    </p>`,
  renderFilterForm(action, namespace),
];

const renderFilterForm = (action: string, namespace: string | undefined): Html =>
  html`<form method="get" action="${action}" class="filter">
    <label for="namespace">Namespace</label>
    <input id="namespace" name="namespace" value="${namespace ?? ''}" placeholder="every" />
    <button>Show</button>
  </form>`;

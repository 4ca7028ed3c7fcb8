import type { PolicyText } from './policy-findings.ts';

/**
 * The text of a TaskPolicy as the API server tells it. One without text is nobody's permission: the
 * empty text is for the compiler to judge.
 */
export const toPolicyText = ({
  metadata: { name },
  spec,
}: {
  readonly metadata: { readonly name: string };
  readonly spec?: unknown;
}): PolicyText => {
  const { cedar } = (spec ?? {}) as { readonly cedar?: unknown };
  return { name, cedar: typeof cedar === 'string' ? cedar : '' };
};

import type { PolicyText } from './policy-findings.ts';

/**
 * Returns the text of a TaskPolicy as the API server stores it. A missing text is returned as an empty
 * one, which is invalid.
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

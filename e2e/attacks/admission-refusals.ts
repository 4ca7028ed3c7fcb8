/** One breach that a refusal names. */
export type Breach = {
  /** The rule's id; where there is none, `declaration`, or who refuses. */
  readonly rule: string;
  /** As the refusal writes it, whatever it stands in included. */
  readonly where: string;
};

/** What was said, and what it names. */
export type AdmissionRefusal = { readonly message: string; readonly breaches: readonly Breach[] };

/** The Status that an API server answers with, as far as we read it. */
export type ApiStatus = {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field?: string }[] };
};

const WEBHOOK_DENIAL = /admission webhook "([^"]+)" denied the request: ([^]*)$/;
const POLICY_DENIAL =
  /ValidatingAdmissionPolicy '([^']+)' with binding '[^']+' denied request: ([^]*)$/;

/**
 * A refusal, told apart from one by the API server's own checks, of access rights above all: that one
 * names no breach.
 */
export const parseRefusal = (status: ApiStatus): AdmissionRefusal => ({
  message: status.message ?? '',
  breaches: parseBreaches(status),
});

const parseBreaches = ({ reason, message = '', details }: ApiStatus): readonly Breach[] => {
  const [, webhook, lines] = WEBHOOK_DENIAL.exec(message) ?? [];
  if (webhook !== undefined) return parseBreachLines(lines ?? '', '\n', toRuleName(webhook));
  const [, policy, words] = POLICY_DENIAL.exec(message) ?? [];
  if (policy !== undefined) return parseBreachLines(words ?? '', /; (?=\/)/, policy);
  const causes = reason === 'Invalid' ? (details?.causes ?? []) : [];
  return causes.map(({ field = '' }) => ({ rule: 'schema', where: field }));
};

/** Declarations are judged by both webhooks for pods. */
const toRuleName = (webhook: string): string =>
  /^(mutate|validate)\./.test(webhook) ? 'declaration' : webhook;

/** @param otherwise what stands for the rule of a breach that names none */
const parseBreachLines = (
  text: string,
  separator: string | RegExp,
  otherwise: string,
): readonly Breach[] =>
  text.split(separator).flatMap((line) => {
    const [, where] = /^(.+?): expected /.exec(line) ?? [];
    const [, rule = otherwise] = /\(rule (\w+)\)$/.exec(line) ?? [];
    return where === undefined ? [] : [{ rule, where }];
  });

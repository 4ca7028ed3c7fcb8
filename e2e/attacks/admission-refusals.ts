/** One violation that a refusal names. */
export type Breach = {
  /** Rule id; without a rule, `declaration` or the name of the webhook or policy. */
  readonly rule: string;
  /** Path as in the message, including its annotation or account. */
  readonly where: string;
};

/** The message of a refusal, and the violations that it names. */
export type AdmissionRefusal = { readonly message: string; readonly breaches: readonly Breach[] };

/** The members of an API server's Status that are read. */
export type ApiStatus = {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field?: string }[] };
};

const WEBHOOK_DENIAL = /admission webhook "([^"]+)" denied the request: ([^]*)$/;
const POLICY_DENIAL =
  /ValidatingAdmissionPolicy '([^']+)' with binding '[^']+' denied request: ([^]*)$/;

/**
 * Parses a refusal. A refusal by the API server's own checks, such as RBAC, names no violation.
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

/** Both webhooks for pods check declarations. */
const toRuleName = (webhook: string): string =>
  /^(mutate|validate)\./.test(webhook) ? 'declaration' : webhook;

/** @param otherwise replaces the rule of a violation without one */
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

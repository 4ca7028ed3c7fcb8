/** One breach that a refusal names. */
export type Breach = {
  /** The rule's id; where there is none, `declaration`, or who refuses. */
  readonly rule: string;
  /** As the refusal writes it, whatever it stands in included. */
  readonly where: string;
};

/** What was said, and what it names. */
export type Refusal = { readonly message: string; readonly breaches: readonly Breach[] };

/** The Status that an API server answers with, as far as we read it. */
export type Status = {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field?: string }[] };
};

const BY_WEBHOOK = /admission webhook "([^"]+)" denied the request: ([^]*)$/;
const BY_POLICY =
  /ValidatingAdmissionPolicy '([^']+)' with binding '[^']+' denied request: ([^]*)$/;

/**
 * A refusal, told apart from one by the API server's own checks, of access rights above all: that one
 * names no breach.
 */
export const refusalIn = (status: Status): Refusal => ({
  message: status.message ?? '',
  breaches: breachesIn(status),
});

const breachesIn = ({ reason, message = '', details }: Status): readonly Breach[] => {
  const [, webhook, lines] = BY_WEBHOOK.exec(message) ?? [];
  if (webhook !== undefined) return breachesOf(lines ?? '', '\n', nameOf(webhook));
  const [, policy, words] = BY_POLICY.exec(message) ?? [];
  if (policy !== undefined) return breachesOf(words ?? '', /; (?=\/)/, policy);
  const causes = reason === 'Invalid' ? (details?.causes ?? []) : [];
  return causes.map(({ field = '' }) => ({ rule: 'schema', where: field }));
};

/** Declarations are judged by both webhooks for pods. */
const nameOf = (webhook: string): string =>
  /^(mutate|validate)\./.test(webhook) ? 'declaration' : webhook;

/** @param otherwise what stands for the rule of a breach that names none */
const breachesOf = (
  text: string,
  separator: string | RegExp,
  otherwise: string,
): readonly Breach[] =>
  text.split(separator).flatMap((line) => {
    const [, where] = /^(.+?): expected /.exec(line) ?? [];
    const [, rule = otherwise] = /\(rule (\w+)\)$/.exec(line) ?? [];
    return where === undefined ? [] : [{ rule, where }];
  });

import type { DelegationDetails } from '../contract/authority-api.ts';
import { dnsLabel, integer, list, object, record, string, type Reader } from '../schema/reader.ts';

/** A run that would last less is not worth its exchange. */
export const MIN_DELEGATED_SECONDS = 30;

const text = string({ expected: 'text of at most 2048 characters', maxLength: 2048 });
const texts = list(text, { min: 1, max: 256 });

/** Reads what a run delegates. Checks the form only. */
export const delegationDetails: Reader<DelegationDetails> = object({
  task: dnsLabel,
  audience: object({
    namespace: dnsLabel,
    serviceAccount: string({
      expected: 'a DNS name',
      pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
    }),
  }),
  allow: { optional: list(object({ actions: texts, resources: texts }), { min: 1, max: 32 }) },
  params: {
    optional: record(
      string({ expected: 'a param name', pattern: /^[a-z][A-Za-z0-9_]{0,31}$/ }),
      text,
    ),
  },
  lifetime: { optional: integer({ min: MIN_DELEGATED_SECONDS, max: 1_000_000 }) },
});

import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import { computeSha256, linkRecord, NOTHING_BEFORE } from './chain.ts';

const place = { id: 'authority-0.x', sequence: 7, previous: NOTHING_BEFORE };

/** Names that surround those of the record, or look like a part of its text. */
const name = fc.oneof(
  fc.constantFrom('chain', 'chai', 'chain0', 'unmapped', 'unmappe', 'zz', '"chain":{', '__proto__'),
  fc.string(),
);
const members = fc.dictionary(name, fc.oneof(fc.jsonValue(), fc.constant(undefined)));
const attributes = fc
  .tuple(members, members, members)
  .map(([others, metadata, unmapped]) => ({ ...others, metadata, unmapped }));

describe('linkRecord', () => {
  it.each([undefined, (text: string) => ({ key: 'k', signature: computeSha256(text) })])(
    'writes the canonical JSON of the whole record, and hashes it without the hash: %p',
    (sign) => {
      fc.assert(
        fc.property(attributes, (given) => {
          const { sequence, ...link } = place;
          const metadata = { ...given.metadata, sequence, uid: `${link.id}/${sequence}` };
          const render = (chain: object) =>
            canonicalizeJson({ ...given, metadata, unmapped: { ...given.unmapped, chain } });
          const sealed = { ...link, ...(sign && { seal: sign(render(link)) }) };
          const hash = computeSha256(render(sealed));
          expect(linkRecord(given, place, sign)).toEqual({
            line: render({ ...sealed, hash }),
            position: { chain: link.id, sequence, hash },
          });
        }),
      );
    },
  );
});

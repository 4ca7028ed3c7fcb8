import { PROPOSALS_PATH } from '../../contract/authority-api.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import type { ProposalRequest } from '../../contract/proposals.ts';
import { parseJson } from '../../schema/json.ts';
import { object, read, string } from '../../schema/reader.ts';
import { toAuthorityError, toExchangeError } from './authority-error.ts';
import type { Connection } from './connection.ts';

const TIMEOUT_MS = 10_000;

const answer = object({
  name: string({ expected: 'tp- and 20 hex digits', pattern: /^tp-[0-9a-f]{20}$/ }),
});

/**
 * Creates the function that sends a proposal to the authority.
 *
 * @returns the name of the TaskProposal; throws ExchangeError
 */
export const createProposalSender =
  (connection: Connection, readToken: () => string) =>
  async (proposal: ProposalRequest): Promise<string> => {
    try {
      const token = readToken();
      const form = new URLSearchParams({
        subject_token: token,
        proposal: JSON.stringify(proposal),
      });
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await connection.post(PROPOSALS_PATH, form, signal);
      if (response.status !== 201) throw toAuthorityError(response, [token]);
      return readName(response.body);
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };

const readName = (body: string): string => {
  const given = parseJson(body);
  const result = read(answer, given);
  if (result.ok) return result.value.name;
  const message = 'The authority returned an invalid answer to a proposal';
  throw new ExchangeError('unavailable', 'authority_response_invalid', message);
};

import { buildSarifLog, DOCS_URL } from '../sarif.ts';
import { CHECK_IDS, type CheckRow } from './check-row.ts';

const RULES = CHECK_IDS.map((id) => ({
  id,
  text: `Row ${id} of kubectl valetkey check`,
  helpUri: `${DOCS_URL}/check#${id}`,
}));

/** Builds the SARIF log of `check`: one result for each problem, with the row as its code. */
export const buildCheckSarif = (rows: readonly CheckRow[]): object =>
  buildSarifLog(
    RULES,
    rows.flatMap(({ id, outcome, problems }) =>
      problems.map((message) => ({
        code: id,
        message,
        object: `cluster/${id}`,
        level: outcome === 'fail' ? 'error' : 'warning',
      })),
    ),
  );

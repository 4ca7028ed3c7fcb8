import { FINDING_CODES, type Finding } from './lint-report.ts';
import { buildSarifLog, DOCS_URL } from './sarif.ts';

const RULES = Object.entries(FINDING_CODES).map(([id, text]) => ({
  id,
  text,
  helpUri: `${DOCS_URL}/cli`,
}));

/** Builds the SARIF log of `lint`. */
export const buildSarif = (findings: readonly Finding[]): object =>
  buildSarifLog(
    RULES,
    findings.map(({ severity, ...finding }) => ({
      ...finding,
      level: severity === 'fault' ? 'error' : 'warning',
    })),
  );

import { VERSION } from '../../lib/contract/version.ts';
import { FINDING_CODES, type Finding } from './lint-report.ts';

const RULES = Object.entries(FINDING_CODES).map(([id, text]) => ({
  id,
  shortDescription: { text },
  helpUri: 'https://valetkey.dev/docs/cli',
}));

/**
 * Builds a SARIF 2.1.0 log, which code scanning and editors show beside the lines. A finding without a
 * position is at the first line: SARIF viewers show no result without a region.
 */
export const buildSarif = (findings: readonly Finding[]): object => ({
  $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
  version: '2.1.0',
  runs: [
    {
      tool: {
        driver: {
          name: 'kubectl-valetkey',
          version: VERSION,
          informationUri: 'https://valetkey.dev',
          rules: RULES,
        },
      },
      columnKind: 'unicodeCodePoints',
      results: findings.map(toSarifResult),
    },
  ],
});

const toSarifResult = ({
  code,
  severity,
  message,
  file,
  object,
  line = 1,
  column = 1,
}: Finding) => ({
  ruleId: code,
  ruleIndex: RULES.findIndex(({ id }) => id === code),
  level: severity === 'fault' ? 'error' : 'warning',
  message: { text: message },
  locations: [
    {
      physicalLocation: {
        artifactLocation: { uri: encodeURI(file) },
        region: { startLine: line, startColumn: column },
      },
      logicalLocations: [{ fullyQualifiedName: object }],
    },
  ],
});

import { VERSION } from '../../lib/contract/version.ts';

/** What a tool can find. */
export type SarifRule = {
  /** Stable code. */
  readonly id: string;
  readonly text: string;
  readonly helpUri: string;
};

/** One finding. */
export type SarifFinding = {
  readonly code: string;
  readonly level: 'error' | 'warning' | 'note';
  readonly message: string;
  /** What it is about, as one text: `Pod research/agent`. */
  readonly object: string;
  /** Absent: the object of a cluster. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
};

/** Where the documentation is published. */
export const DOCS_URL = 'https://valetkey.dev/docs';

/**
 * Builds a SARIF 2.1.0 log, which code scanning and editors show beside the lines. A finding without a position is at the
 * first line, and one without a file in a file with the name of its object: SARIF viewers show no result without a region.
 *
 * @param rules every code that findings can have
 */
export const buildSarifLog = (
  rules: readonly SarifRule[],
  findings: readonly SarifFinding[],
): object => ({
  $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
  version: '2.1.0',
  runs: [
    {
      tool: {
        driver: {
          name: 'kubectl-valetkey',
          version: VERSION,
          informationUri: 'https://valetkey.dev',
          rules: rules.map(({ id, text, helpUri }) => ({
            id,
            shortDescription: { text },
            helpUri,
          })),
        },
      },
      columnKind: 'unicodeCodePoints',
      results: findings.map((finding) => toSarifResult(finding, rules)),
    },
  ],
});

const toSarifResult = (
  { code, level, message, object, file = object, line = 1, column = 1 }: SarifFinding,
  rules: readonly SarifRule[],
) => ({
  ruleId: code,
  ruleIndex: rules.findIndex(({ id }) => id === code),
  level,
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

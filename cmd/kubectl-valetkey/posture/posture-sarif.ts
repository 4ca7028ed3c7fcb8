import { buildSarifLog, DOCS_URL } from '../sarif.ts';
import { POSTURE_CODES, type PostureFinding, type PostureReport } from './posture-report.ts';

const TEXTS: Readonly<Record<PostureFinding['code'], string>> = {
  right_unused: 'A right that no run of its task used',
  task_never_run: 'A task that no run used',
  upstream_unused: 'An Upstream that no run used',
  permit_unused: 'A permit that determined no decision',
  vend_exception: 'An exception that permits the delivery vend',
  tool_unpinned: 'A task for an MCP server whose tools are not pinned',
  fixed_key: 'A pod whose gateway takes a fixed key',
};

const isCode = (text: string): text is PostureFinding['code'] => Object.hasOwn(TEXTS, text);

const RULES = Object.keys(POSTURE_CODES)
  .filter(isCode)
  .map((id) => ({ id, text: TEXTS[id], helpUri: `${DOCS_URL}/posture` }));

/** Builds the SARIF log of `posture`. Its objects are of a cluster, so it has no files. */
export const buildPostureSarif = ({ findings }: Pick<PostureReport, 'findings'>): object =>
  buildSarifLog(
    RULES,
    findings.map(({ severity, ...finding }) => ({ ...finding, level: severity })),
  );

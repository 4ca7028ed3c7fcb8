import { escapeXml, renderText, round } from './svg-text.ts';

/** One bar of a chart. */
export type Bar = {
  readonly label: string;
  readonly value: number;
  /** Beside the bar, with its unit if that differs between bars. */
  readonly text: string;
  /** Where the goal is, if there is one: a mark across the bar. */
  readonly goal?: number | undefined;
  /** Whether the goal is met; without it, the bar has the color of a bar without a goal. */
  readonly isMet?: boolean | undefined;
};

export type BarChart = {
  readonly title: string;
  /** What a reader of the text alone needs to know. */
  readonly description: string;
  readonly bars: readonly Bar[];
  /** A line across all bars, and its name. */
  readonly reference?: { readonly value: number; readonly label: string } | undefined;
};

const WIDTH = 900;
const LABEL_WIDTH = 350;
const VALUE_WIDTH = 90;
const TOP = 64;
const ROW = 26;
const BAR = 14;
const LEGEND = 30;
const PLOT_WIDTH = WIDTH - LABEL_WIDTH - VALUE_WIDTH;

/** The card has a background of its own: a page may be light where the system is dark. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .small { font-size: 12px; }
  .card { fill: #ffffff; stroke: #d0d7de; }
  .met { fill: #1a7f37; }
  .missed { fill: #bc4c00; }
  .plain { fill: #57606a; }
  .goal { stroke: #1f2328; stroke-width: 3; }
  .reference { stroke: #57606a; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .card { fill: #0d1117; stroke: #30363d; }
    .met { fill: #3fb950; }
    .missed { fill: #f0883e; }
    .plain { fill: #8b949e; }
    .goal { stroke: #e6edf3; }
    .reference { stroke: #8b949e; }
  }
`;

const chooseClass = ({ isMet }: Bar): string =>
  isMet === undefined ? 'plain' : isMet ? 'met' : 'missed';

const renderBar = (bar: Bar, { y, scale }: { readonly y: number; readonly scale: number }) => {
  const length = bar.value * scale;
  const goalX = LABEL_WIDTH + (bar.goal ?? 0) * scale;
  // Behind the goal, if it would cross the text.
  const barEnd = LABEL_WIDTH + length;
  const isCrossed = bar.goal !== undefined && goalX >= barEnd - 4 && goalX < barEnd + VALUE_WIDTH;
  const end = isCrossed ? Math.max(barEnd, goalX) : barEnd;
  return [
    renderText(bar.label, { x: LABEL_WIDTH - 10, y: y + 12, attributes: ' text-anchor="end"' }),
    `<rect class="${chooseClass(bar)}" x="${LABEL_WIDTH}" y="${y}" width="${round(length)}" height="${BAR}"/>`,
    ...(bar.goal === undefined
      ? []
      : [
          `<line class="goal" x1="${round(goalX)}" y1="${y - 3}" x2="${round(goalX)}" y2="${y + BAR + 3}"/>`,
        ]),
    renderText(bar.text, { x: end + 8, y: y + 12 }),
  ];
};

const LEGEND_ENTRIES = [
  ['met', 'goal met'],
  ['missed', 'goal missed'],
  ['plain', 'no goal'],
] as const;

const renderLegend = (bars: readonly Bar[], y: number): readonly string[] => {
  const used = new Set(bars.map(chooseClass));
  const entries = LEGEND_ENTRIES.filter(([name]) => used.has(name));
  const marks = entries.flatMap(([name, text], index) => [
    `<rect class="${name}" x="${LABEL_WIDTH + index * 120}" y="${y}" width="10" height="10"/>`,
    renderText(text, {
      x: LABEL_WIDTH + index * 120 + 16,
      y: y + 10,
      attributes: ' class="small"',
    }),
  ]);
  const x = LABEL_WIDTH + entries.length * 120;
  return bars.some(({ goal }) => goal !== undefined)
    ? [
        ...marks,
        `<line class="goal" x1="${x + 5}" y1="${y - 2}" x2="${x + 5}" y2="${y + 12}"/>`,
        renderText('goal', { x: x + 16, y: y + 10, attributes: ' class="small"' }),
      ]
    : marks;
};

const renderReference = (
  { value, label }: NonNullable<BarChart['reference']>,
  { scale, bottom }: { readonly scale: number; readonly bottom: number },
): readonly string[] => {
  const x = LABEL_WIDTH + value * scale;
  return [
    `<line class="reference" x1="${round(x)}" y1="${TOP - 8}" x2="${round(x)}" y2="${bottom}"/>`,
    renderText(label, { x, y: TOP - 14, attributes: ' class="small" text-anchor="middle"' }),
  ];
};

/** A chart of horizontal bars as SVG, the same bytes for the same values. @throws Error without bars */
export const renderBarChart = ({ title, description, bars, reference }: BarChart): string => {
  const largest = Math.max(
    ...bars.flatMap(({ value, goal = 0 }) => [value, goal]),
    reference?.value ?? 0,
  );
  if (bars.length === 0 || !(largest > 0)) throw new Error(`${title}: expected bars, got none`);
  const scale = PLOT_WIDTH / largest;
  const bottom = TOP + bars.length * ROW;
  const height = bottom + LEGEND;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="description">${escapeXml(description)}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`,
    renderText(title, { x: 16, y: 26, attributes: ' class="title"' }),
    ...(reference === undefined ? [] : renderReference(reference, { scale, bottom })),
    ...bars.flatMap((bar, index) => renderBar(bar, { y: TOP + index * ROW, scale })),
    ...renderLegend(bars, bottom + 6),
    '</svg>',
  ].join('\n')}\n`;
};

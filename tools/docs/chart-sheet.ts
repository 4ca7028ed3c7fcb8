import { escapeXml, renderText, round } from './svg-text.ts';

/** A line of a chart: a value for each step of time; null: no value. */
export type ChartSeries = {
  readonly legend: string;
  readonly values: readonly (number | null)[];
};

type Box = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
};

export type ChartPanel = Box & {
  readonly title: string;
  /** lines: values over time; values: the last one of each series. */
  readonly kind: 'lines' | 'values';
  readonly formatValue: (value: number) => string;
  readonly stepSeconds: number;
  readonly series: readonly ChartSeries[];
};

export type ChartSheet = {
  readonly title: string;
  /** What a reader of the text alone needs to know. */
  readonly description: string;
  readonly width: number;
  readonly panels: readonly ChartPanel[];
};

const HEADER = 44;
const GAP = 6;
const PADDING = 10;
const TITLE_HEIGHT = 26;
const AXIS_WIDTH = 58;
const AXIS_HEIGHT = 16;
const LEGEND_ROW = 14;
const LEGEND_COLUMNS = 2;
const CHARACTER_WIDTH = 5.8;
const TITLE_CHARACTER_WIDTH = 6.7;
/** Lines of a grid, the lowest included. */
const GRID_LINES = 3;
const MAX_VALUES = 4;
/** Of several values, each in a row of its own. */
const VALUE_ROW = 17;
const VALUE_WIDTH = 76;

/** Colors that people with a color vision deficiency can distinguish (Okabe and Ito), for light and dark. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** The sheet has a background of its own: a page may be light where the system is dark. */
const STYLE = `
  text { font: 11px system-ui, sans-serif; fill: #1f2328; }
  .heading { font-size: 16px; font-weight: 600; }
  .title { font-size: 12px; font-weight: 600; }
  .value { font-size: 20px; font-weight: 600; }
  .small { font-size: 10px; fill: #57606a; }
  .sheet { fill: #f6f8fa; }
  .card { fill: #ffffff; stroke: #d0d7de; }
  .grid { stroke: #d0d7de; stroke-width: 0.5; }
  .line { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
${COLORS.map((color, index) => `  .line${index} { stroke: ${color}; }\n  .mark${index} { fill: ${color}; }`).join('\n')}
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #8b949e; }
    .sheet { fill: #010409; }
    .card { fill: #0d1117; stroke: #30363d; }
    .grid { stroke: #30363d; }
  }
`;

const truncate = (text: string, width: number, characterWidth = CHARACTER_WIDTH): string => {
  const characters = Math.floor(width / characterWidth);
  return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
};

/** Panels on one sheet as SVG, the same bytes for the same values. */
export const renderChartSheet = ({ title, description, width, panels }: ChartSheet): string => {
  const height = HEADER + Math.max(...panels.map((panel) => panel.y + panel.height)) + GAP;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="description">${escapeXml(description)}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="sheet" width="${width}" height="${height}"/>`,
    renderText(title, { x: 16, y: 28, attributes: ' class="heading"' }),
    ...panels.flatMap((panel) => renderPanel({ ...panel, y: panel.y + HEADER })),
    '</svg>',
  ].join('\n')}\n`;
};

const renderPanel = (panel: ChartPanel): readonly string[] => {
  const { x, y, width, height, title, kind, series } = panel;
  const inner = width - 2 * (GAP + PADDING);
  const card = `<rect class="card" x="${x + GAP}" y="${y + GAP}" width="${width - 2 * GAP}" height="${height - 2 * GAP}" rx="4"/>`;
  const left = x + GAP + PADDING;
  const heading = renderText(truncate(title, inner, TITLE_CHARACTER_WIDTH), {
    ...{ x: left, y: y + GAP + 18, attributes: ' class="title"' },
  });
  const content = kind === 'values' ? renderValues(panel) : renderLines(panel);
  const empty = renderText('no data', {
    ...{ x: left, y: y + height / 2 + 8, attributes: ' class="small"' },
  });
  return [card, heading, ...(series.length === 0 ? [empty] : content)];
};

const renderValues = (panel: ChartPanel): readonly string[] => {
  const shown = panel.series.slice(0, MAX_VALUES).map(({ legend, values }) => ({
    legend,
    text: panel.formatValue(values.findLast((value) => value !== null) ?? 0),
  }));
  const left = panel.x + GAP + PADDING;
  const inner = panel.width - 2 * (GAP + PADDING);
  const [first] = shown;
  if (shown.length === 1 && first !== undefined) {
    return [
      renderText(first.text, { x: left, y: panel.y + 66, attributes: ' class="value"' }),
      renderText(truncate(first.legend, inner), {
        ...{ x: left, y: panel.y + 84, attributes: ' class="small"' },
      }),
    ];
  }
  return shown.flatMap(({ legend, text }, index) => {
    const y = panel.y + GAP + 40 + index * VALUE_ROW;
    return [
      renderText(text, { x: left, y, attributes: ' class="title"' }),
      renderText(truncate(legend, inner - VALUE_WIDTH), {
        ...{ x: left + VALUE_WIDTH, y, attributes: ' class="small"' },
      }),
    ];
  });
};

const renderLines = (panel: ChartPanel): readonly string[] => {
  const { series, formatValue, stepSeconds } = panel;
  const rows = Math.ceil(series.length / LEGEND_COLUMNS);
  const plot = {
    x: panel.x + GAP + AXIS_WIDTH,
    y: panel.y + GAP + TITLE_HEIGHT + 4,
    width: panel.width - 2 * GAP - AXIS_WIDTH - PADDING,
    height: panel.height - 2 * GAP - TITLE_HEIGHT - AXIS_HEIGHT - rows * LEGEND_ROW - 12,
  };
  const scale = chooseScale(series);
  const points = Math.max(...series.map(({ values }) => values.length));
  return [
    ...renderGrid(plot, scale, formatValue),
    ...renderTimes(plot, (points - 1) * stepSeconds),
    ...series.map(({ values }, index) => renderLine(values, { plot, scale, points, index })),
    ...renderLegend(series, { x: panel.x, width: panel.width, y: plot.y + plot.height + 32 }),
  ];
};

type Scale = { readonly low: number; readonly high: number };

/** From zero, or the lowest value, to the next round number above the highest. */
const chooseScale = (series: readonly ChartSeries[]): Scale => {
  const values = series.flatMap((each) => each.values.filter((value) => value !== null));
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  return high === low ? { low, high: low + 1 } : { low: -roundUp(-low), high: roundUp(high) };
};

const ROUND_NUMBERS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

const roundUp = (value: number): number => {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  const found = ROUND_NUMBERS.find((number) => number * power >= value * (1 - 1e-9)) ?? 10;
  return Number((found * power).toPrecision(3));
};

const renderGrid = (
  plot: Box,
  { low, high }: Scale,
  formatValue: ChartPanel['formatValue'],
): readonly string[] =>
  Array.from({ length: GRID_LINES }, (_, index) => {
    const share = index / (GRID_LINES - 1);
    const y = plot.y + plot.height * (1 - share);
    const text = formatValue(Number((low + (high - low) * share).toPrecision(3)));
    const label = { x: plot.x - 6, y: y + 3, attributes: ' class="small" text-anchor="end"' };
    return [
      `<line class="grid" x1="${plot.x}" y1="${round(y)}" x2="${plot.x + plot.width}" y2="${round(y)}"/>`,
      renderText(text, label),
    ].join('');
  });

/** The beginning, the middle and the end of the recording. */
const renderTimes = (plot: Box, seconds: number): readonly string[] =>
  (['start', 'middle', 'end'] as const).map((anchor, index) =>
    renderText(`${round((seconds * index) / 120)} min`, {
      x: plot.x + (plot.width * index) / 2,
      y: plot.y + plot.height + 13,
      attributes: ` class="small" text-anchor="${anchor}"`,
    }),
  );

type LineOptions = {
  readonly plot: Box;
  readonly scale: Scale;
  /** How many steps the chart is wide. */
  readonly points: number;
  readonly index: number;
};

const renderLine = (
  values: ChartSeries['values'],
  { plot, scale, points, index }: LineOptions,
): string => {
  let isDrawing = false;
  const commands = values.flatMap((value, step) => {
    const command = isDrawing ? 'L' : 'M';
    isDrawing = value !== null;
    if (value === null) return [];
    const x = plot.x + (points > 1 ? (plot.width * step) / (points - 1) : 0);
    const y = plot.y + plot.height * (1 - (value - scale.low) / (scale.high - scale.low));
    // A value without neighbors is a dot.
    const isAlone = command === 'M' && (values[step + 1] ?? null) === null;
    return [`${command}${round(x)} ${round(y)}${isAlone ? 'h1.5' : ''}`];
  });
  return `<path class="line line${index % COLORS.length}" d="${commands.join('')}"/>`;
};

const renderLegend = (
  series: readonly ChartSeries[],
  { x, y, width }: Pick<Box, 'x' | 'y' | 'width'>,
): readonly string[] => {
  const column = (width - 2 * (GAP + PADDING)) / LEGEND_COLUMNS;
  return series.flatMap(({ legend }, index) => {
    const left = x + GAP + PADDING + (index % LEGEND_COLUMNS) * column;
    const top = y + Math.floor(index / LEGEND_COLUMNS) * LEGEND_ROW;
    return [
      `<rect class="mark${index % COLORS.length}" x="${round(left)}" y="${round(top - 7)}" width="8" height="3"/>`,
      renderText(truncate(legend, column - 16), {
        ...{ x: left + 12, y: top, attributes: ' class="small"' },
      }),
    ];
  });
};

/** A series of a panel: its legend, and a value for each step; null: no value. */
export type RecordedSeries = {
  readonly legend: string;
  readonly values: readonly (number | null)[];
};

/** What a Prometheus recorded for the panels of each dashboard: docs/images/dashboards.json. */
export type RecordedDashboards = {
  readonly stepSeconds: number;
  /** By the name of the dashboard and the title of the panel. */
  readonly dashboards: Readonly<
    Record<string, Readonly<Record<string, readonly RecordedSeries[]>>>
  >;
};

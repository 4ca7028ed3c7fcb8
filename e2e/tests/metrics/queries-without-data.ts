type Reasons = Readonly<Record<string, string>>;

/**
 * Queries of dashboards that can return no data in the tests on MinIO, by dashboard, panel and legend, with the reason. A
 * test compares the list with what the queries return, so that none is listed without need.
 */
export const QUERIES_WITHOUT_DATA: Reasons = {
  'authority: Time until a revocation is in the deny lists: p99':
    'only roles of RGW have deny lists',
  'approvals: Signals: {{transmitter}} {{outcome}}': 'no transmitter is configured in the tests',
  'fleet: Size of session policies: {{namespace}} {{task}}': 'MinIO reports no size',
};

/** Queries of events that the tests do not cause on purpose, but may meet. */
export const QUERIES_OF_RARE_EVENTS: Reasons = {
  'authority: Problems with keys and CAs: {{problem}}': 'absent while keys have no problem',
  'gateway: Calls with an unknown resource: {{service}}':
    'the tables know the resources of all calls of the tests',
  'audit: Refusals because of the audit budget: rate_limited_audit':
    'takes 64 MiB of records in an hour',
};

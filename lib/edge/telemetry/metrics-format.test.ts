import { describe, expect, it } from '@jest/globals';

import { PROMETHEUS_ACCEPT } from '../../../test/kit/openmetrics.ts';
import { selectFormat } from './metrics-format.ts';

describe('selectFormat', () => {
  it.each([
    PROMETHEUS_ACCEPT,
    'application/openmetrics-text; version=1.0.0',
    'application/openmetrics-text; version="1.0.0"; charset=utf-8',
    'Application/OpenMetrics-Text;Version=1.0.0',
    'application/openmetrics-text',
    'text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0',
  ])('selects OpenMetrics for %s', (accept) => {
    expect(selectFormat(accept)).toBe('openmetrics');
  });

  it.each([
    undefined,
    '',
    '*/*',
    'text/html,application/xhtml+xml,*/*;q=0.8',
    'text/plain;version=0.0.4',
    'application/*',
    // A Prometheus before OpenMetrics 1.0.0 asks for a draft of it.
    'application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'application/openmetrics-text;version=1.0.0;q=0',
    'application/openmetrics-text;version=1.0.0;q=high',
    'application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.3',
    ',;q,=;;version=1.0.0',
  ])('selects text for %s', (accept) => {
    expect(selectFormat(accept)).toBe('text');
  });
});

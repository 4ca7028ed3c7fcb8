import { annotationProperties } from './annotation-properties.ts';
import { authorityProperties } from './authority-properties.ts';
import { cedarProperties } from './cedar-properties.ts';
import { gatewayProperties } from './gateway-properties.ts';
import { lineProperties } from './line-properties.ts';
import { podProperties } from './pod-properties.ts';
import type { Property } from './property.ts';
import { reviewProperties } from './review-properties.ts';
import { taskProperties } from './task-properties.ts';

/** All properties, of every package. */
export const PROPERTIES: readonly Property[] = [
  ...podProperties,
  ...reviewProperties,
  ...taskProperties,
  ...annotationProperties,
  ...authorityProperties,
  ...cedarProperties,
  ...lineProperties,
  ...gatewayProperties,
];

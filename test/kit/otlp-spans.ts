type AttributeValue = string | number | boolean;

/** A span as a collector gets it. */
export type OtlpSpan = {
  /** `service.name` of its program. */
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
};

/** As in OTLP JSON. Go writes 64-bit integers as text. */
type Attribute = {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly boolValue?: boolean;
    readonly intValue?: number | string;
    readonly doubleValue?: number;
  };
};
type ExportRequest = {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Pick<OtlpSpan, 'name' | 'traceId' | 'spanId'> & {
        readonly parentSpanId?: string;
        readonly attributes?: readonly Attribute[];
      })[];
    }[];
  }[];
};

const readValue = ({ stringValue, boolValue, intValue, doubleValue }: Attribute['value']) =>
  stringValue ?? boolValue ?? doubleValue ?? Number(intValue);

const readAttributes = (
  attributes: readonly Attribute[] = [],
): Readonly<Record<string, AttributeValue>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));

/** Reads the spans of one export request in OTLP JSON, which an exporter sends and a collector writes. */
export const readOtlpSpans = (json: string): readonly OtlpSpan[] =>
  ((JSON.parse(json) as ExportRequest).resourceSpans ?? []).flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, traceId, spanId, parentSpanId = '', attributes }) => ({
        service: String(readAttributes(resource.attributes)['service.name']),
        ...{ name, traceId, spanId, parentSpanId },
        attributes: readAttributes(attributes),
      })),
    ),
  );

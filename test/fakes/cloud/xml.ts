import type { CloudError } from './cloud-error.ts';

const STS_NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';
const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** An element's content: text, elements by name, or several elements of one name. */
type Content = string | number | boolean | Elements | readonly Elements[];
export type Elements = { readonly [name: string]: Content };

const renderDocument = (root: string, namespace: string | undefined, content: Elements): string => {
  const attribute = namespace === undefined ? '' : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${render(content)}</${root}>`;
};

const render = (content: Exclude<Content, readonly Elements[]>): string =>
  typeof content === 'object'
    ? Object.entries(content).map(renderElement).join('')
    : escapeXml(String(content));

const renderElement = ([name, content]: [string, Content]): string => {
  const several = isElementList(content) ? content : [content];
  return several.map((one) => `<${name}>${render(one)}</${name}>`).join('');
};

const isElementList = (content: Content): content is readonly Elements[] => Array.isArray(content);

const escapeXml = (text: string): string =>
  text.replace(/[<>&"'\u0000-\u001f]/g, (character) => `&#${character.charCodeAt(0)};`);

/** The answer of an STS action; `<Action>Response` holds `<Action>Result`. */
export const renderStsResponse = (action: string, result: Elements, requestId: string): string =>
  renderDocument(`${action}Response`, STS_NAMESPACE, {
    [`${action}Result`]: result,
    ResponseMetadata: { RequestId: requestId },
  });

/** A refusal as STS writes it. */
export const renderStsError = (error: CloudError, requestId: string): string =>
  renderDocument('ErrorResponse', STS_NAMESPACE, {
    Error: {
      Type: error.status < 500 ? 'Sender' : 'Receiver',
      Code: error.code,
      Message: error.message,
    },
    RequestId: requestId,
  });

/** A document as S3 writes it. */
export const renderS3Response = (root: string, content: Elements): string =>
  renderDocument(root, S3_NAMESPACE, content);

/** A refusal as S3 writes it. */
export const renderS3Error = (error: CloudError, resource: string, requestId: string): string =>
  renderDocument('Error', undefined, {
    Code: error.code,
    Message: error.message,
    Resource: resource,
    RequestId: requestId,
  });

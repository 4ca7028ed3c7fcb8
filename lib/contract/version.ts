/** Of the product: what records say, and package.json. */
export const VERSION = '0.1.0';

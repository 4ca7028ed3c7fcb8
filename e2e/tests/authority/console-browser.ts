import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { launch } from 'puppeteer-core';
import type { Browser, HTTPResponse, Page } from 'puppeteer-core';
import { chromiumPackages } from '../../cluster/debian-packages.ts';

/** A name that an attacker's DNS server answers with the loopback address. */
export const REBOUND_HOST = 'rebound.example';

const ARGUMENTS = [
  // The tests run as root.
  '--no-sandbox',
  '--disable-background-networking',
  `--host-resolver-rules=MAP ${REBOUND_HOST} 127.0.0.1`,
];

export type TestBrowser = {
  readonly createPage: () => Promise<Page>;
  /** Every URL that any page requested. */
  readonly requested: readonly string[];
  /** What pages complained about: scripts that ran, styles that were refused. */
  readonly complaints: readonly string[];
  readonly close: () => Promise<void>;
};

/** Starts Debian's Chromium without a screen. */
export const startBrowser = async (): Promise<TestBrowser> => {
  const browser: Browser = await launch({
    executablePath: chromiumPackages['chromium'] ?? '',
    headless: true,
    args: ARGUMENTS,
    protocolTimeout: 120_000,
  });
  const requested: string[] = [];
  const complaints: string[] = [];
  return {
    ...{ requested, complaints },
    createPage: async () => {
      const page = await browser.newPage();
      page.setDefaultTimeout(60_000);
      page.on('request', (request) => requested.push(request.url()));
      page.on('console', (message) => complaints.push(message.text()));
      page.on('dialog', (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      return page;
    },
    close: () => browser.close(),
  };
};

/** Goes to a page and returns its response. */
export const visit = async (page: Page, url: string): Promise<HTTPResponse> => {
  const response = await page.goto(url);
  if (response === null) throw new Error(`${url}: expected a response, got none`);
  return response;
};

/** Clicks what leads to another page, and returns the status of that page. */
export const clickThrough = async (page: Page, selector: string): Promise<number> => {
  const [response] = await Promise.all([page.waitForNavigation(), page.click(selector)]);
  return response?.status() ?? 0;
};

export const readText = (page: Page, selector = 'main'): Promise<string> =>
  evaluateText(page, `document.querySelector(${JSON.stringify(selector)}).textContent`);

/** Evaluates an expression in the page; these files have no types of a browser. */
export const evaluateText = (page: Page, expression: string): Promise<string> =>
  page.evaluate(expression) as Promise<string>;

/** Serves a page of an attacker on another port of this host. */
export const startHostilePage = async (markup: string) => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(markup);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

/** Writes a screenshot for the documentation, if `--screenshots` asks for it. */
export const takeScreenshot = async (
  page: Page,
  name: string,
  { isDark = false, width = 960 } = {},
): Promise<void> => {
  const folder = process.env['VALETKEY_E2E_SCREENSHOTS'];
  if (folder === undefined) return;
  await page.setViewport({ width, height: 540 });
  await page.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' },
  ]);
  await page.screenshot({ path: join(folder, `console-${name}.png`), fullPage: true });
};

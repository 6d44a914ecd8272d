// Opens pages in a real browser and checks what only a browser knows. Its driver is tests/suite/browser.rs.
//
//   node check.js CHROMIUM OUT CASE...      a case is NAME=FILE; OUT takes pictures and prints
//
// Each check that fails is a line; figures are printed for every page. Nothing is fetched from anywhere.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { execFileSync } = require('node:child_process');
const { chromium } = require('playwright-core');

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [executablePath, out, ...cases] = process.argv.slice(2);
/** What a busy machine may take, in milliseconds: five times what a reader should notice. */
const MOST = { ready: 5000, sort: 1500, filter: 500 };
const failures = [];

const check = (name, what, holds) => { if (!holds) failures.push(`${name}: ${what}`); };
const took = page => page.evaluate(() => Number(document.documentElement.dataset.took));
const counted = async page => Number((await page.locator('output').innerText()).split(' ')[0].replaceAll(',', ''));
const ready = page => page.waitForFunction(() => document.documentElement.dataset.ready, null, { timeout: 60_000 });

/** A page that notes whatever it says, asks or fetches. */
async function open(browser, file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const heard = [];
  page.on('console', message => heard.push(`console: ${message.text()}`));
  page.on('pageerror', error => heard.push(`error: ${error}`));
  page.on('dialog', dialog => { heard.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', request => { if (request.url().split('#')[0] !== address(file)) heard.push(`request: ${request.url()}`); });
  page.on('popup', () => heard.push('popup'));
  await page.goto(address(file), { timeout: 60_000 });
  return { page, heard, close: () => context.close() };
}

const address = file => 'file://' + path.resolve(file);

async function looks(name, page) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: path.join(out, `${name}-${colorScheme}.png`), fullPage: true });
    await page.evaluate(() => document.querySelectorAll('details').forEach(folded => { folded.open = true; }));
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => axe.run());
    for (const { id, nodes } of violations) check(name, `axe, ${colorScheme}: ${id}: ${nodes[0].html.slice(0, 120)} ${nodes[0].failureSummary.slice(0, 200)}`, false);
    await page.evaluate(() => document.querySelectorAll('details').forEach(folded => { folded.open = false; }));
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/** What is in the table follows the address, and the address what is in the table. */
async function table(name, page) {
  const all = await counted(page);
  const tile = page.locator('.tile:not(.none)').first();
  const expected = Number((await tile.locator('b').innerText()).replaceAll(',', ''));
  await tile.click();
  await page.waitForFunction(() => location.hash.startsWith('#s='));
  // The address changes first, then the page follows it.
  await page.waitForFunction(() => document.getElementById('states').value !== '', null, { timeout: 5000 }).catch(() => {});
  check(name, `a tile leads to its rows: ${await counted(page)} of ${expected}`, await counted(page) === expected);
  check(name, 'the status is chosen', await page.locator('#states').inputValue() !== '');
  await page.locator('#states').selectOption('');
  check(name, 'all rows come back', await counted(page) === all);

  await page.keyboard.press('Escape');
  await page.locator('#list').focus();
  await page.keyboard.press('/');
  check(name, 'the slash finds', await page.evaluate(() => document.activeElement.id === 'find'));
  const who = await page.locator('[role=gridcell]').nth(1).innerText();
  await page.keyboard.type(who);
  await page.keyboard.press('Enter');
  await page.waitForFunction(text => location.hash.includes('q=' + new URLSearchParams({ q: text }).toString().slice(2)), who);
  check(name, `${who} is found`, await counted(page) >= 1 && await counted(page) < all);
  const shared = await page.evaluate(() => location.hash);
  await page.reload();
  await ready(page);
  check(name, 'the address keeps the search', await page.evaluate(() => location.hash) === shared && await page.locator('#find').inputValue() === who);
  await page.locator('#find').fill('');
  await page.locator('#find').dispatchEvent('change');

  const head = key => page.locator(`button[data-key=${key}]`);
  for (const key of ['who', 'state', 'line', 'workspace', 'why']) {
    await head(key).click();
    const ups = await page.locator('[aria-sort=ascending] button').getAttribute('data-key');
    check(name, `sorted by ${key}`, ups === key);
  }
  await head('who').click();
  const up = await page.locator('.body [role=row]').first().innerText();
  await head('who').click();
  const down = await page.locator('.body [role=row]').first().innerText();
  check(name, 'the order turns', all < 2 || up !== down);
  check(name, 'the address keeps the order', (await page.evaluate(() => location.hash)).includes('o=-who'));

  await page.locator('#list').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  const chosen = await page.locator('[aria-selected=true]').getAttribute('aria-rowindex');
  check(name, 'arrows choose a row', chosen === (all > 1 ? '3' : '2'));
  check(name, 'the chosen row is told in full', await page.locator('.chosen').isVisible());
  await page.keyboard.press('End');
  check(name, 'End chooses the last row', await page.locator('[aria-selected=true]').getAttribute('aria-rowindex') === String(all + 1));
  await page.keyboard.press('Escape');
  check(name, 'Escape lets it go', await page.locator('[aria-selected=true]').count() === 0);

  await page.evaluate(() => { navigator.clipboard.writeText = async text => { globalThis.copied = text; }; });
  await page.locator('#copy').click();
  await page.waitForFunction(() => globalThis.copied);
  const lines = (await page.evaluate(() => globalThis.copied)).trimEnd().split('\n');
  check(name, `all rows are copied: ${lines.length - 1} of ${all}`, lines.length - 1 === all);
  check(name, 'no cell begins a formula', !lines.some(line => /(^|,)"?[=+@]/.test(line)));
}

/** How long a reader waits. */
async function speed(name, page, file) {
  const figures = {
    size_kib: Math.round(fs.statSync(file).size / 1024),
    rows: await counted(page),
    ready_ms: await page.evaluate(() => Number(document.documentElement.dataset.ready)),
  };
  for (const key of ['who', 'ms', 'why', 'who']) {
    await page.locator(`button[data-key=${key}]`).click({ timeout: 30_000 }).catch(() => {});
    figures[`sort_${key}_ms`] = Math.max(figures[`sort_${key}_ms`] ?? 0, await took(page));
  }
  await page.evaluate(() => {
    const search = document.getElementById('find');
    search.value = '77';
    search.dispatchEvent(new Event('change'));
  });
  figures.filter_ms = await took(page);
  figures.found = await counted(page);
  figures.nodes = await page.evaluate(() => document.querySelectorAll('#list *').length);
  await page.evaluate(() => { location.hash = 's=failed&o=-ms'; });
  await page.waitForFunction(() => document.getElementById('states').value === 'failed');
  check(name, `ready in ${figures.ready_ms} ms`, figures.ready_ms < MOST.ready);
  for (const [key, ms] of Object.entries(figures)) {
    if (key.startsWith('sort_')) check(name, `${key} ${ms}`, ms < MOST.sort);
  }
  check(name, `found in ${figures.filter_ms} ms`, figures.filter_ms < MOST.filter);
  check(name, `few nodes are alive: ${figures.nodes}`, figures.nodes < 1000);
  return figures;
}

/** Prints the page; every sheet says of what it is, and which one it is. */
async function print(name, page) {
  const file = path.join(out, `${name}.pdf`);
  await page.pdf({ path: file, preferCSSPageSize: true, format: 'A4' });
  let sheets;
  try {
    sheets = execFileSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' }).split('\f').slice(0, -1);
  } catch {
    return console.log(`${name}: no pdftotext, the print is not read`);
  }
  const footer = await page.locator('.foot').evaluate(element => element.textContent.trim());
  sheets.forEach((sheet, at) => {
    check(name, `sheet ${at + 1} says of what it is`, sheet.includes(footer.slice(0, 40)));
    check(name, `sheet ${at + 1} has its number`, new RegExp(`${at + 1} ?/ ?${sheets.length}\\b`).test(sheet));
  });
  const text = sheets.join('');
  check(name, 'the print has room to sign', text.includes('Signature'));
  check(name, 'the print has what is folded on the screen', text.includes('What this was made from') || text.includes('Digests'));
}

/** Without the script everything but the table is there. */
async function plain(name, browser, file) {
  const { page, heard, close } = await open(browser, file, { javaScriptEnabled: false });
  check(name, 'without the script: the sheet is shown', await page.locator('.sheet').isVisible());
  check(name, 'without the script: a word about it', await page.locator('noscript').isVisible());
  check(name, 'without the script: no empty table', !await page.locator('#table').isVisible());
  check(name, `without the script: silent: ${heard}`, heard.length === 0);
  await close();
}

async function narrow(name, browser, file) {
  const { page, close } = await open(browser, file, { viewport: { width: 390, height: 800 } });
  await ready(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(name, `fits a phone: ${wide} pixels too wide`, wide <= 0);
  await page.screenshot({ path: path.join(out, `${name}-phone.png`) });
  await close();
}

/** What a terminal showed, as a picture. */
async function picture(name, browser, file) {
  const { page, heard, close } = await open(browser, file, { deviceScaleFactor: 1.5 });
  await page.locator('main').screenshot({ path: path.join(out, `${name}.png`) });
  check(name, `silent: ${heard}`, heard.length === 0);
  await close();
}

(async () => {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  for (const [name, file] of cases.map(one => one.split('='))) {
    if (name.startsWith('terminal')) {
      await picture(name, browser, file);
      continue;
    }
    const isLarge = name.startsWith('large');
    const { page, heard, close } = await open(browser, file);
    await ready(page);
    if (isLarge) {
      console.log(name, JSON.stringify(await speed(name, page, file)));
    } else {
      await page.mouse.wheel(0, 600);
      await table(name, page);
      await page.evaluate(() => { location.hash = ''; });
      await page.reload();
      await ready(page);
      check(name, `silent: ${heard}`, heard.length === 0);
      await looks(name, page);
      await print(name, page);
      await plain(name, browser, file);
      await narrow(name, browser, file);
      console.log(name, JSON.stringify({ rows: await counted(page), ready_ms: await page.evaluate(() => Number(document.documentElement.dataset.ready)) }));
    }
    check(name, `silent: ${heard}`, heard.length === 0);
    await close();
  }
  await browser.close();
  failures.forEach(failure => console.error(failure));
  process.exitCode = failures.length ? 1 : 0;
})().catch(error => { console.error(error); process.exitCode = 1; });

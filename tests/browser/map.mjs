// What people see and do on the page of the map, in a real browser. Run by ./run; the argument is a folder with the pages.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const folder = process.argv[2];
const pictures = process.env.BULKHEAD_PICTURES;
if (pictures) mkdirSync(pictures, { recursive: true });
// Everything here is our own page: the sandbox of the browser does not work as root.
const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ['--no-sandbox'] });
const mapOf = (estate) => JSON.parse(readFileSync(join(folder, `${estate}.json`), 'utf8'));
const number = (text) => Number(text.replaceAll(',', '').match(/\d+/)[0]);

// Opens a page; whatever it asks for besides itself and whatever it complains of is a failure.
async function visit(estate, look, act) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light', ...look });
  const page = await context.newPage();
  const address = pathToFileURL(join(folder, `${estate}.html`)).href;
  const wrong = [];
  page.on('request', (request) => { if (request.url() !== address && !request.url().startsWith('data:')) wrong.push(`request: ${request.url()}`); });
  page.on('console', (message) => wrong.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(address);
  if (look.javaScriptEnabled !== false) await settle(page);
  await act(page);
  assert.deepEqual(wrong, [], `${estate}: the page asks for nothing and complains of nothing`);
  await context.close();
}

// Two frames: what was asked for is drawn.
const settle = (page) => page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
const visible = (page, selector) => page.locator(selector).filter({ visible: true }).count();
const box = (page) => page.locator('#map').evaluate((map) => map.getAttribute('viewBox').split(' ').map(Number));
const rows = (page) => page.locator('#edges tbody tr:not([hidden])').count();
async function keep(page, name) {
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
}

const tests = {
  async 'the page shows what the map says'() {
    const map = mapOf('shops');
    await visit('shops', {}, async (page) => {
      await keep(page, 'shops-light');
      assert.equal(await visible(page, '.node'), map.nodes.length);
      assert.equal(await page.locator('.group').count(), map.groups.length);
      assert.equal(await rows(page), map.edges.length);
      const pairs = new Set(map.edges.map((edge) => `${edge.source} ${edge.destination} ${edge.verdict}`));
      assert.equal(await page.locator('.link').count(), pairs.size);
      for (const verdict of ['rejected', 'potentially_blocked', 'unknown', 'accepted']) {
        const shown = await page.locator(`label:has([value=${verdict}]) b`).textContent();
        assert.equal(number(shown), map.edges.filter((edge) => edge.verdict === verdict).length, verdict);
      }
      const sum = map.edges.reduce((all, edge) => all + edge.connections, 0);
      assert.equal(sum, map.total.connections);
      assert.equal(await page.locator('#shown').textContent(), `${map.edges.length} of ${map.edges.length} edges, ${sum.toLocaleString('en-US')} connections`);
      const named = await page.locator('.node').evaluateAll((nodes) => nodes.every((node) => node.getAttribute('aria-label') && node.getAttribute('role') === 'button'));
      assert.ok(named, 'every node is a button with a name');
    });
  },

  async 'filters by verdict, service, label and text agree with the data'() {
    const map = mapOf('shops');
    const group = (edge, end) => map.groups[map.nodes[edge[end]].group];
    const has = (edge, label) => ['source', 'destination'].some((end) =>
      [group(edge, end).labels, map.nodes[edge[end]].labels].some((labels) => Object.entries(labels).some(([key, value]) => `${key}=${value}` === label)));
    await visit('shops', {}, async (page) => {
      const check = async (what, wanted) => {
        const edges = map.edges.filter(wanted);
        assert.ok(edges.length > 0 && edges.length < map.edges.length, `${what}: says something`);
        assert.equal(await rows(page), edges.length, what);
        assert.equal(number(await page.locator('#shown').textContent()), edges.length, what);
        const pairs = new Set(edges.map((edge) => `${edge.source} ${edge.destination} ${edge.verdict}`));
        assert.equal(await visible(page, '.link'), pairs.size, what);
        const names = new Set(edges.flatMap((edge) => [edge.source, edge.destination]));
        assert.equal(await page.locator('.node:not(.faded)').count(), names.size, what);
      };
      await page.uncheck('[value=accepted]');
      await check('not accepted', (edge) => edge.verdict !== 'accepted');
      await keep(page, 'shops-filtered');
      await page.selectOption('#service', 'postgres');
      await check('not accepted, postgres', (edge) => edge.verdict !== 'accepted' && edge.service === 'postgres');
      await page.click('[type=reset]');
      await page.waitForFunction((edges) => document.querySelectorAll('#edges tbody tr:not([hidden])').length === edges, map.edges.length);
      assert.equal(await page.isChecked('[value=accepted]'), true);
      await page.selectOption('#label', 'app=pay');
      await check('app=pay', (edge) => has(edge, 'app=pay'));
      await page.fill('#text', 'JUMP');
      await check('app=pay and jump', (edge) => has(edge, 'app=pay') && ['source', 'destination'].some((end) => map.nodes[edge[end]].name === 'jump'));
      await page.fill('#text', 'nothing has this name');
      assert.equal(await rows(page), 0);
      assert.equal(await visible(page, '.link'), 0);
    });
  },

  async 'zooming and moving show another part, and 0 shows all'() {
    await visit('shops', {}, async (page) => {
      const all = await box(page);
      await page.locator('#map').hover();
      await page.mouse.wheel(0, -400);
      await settle(page);
      const near = await box(page);
      assert.ok(near[2] < all[2] * 0.7, 'the wheel zooms in');
      const frame = await page.locator('#map').boundingBox();
      await page.mouse.move(frame.x + 20, frame.y + 20);
      await page.mouse.down();
      await page.mouse.move(frame.x + 120, frame.y + 80, { steps: 4 });
      await page.mouse.up();
      await settle(page);
      const moved = await box(page);
      assert.ok(moved[0] < near[0] && moved[1] < near[1], 'dragging moves');
      assert.equal(await page.locator('#panel').isVisible(), false, 'dragging chooses nothing');
      await page.locator('#map').focus();
      await page.keyboard.press('ArrowRight');
      await settle(page);
      assert.ok((await box(page))[0] > moved[0], 'arrows move');
      await page.keyboard.press('+');
      await settle(page);
      assert.ok((await box(page))[2] < moved[2], '+ zooms in');
      await page.keyboard.press('-');
      await page.keyboard.press('-');
      await settle(page);
      assert.ok((await box(page))[2] > moved[2], '- zooms out');
      await page.keyboard.press('0');
      await settle(page);
      assert.deepEqual(await box(page), all, '0 shows all');
      await page.click('#in');
      await settle(page);
      assert.ok((await box(page))[2] < all[2], 'the button zooms in');
      await page.click('#all');
      await settle(page);
      assert.deepEqual(await box(page), all);
    });
  },

  async 'a click on a node, a line, a group or a row shows its flows'() {
    const map = mapOf('shops');
    await visit('shops', { colorScheme: 'dark' }, async (page) => {
      const id = map.nodes.findIndex((node) => node.name === 'gateway' && map.groups[node.group].name === 'pay · prod');
      const of = (touches) => map.edges.filter((edge) => touches(edge.source) || touches(edge.destination));
      const panelRows = () => page.locator('#panel tbody tr').count();
      await page.locator(`[data-node="${id}"]`).click();
      assert.equal(await page.locator('#panel h2').textContent(), 'gateway in pay · prod');
      assert.equal(await panelRows(), of((node) => node === id).length);
      await settle(page);
      await keep(page, 'shops-dark-node');
      const worst = await page.locator('#panel tbody tr b').first().textContent();
      assert.equal(worst, 'rejected', 'worst first');
      await page.locator('#panel tbody button').first().click();
      assert.equal(await panelRows(), 1, 'a row of the panel is an edge');
      await page.keyboard.press('Escape');
      assert.equal(await page.locator('#panel').isVisible(), false);
      await settle(page);
      const link = page.locator('.link.rejected').filter({ hasText: 'postgres' }).first();
      const at = await link.locator('path').evaluate((path) => {
        const { x, y } = path.getPointAtLength(path.getTotalLength() * 0.62);
        const point = new DOMPoint(x, y).matrixTransform(path.getScreenCTM());
        return [point.x, point.y + 3];
      });
      await page.mouse.click(...at);
      assert.match(await page.locator('#panel').textContent(), /web in shop · prod → db in pay · prod.*postgres.*rejected/s);
      await page.keyboard.press('Escape');
      await settle(page);
      const crm = map.groups.findIndex((group) => group.name === 'crm · dev');
      await page.locator(`[data-group="${crm}"]`).click({ position: { x: 20, y: 8 } });
      assert.equal(await panelRows(), of((node) => map.nodes[node].group === crm).length);
      await page.locator('#edges tbody tr').nth(3).locator('td').nth(2).click();
      assert.equal(await panelRows(), 1);
      assert.equal(await page.locator('#edges tr.chosen').count(), 1);
    });
  },

  async 'everything can be done without a mouse'() {
    await visit('shops', {}, async (page) => {
      let guard = 0;
      const focus = () => page.evaluate(() => Object.keys(document.activeElement?.dataset ?? {})[0] ?? document.activeElement?.id);
      while ((await focus()) !== 'node' && guard < 60) {
        await page.keyboard.press('Tab');
        guard += 1;
      }
      assert.ok(guard < 60, 'nodes are reached by Tab');
      await page.keyboard.press('Enter');
      assert.equal(await page.locator('#panel').isVisible(), true, 'Enter chooses');
      await page.keyboard.press('Escape');
      assert.equal(await page.locator('#panel').isVisible(), false, 'Escape lets go');
      await page.locator('#edges tbody button').first().focus();
      await page.keyboard.press('Enter');
      assert.equal(await page.locator('#panel tbody tr').count(), 1, 'a row of the table is a button');
    });
  },

  async 'a large map stays usable'() {
    const map = mapOf('large');
    assert.deepEqual([map.groups.length, map.nodes.length, map.edges.length], [50, 500, 5000]);
    await visit('large', {}, async (page) => {
      await keep(page, 'large-light');
      assert.equal(await visible(page, '.link'), 0, 'from afar there are no links');
      const pairs = new Set(map.edges.filter((edge) => map.nodes[edge.source].group !== map.nodes[edge.destination].group)
        .map((edge) => `${map.nodes[edge.source].group} ${map.nodes[edge.destination].group} ${edge.verdict}`));
      assert.equal(await visible(page, '.bundle'), pairs.size, 'bundles for each pair of groups and verdict');
      assert.equal(await rows(page), 200, 'the table is shown in parts');
      await page.click('#more button');
      assert.equal(await rows(page), 5000);
      const begin = Date.now();
      await page.fill('#text', 'app-07');
      await settle(page);
      const filtered = Date.now() - begin;
      await page.fill('#text', '');
      const group = map.groups.findIndex((one) => one.name === 'app-10 · prod');
      await page.locator(`[data-group="${group}"]`).click();
      await settle(page);
      await page.waitForFunction(() => !document.querySelector('#map').classList.contains('bundled'));
      await keep(page, 'large-open');
      assert.ok(await visible(page, '.link') > 0, 'an opened group has links');
      assert.ok(await visible(page, '.link') < 2500, 'only links of what is seen are drawn');
      const touched = map.edges.filter((edge) => [edge.source, edge.destination].some((node) => map.nodes[node].group === group));
      assert.equal(number(await page.locator('#panel p').nth(1).textContent()), touched.length);
      const frames = await page.evaluate(async () => {
        const times = [];
        for (let step = 0; step < 10; step += 1) {
          const start = performance.now();
          document.querySelector('#map').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
          await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
          times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)[5];
      });
      console.log(`    filter ${filtered} ms, a step of moving ${frames.toFixed(0)} ms`);
      assert.ok(filtered < 5000 && frames < 1500, 'answers while one waits');
      await page.locator('#map').focus();
      await page.keyboard.press('0');
      await page.waitForFunction(() => document.querySelector('#map').classList.contains('bundled'));
      assert.equal(await visible(page, '.link'), 0);
    });
  },

  async 'names that want to be more than text are text'() {
    const map = mapOf('hostile');
    await visit('hostile', { colorScheme: 'dark' }, async (page) => {
      await keep(page, 'hostile-dark');
      const check = async () => {
        assert.equal(await page.evaluate(() => window.pwned), undefined);
        assert.equal(await page.locator('img, iframe, object, embed, base, link:not([rel=icon])').count(), 0);
        assert.equal(await page.locator('script').count(), 2);
      };
      await check();
      for (let id = 0; id < map.nodes.length; id += 1) {
        await page.locator(`[data-node="${id}"]`).dispatchEvent('keydown', { key: 'Enter' });
        assert.equal(await page.locator('#panel').isVisible(), true);
      }
      await page.locator('[data-group="0"]').focus();
      await page.keyboard.press('Enter');
      await page.fill('#text', '<script>window.pwned=6</script>');
      await page.fill('#text', '<script>');
      assert.ok(await rows(page) > 0);
      await check();
    });
  },

  async 'it reads in narrow windows, on paper, and without its script'() {
    await visit('shops', { viewport: { width: 400, height: 800 } }, async (page) => {
      await keep(page, 'shops-narrow');
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 400, `the page does not scroll sideways: ${wide}`);
    });
    await visit('shops', {}, async (page) => {
      await page.emulateMedia({ media: 'print' });
      assert.equal(await page.locator('#controls').isVisible(), false);
      assert.equal(await page.locator('#map').isVisible(), true);
      assert.equal(await page.locator('#edges').isVisible(), true);
      const pdf = await page.pdf({ preferCSSPageSize: true, ...(pictures ? { path: join(pictures, 'shops.pdf') } : {}) });
      assert.ok(pdf.length > 20_000);
    });
    const map = mapOf('shops');
    await visit('shops', { javaScriptEnabled: false }, async (page) => {
      assert.equal(await page.locator('#controls').isVisible(), false, 'nothing is shown that does not work');
      assert.equal(await page.locator('#edges tbody tr').count(), map.edges.length);
      assert.equal(await visible(page, '.node'), map.nodes.length);
    });
  },

  async 'verdicts are told apart without colour'() {
    await visit('shops', {}, async (page) => {
      const looks = await page.evaluate(() => ['rejected', 'potentially_blocked', 'unknown', 'accepted'].map((verdict) => {
        const path = document.querySelector(`.link.${verdict} path`);
        return [getComputedStyle(path).strokeDasharray, document.querySelector(`#head-${verdict} path`).getAttribute('d')];
      }));
      assert.equal(new Set(looks.map(([dash]) => dash)).size, 4, `dashes: ${looks}`);
      assert.equal(new Set(looks.map(([, head]) => head)).size, 4, 'heads');
    });
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error.stack}`);
  }
}
await browser.close();
console.log(`${Object.keys(tests).length - failed} of ${Object.keys(tests).length} pass`);
process.exit(failed ? 1 : 0);

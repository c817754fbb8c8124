// Looks at the page in a real Chromium: node browser.mjs URL CHROMIUM SHOTS.
// Ends with 1 and one line for each thing that is wrong.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [url, chromium, shots] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "x.js"));
const playwright = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const wrong = [];
const want = (ok, words) => { if (!ok) wrong.push(words); };

const browser = await playwright.chromium.launch({ executablePath: chromium, args: ["--no-sandbox"] });

// visit opens the page and hands it to look; whatever the console says is wrong.
async function visit(name, options, look) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  let listening = true;
  page.on("console", (m) => { if (listening && ["error", "warning"].includes(m.type())) wrong.push(`${name}: console: ${m.text()}`); });
  page.on("pageerror", (e) => wrong.push(`${name}: script: ${e.message}`));
  page.on("requestfailed", (r) => { if (listening) wrong.push(`${name}: request failed: ${r.url()}`); });
  page.on("dialog", (d) => { wrong.push(`${name}: a dialog opened: ${d.message()}`); d.dismiss(); });
  await page.goto(url + (options.path ?? ""), { waitUntil: "load" });
  await look(page, context, () => { listening = false; });
  await context.close();
}

// accessible runs axe over the page as it is now.
async function accessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of violations) {
    wrong.push(`${name}: axe: ${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(", ")}`);
  }
}

// until waits for a condition in the page; waitForFunction would need eval, which
// the policy of the page forbids.
async function until(page, words, condition, arg) {
  for (const end = Date.now() + 20000; Date.now() < end; await page.waitForTimeout(100)) {
    if (await page.evaluate(condition, arg)) return;
  }
  wrong.push(words);
}

for (const width of [1280, 360]) {
  for (const colorScheme of ["light", "dark"]) {
    const name = `${width} px, ${colorScheme}`;
    await visit(name, { viewport: { width, height: 800 }, colorScheme, path: "streaming/" }, async (page) => {
      await accessible(page, name);
      await page.screenshot({ path: join(shots, `page-${width}-${colorScheme}.png`), fullPage: true });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      want(over <= 0, `${name}: the page is ${over} px wider than the window`);
      await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
      await accessible(page, name + ", flags open");
    });
  }
}

await visit("live", { viewport: { width: 1280, height: 800 } }, async (page, context, deaf) => {
  const facts = () => page.textContent("#facts");
  const room = () => page.textContent("#ledger tbody tr td.n");
  const before = [await facts(), await room()];
  await page.evaluate(() => {
    window.sameDocument = true;
    document.querySelector("details").open = true;
    document.querySelector("[id$=-batches]").scrollTop = 40;
  });
  await until(page, "live: the figures stand still", (was) => document.querySelector("#ledger tbody tr td.n").textContent !== was, before[1]);
  want((await facts()) !== before[0], "live: the clock stands still");
  want(await page.evaluate(() => window.sameDocument === true), "live: the page was loaded again in place of being renewed");
  want(await page.evaluate(() => document.querySelector("details").open), "live: an open part was closed");
  want(await page.evaluate(() => document.querySelector("[id$=-batches]").scrollTop === 40), "live: a table was scrolled back");
  await page.click("a[href^='#reason-']");
  want(await page.evaluate(() => document.querySelector(":target")?.id.startsWith("reason-")), "live: a reason does not lead to its remedy");
  deaf();
  await context.setOffline(true);
  await until(page, "live: nothing says that the server is gone", () => document.getElementById("connection").textContent.startsWith("No answer from xcapa since"));
  await context.setOffline(false);
  await until(page, "live: the server is back and nothing says so", () => document.getElementById("connection").textContent === "");
});

await visit("without scripts", { javaScriptEnabled: false, viewport: { width: 360, height: 800 } }, async (page) => {
  want(await page.isVisible("noscript a[href*=reload]"), "without scripts: no way to reload");
  want((await page.textContent("#ledger")).includes("ring_full"), "without scripts: no losses");
  want((await page.locator("figure svg path.line").count()) >= 5, "without scripts: no lines in the charts");
});

await browser.close();
for (const w of wrong) console.log(w);
if (wrong.length > 0) process.exit(1);

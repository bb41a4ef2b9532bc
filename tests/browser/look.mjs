// Looks at pages in Chromium: look.mjs JSON, where JSON is {chromium, axe, pages: [{name, url, shots: [{file, width, dark, full}]}]}.
// Prints for each page what axe-core found, what the console said, what went over the network, and how wide it is.
import fs from "node:fs";
import puppeteer from "puppeteer-core";

const order = JSON.parse(process.argv[2]);
const axe = fs.readFileSync(order.axe, "utf8");
const browser = await puppeteer.launch({
  executablePath: order.chromium, headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"],
});
const results = [];
try {
  for (const wanted of order.pages) {
    const page = await browser.newPage();
    const said = [], asked = [], dialogs = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("request", (request) => { if (!request.url().startsWith("data:")) asked.push(request.url()); });
    page.on("dialog", (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
    const result = { name: wanted.name, violations: [], widths: {} };
    for (const shot of wanted.shots) {
      await page.setViewport({ width: shot.width, height: 900 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: shot.dark ? "dark" : "light" }]);
      const answer = await page.goto(wanted.url, { waitUntil: "load" });
      result.status = answer.status();
      if (shot.file) await page.screenshot({ path: shot.file, fullPage: shot.full !== false });
      result.widths[shot.width] = await page.evaluate(() => document.documentElement.scrollWidth);
      // By the debugger, which the page's Content-Security-Policy does not bind: the page itself may run no script.
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      result.rules = found.passes.length + found.violations.length;
      for (const violation of found.violations)
        result.violations.push({ width: shot.width, dark: !!shot.dark, id: violation.id, help: violation.help, nodes: violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 200) + " " + (node.failureSummary || "").slice(0, 300)) });
    }
    // Tab through the page: everything that takes the keyboard must show that it has it.
    result.tabbed = await tabThrough(page);
    Object.assign(result, { said, dialogs, asked: [...new Set(asked)] });
    results.push(result);
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(results));

async function tabThrough(page) {
  const seen = [];
  for (let i = 0; i < 60; ++i) {
    await page.keyboard.press("Tab");
    const now = await page.evaluate(() => {
      const at = document.activeElement;
      if (!at || at === document.body) return null;
      const outline = (element) => { const style = getComputedStyle(element); return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0; };
      return { what: at.tagName.toLowerCase() + (at.id ? "#" + at.id : ""), visible: outline(at) || (at.nextElementSibling && outline(at.nextElementSibling)) };
    });
    if (!now) break;
    if (seen.some((one) => one.what === now.what && one.what.includes("#"))) break;
    seen.push(now);
  }
  return seen;
}

// Draws the pictures that the daemon sends and sends touches back. Decides nothing.

const LOCK_AFTER_CHANGE_MS = 400;
const DOUBLE_STRIKE_MS = 300;
const WATCH_MS = 200;
const RECONNECT_MS = 1000;
const ALIVE_MS = 5000;
const URGENT_SECONDS = 20;
const READY_STEP_SECONDS = 5;
const PIN_DIGITS = 4;
const STAFF_CODE_DIGITS = 8;
const MOST_CHOICES_IN_A_LIST = 4;
const MOST_SHEETS_DRAWN = 6;
const LARGEST_TYPE = 2;
const SMALLEST_TYPE = 0.875;
const TYPE_STEPS = 16;

const WAITING = new Set([
  "reading_card", "checking", "preparing", "closing_coins", "committing", "printing", "paying_out", "staff_checking",
]);
const WITHOUT_KIND = new Set(["confirm", "coins"]);
const PICTOGRAMS = {
  closed: "clock", out_of_service: "wrench", reading_card: "card", checking: "wait", preparing: "paper",
  closing_coins: "coin", committing: "wait", paying_out: "coin", thanks: "check", ended: "info", attend: "bell",
  staff_code: "bell", staff_checking: "wait", stop: "info", go_on: "clock",
};
const NEEDED_AT_START = ["card", "pin", "coin"];
const CHECK_ICONS = { card: "card", certificate: "paper", change: "coin", refund: "coin", receipt: "receipt" };

const dom = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const parts = new Map([...document.querySelectorAll("[data-place]")].map((node) => [node.dataset.place, node]));

let shown = null;
let deadline = null;
let clock = null;
let readyAt = null;
let readyClock = null;
let lockedUntil = 0;
let lastTouch = { action: null, at: -Infinity };

// ---------------------------------------------------------------- drawing

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children.flatMap((child) => (typeof child === "string" ? words(child) : [child])));
  return node;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

// 漢字《かんじ》 stands for a word with its reading above.
const READING = /(\p{Script=Han}+)《([^》]+)》/u;

function words(text) {
  return text.split(/(\p{Script=Han}+《[^》]+》)/u).filter(Boolean).map((part) => {
    const found = READING.exec(part);
    if (found === null) return part;
    const ruby = document.createElement("ruby");
    const reading = document.createElement("rt");
    reading.textContent = found[2];
    ruby.append(found[1], reading);
    return ruby;
  });
}

function plain(text) {
  return text.replaceAll(/《[^》]+》/g, "");
}

function put(node, text) {
  node.replaceChildren(...words(text));
  node.hidden = text === "";
}

function fill(node, children) {
  node.replaceChildren(...children);
  node.hidden = children.length === 0;
}

function touchable(className, action, ...children) {
  const button = element("button", className, ...children);
  button.type = "button";
  button.dataset.action = action;
  return button;
}

function draw(picture) {
  document.documentElement.lang = picture.lang;
  document.documentElement.dataset.language = picture.language;
  document.documentElement.className = picture.aids.join(" ");
  dom.kiosk.dataset.screen = picture.screen;
  dom.kiosk.classList.toggle("error", picture.error);
  put(dom.title, picture.title);
  put(dom.headline, picture.headline);
  put(dom.kind, WITHOUT_KIND.has(picture.screen) ? "" : picture.kind);
  put(dom.note, picture.note);
  put(dom["alarm-text"], picture.alarm_text);
  dom.alarm.hidden = !picture.alarm;
  dom.wait.hidden = !WAITING.has(picture.screen);
  drawSteps(picture);
  drawLines(picture);
  drawPin(picture.pin_digits, picture.screen === "staff_code" ? STAFF_CODE_DIGITS : PIN_DIGITS);
  drawMoney(picture.money);
  drawPages(picture.pages);
  drawChoices(picture.choices);
  drawRows(picture.rows);
  drawChecklist(picture.checklist);
  drawLanguages(picture.languages, picture.switches);
  drawKeys(picture.keys);
  drawAside(picture);
}

// ---------------------------------------------------------------- type as large as it fits

function fit(large) {
  const set = (type) => document.documentElement.style.setProperty("--type", type);
  let [good, bad] = large ? [1, LARGEST_TYPE + 1 / TYPE_STEPS] : [1, 1];
  while (bad - good > 1 / TYPE_STEPS) {
    const type = Math.floor(((good + bad) / 2) * TYPE_STEPS) / TYPE_STEPS;
    set(type);
    if (overflows()) bad = type;
    else good = type;
  }
  for (set(good); good > SMALLEST_TYPE && overflows(); set(good)) good -= 1 / TYPE_STEPS;
}

function overflows() {
  const room = dom.words.parentElement.getBoundingClientRect();
  const tooSmall = (node) => node.clientWidth > 0 &&
    (node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1);
  return [...dom.kiosk.querySelectorAll("header, header p, footer button, footer span, #words, #words *, #languages *")]
    .some((node) => !(node instanceof SVGElement) && tooSmall(node)) ||
    [...dom.words.children, dom.languages].some((node) => node.getBoundingClientRect().bottom > room.bottom + 1);
}

function drawSteps({ step, steps }) {
  const circles = step === null ? [] : steps.map((name, index) => {
    const passed = index + 1 < step;
    const circle = element("li", passed ? "passed" : "", passed ? icon("check") : String(index + 1));
    circle.setAttribute("aria-label", plain(name));
    if (index + 1 === step) circle.setAttribute("aria-current", "step");
    return circle;
  });
  fill(dom.steps, circles);
}

function drawLines({ screen, lines }) {
  const icons = screen === "idle" ? NEEDED_AT_START : [];
  fill(dom.lines, lines.map((line, index) => {
    const mark = icons[index] ? [icon(icons[index])] : [];
    return element("li", "", ...mark, element("span", "", line));
  }));
}

function drawPin(digits, length) {
  const boxes = digits === null ? [] : Array.from({ length }, (_, index) =>
    element("li", index < digits ? "typed" : index === digits ? "next" : ""));
  fill(dom.pin, boxes);
}

function drawMoney(money) {
  dom.money.hidden = money === null;
  if (money === null) return;
  put(dom.before, money.before);
  put(dom.amount, money.amount);
  put(dom.after, money.after);
  put(dom.paid, money.paid_text);
  put(dom.fee, money.fee_text);
  put(dom.exact, money.exact_text);
  drawBar(dom["paid-bar"], money.paid, money.fee);
}

function drawPages(pages) {
  dom.pages.hidden = pages === null;
  if (pages === null) return;
  put(dom["pages-text"], pages.text);
  drawBar(dom["pages-bar"], pages.out, pages.total);
  const drawn = pages.total > MOST_SHEETS_DRAWN ? 0 : pages.total;
  fill(dom.sheets, Array.from({ length: drawn }, (_, index) =>
    index < pages.out ? element("li", "out", icon("check")) : element("li", "", String(index + 1))));
}

function drawBar(bar, part, whole) {
  bar.setAttribute("width", `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%`);
}

function drawChoices(choices) {
  const crowded = choices.length > MOST_CHOICES_IN_A_LIST;
  dom.choices.classList.toggle("grid", crowded);
  fill(dom.choices, choices.map((choice) => {
    const button = touchable("choice", choice.key, element("kbd", "", choice.key),
      element("span", "label", element("b", "", choice.label, ...(choice.more ? [" ", choice.more] : [])),
        element("small", "", choice.note)));
    if (choice.state_label && !crowded) button.append(element("span", "state", choice.state_label));
    if (choice.selected && crowded) button.append(element("span", "chosen", icon("check")));
    if (choice.fee_text) button.append(element("span", "fee", choice.fee_text));
    if (choice.selected !== null) button.setAttribute("aria-pressed", String(choice.selected));
    return button;
  }));
}

function drawRows(rows) {
  fill(dom.rows, rows.flatMap(([label, value]) => [element("dt", "", label), element("dd", "", value)]));
}

function drawChecklist(items) {
  fill(dom.checklist, items.map((item) => element("li", item.state,
    icon(item.state === "done" ? "check" : CHECK_ICONS[item.id] ?? "info"),
    element("b", "", item.label), element("span", "", item.state_label))));
}

function drawLanguages(languages, switches) {
  fill(dom.languages, [...languages, ...switches].map((one) => {
    const button = touchable(one.id === undefined ? "choice" : "choice aid", one.key,
      element("kbd", "", one.key), element("b", "", one.label));
    if (one.lang) button.lang = one.lang;
    button.setAttribute("aria-pressed", String(one.selected));
    return button;
  }));
}

function drawKeys(keys) {
  for (const [action, key] of Object.entries(keys)) {
    dom[action].disabled = !key.enabled;
    dom[action].querySelector("b").replaceChildren(...words(key.name));
    dom[action].querySelector("i").replaceChildren(...words(key.label));
  }
}

function drawAside({ screen, place, place_label: label, error }) {
  const machine = place !== null || screen === "idle";
  const pictogram = machine ? undefined : PICTOGRAMS[screen];
  dom.machine.classList.toggle("off", !machine);
  dom.machine.classList.toggle("unmarked", place === null);
  dom.pictogram.classList.toggle("off", pictogram === undefined);
  dom.kiosk.classList.toggle("aside", machine || pictogram !== undefined);
  if (pictogram) dom["pictogram-use"].setAttribute("href", `#i-${error ? "warning" : pictogram}`);
  for (const [name, part] of parts) part.classList.toggle("lit", name === place);
  if (place !== null) drawMark(parts.get(place).querySelector(".bed"), label);
}

function drawMark(bed, label) {
  const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(bed.getAttribute(name)));
  const set = (node, values) => Object.entries(values).forEach(([name, value]) => node.setAttribute(name, value));
  set(dom.ring, { x: x - 9, y: y - 9, width: width + 18, height: height + 18 });
  dom["flag-text"].textContent = plain(label);
  const flagWidth = dom["flag-text"].getComputedTextLength() + 48;
  const middle = x + width / 2;
  const left = Math.min(Math.max(middle - flagWidth / 2, 6), 354 - flagWidth);
  set(dom["flag-text"], { x: left + flagWidth / 2, y: y - 46 });
  const text = dom["flag-text"].getBBox();
  const [top, bottom] = [Math.min(y - 84, text.y - 2), Math.max(y - 32, text.y + text.height + 2)];
  set(dom.flag, { x: left, y: top, width: flagWidth, height: bottom - top });
  set(dom.arrow, { transform: `translate(${middle} ${y - 36})` });
}

// ---------------------------------------------------------------- time left

function tick() {
  clearTimeout(clock);
  dom.time.hidden = deadline === null;
  if (deadline === null) return;
  const left = Math.max(0, deadline - performance.now());
  const seconds = Math.ceil(left / 1000);
  const { time_before: before, time_after: after } = shown.words;
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  dom["time-text"].textContent = [before, time, after].filter(Boolean).join(" ");
  dom.time.classList.toggle("urgent", seconds <= URGENT_SECONDS);
  if (left > 0) clock = setTimeout(tick, left - (seconds - 1) * 1000 + 5);
}

// By experience, in steps of five seconds; whoever waits longer is told so and is promised nothing.
function tickReady() {
  clearTimeout(readyClock);
  dom.ready.hidden = readyAt === null || shown.pages === null;
  if (dom.ready.hidden) return;
  const left = readyAt - performance.now();
  const step = READY_STEP_SECONDS * 1000;
  const steps = Math.ceil(left / step);
  const [before, after] = shown.pages.about;
  put(dom.ready, left > 0 ? `${before}${steps * READY_STEP_SECONDS}${after}` : shown.pages.late);
  if (left > 0) readyClock = setTimeout(tickReady, left - (steps - 1) * step + 5);
}

// ---------------------------------------------------------------- pictures in

let source = null;
let openedAt = 0;
let heardAt = performance.now();
let watchedAt = heardAt;
let silenceMs = 1600;

function connect() {
  source?.close();
  openedAt = performance.now();
  source = new EventSource("/events");
  source.addEventListener("beat", heard);
  source.addEventListener("screen", (event) => {
    heard();
    show(JSON.parse(event.data));
  });
}

function heard() {
  heardAt = performance.now();
  dom.silent.hidden = true;
}

function show(picture) {
  const changed = shown === null || shown.screen !== picture.screen || shown.reason !== picture.reason;
  if (changed) lockedUntil = performance.now() + LOCK_AFTER_CHANGE_MS;
  shown = picture;
  silenceMs = picture.silence_ms;
  deadline = picture.remaining_ms === null ? null : performance.now() + picture.remaining_ms;
  dom.starting.hidden = true;
  dom.kiosk.hidden = false;
  readyAt = typeof picture.ready_ms === "number" ? performance.now() + picture.ready_ms : null;
  draw(picture);
  tick();
  tickReady();
  fit(picture.aids.includes("large"));
  dom.kiosk.dataset.seq = picture.seq;
}

function watch() {
  const now = performance.now();
  const pageWasHeldUp = now - watchedAt > silenceMs / 2;
  watchedAt = now;
  if (pageWasHeldUp) heardAt = now;
  if (now - heardAt <= silenceMs) return;
  dom.silent.hidden = false;
  if (now - openedAt > RECONNECT_MS) connect();
}

// ---------------------------------------------------------------- touches out

async function post(path, message) {
  try {
    await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(message),
    });
  } catch {
    // The event stream goes silent with the daemon, and watch() says so.
  }
}

function touched(event) {
  const button = event.target.closest("button[data-action]");
  if (button === null || shown === null) return;
  const now = performance.now();
  const action = button.dataset.action;
  const doubled = action === lastTouch.action && now - lastTouch.at < DOUBLE_STRIKE_MS;
  if (now < lockedUntil || doubled) return;
  lastTouch = { action, at: now };
  post("/intent", { seq: shown.seq, boot: shown.boot, action });
}

function sayAlive() {
  if (shown !== null) requestAnimationFrame(() => post("/alive", { seq: shown.seq }));
}

document.addEventListener("click", touched);
document.addEventListener("contextmenu", (event) => event.preventDefault());
document.addEventListener("dragstart", (event) => event.preventDefault());
setInterval(watch, WATCH_MS);
setInterval(sayAlive, ALIVE_MS);
connect();

// The bench panel's page: draws every state it is told whole, and tells what the person does.

import { draggable } from "/drag.js";
import { PUT_RIGHT, SCENARIOS } from "/scenarios.js";

const $ = (id) => document.getElementById(id);
const OTHERS = new Set(["felica", "licence", "residence", "bank", "other", "mute", "juki", "two_cards"]);
const KEYBOARD = { Enter: "confirm", Backspace: "correct", Escape: "cancel" };
const COINS_YEN = [500, 100, 50, 10];
const MOST_COINS_DRAWN = 12;
const PULL_PX = 60;
let cards = [];
let shown = null;
let exercise = null;

// ---- acting ----

function note(text, bad = false) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString("en-GB");
  line.append(time, text);
  line.classList.toggle("bad", bad);
  $("log").prepend(line);
  while ($("log").children.length > 60) $("log").lastChild.remove();
}

async function act(action, words, done) {
  try {
    const answer = await fetch(`/act/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(words ?? {}),
    });
    const result = await answer.json();
    if (answer.ok) note(done(result));
    else note(`${action}: ${result.error}`, true);
  } catch (error) {
    note(`${action}: ${error.message}`, true);
  }
}

let keysWaiting = Promise.resolve();

function press(key) {
  const button = document.querySelector(`[data-key="${key}"]`);
  button.classList.add("down");
  setTimeout(() => button.classList.remove("down"), 120);
  keysWaiting = keysWaiting.then(() => act("press", { key }, () => "pressed a key"));
}

for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => press(button.dataset.key));
}
for (const button of document.querySelectorAll("[data-yen]")) {
  const yen = Number(button.dataset.yen);
  draggable(button, {
    to: ".coin-place",
    done: () => act("drop_coin", { yen }, ({ accepted }) => `${yen} yen ${accepted ? "went in" : "fell through to the return"}`),
  });
}
for (const choice of document.querySelectorAll(".choice")) {
  const { action, word } = choice.dataset;
  for (const button of choice.children) {
    const value = JSON.parse(button.dataset.value);
    button.addEventListener("click", () =>
      act(action, { [word]: value }, () => `${choice.previousElementSibling.firstChild.data.trim()}: ${button.textContent}`));
  }
}
draggable($("tray-card"), { to: ".hands", done: () => act("remove_card", {}, () => "took the card back") });
draggable($("paper"), { to: ".hands", pull: PULL_PX, done: () => act("take_paper", {}, ({ sheets }) => `took ${sheets} sheet(s)`) });
draggable($("receipt"), { to: ".hands", pull: PULL_PX, done: () => act("take_receipt", {}, () => "tore the receipt off") });
draggable($("change"), { to: ".hands", done: () => act("take_change", {}, ({ yen }) => `took ${yen} yen`) });
$("refill").addEventListener("click", () => act("refill_hopper", { coins: 50 }, () => "put 50 coins into the hopper"));
$("staff").addEventListener("click", () => act("type_staff_code", {}, () => "the staff typed their code"));
$("pcscd").addEventListener("click", () => act("kill_pcscd", {}, () => "killed pcscd"));
for (const id of ["power", "plug"]) {
  $(id).addEventListener("click", () => act("power_cut", {}, () => "the power was cut and is back"));
}
$("handle").addEventListener("click", () => {
  const open = !shown.door_open;
  act("set_door", { open }, () => `the door is ${open ? "open" : "closed"}`);
});
$("cable").addEventListener("click", () => {
  const mode = shown.network === "cut" ? "ok" : "cut";
  act("set_network", { mode }, () => (mode === "ok" ? "plugged the line in" : "pulled the line out"));
});

document.addEventListener("keydown", (event) => {
  const key = KEYBOARD[event.key] ?? (/^[0-9]$/.test(event.key) ? event.key : null);
  if (key === null || event.repeat || event.ctrlKey || event.altKey || event.metaKey || $("viewer").open) return;
  event.preventDefault();
  press(key);
});

// ---- exercises ----

async function begin(scenario) {
  for (const [action, word, words] of PUT_RIGHT) {
    const [value] = Object.values(words);
    if (shown[word] !== value) await act(action, words, () => `put right: ${action}`);
  }
  for (const [action, words] of scenario.setup) await act(action, words, () => `set up: ${action}`);
  exercise = { scenario, done: 0 };
  drawExercise();
}

function follow(world) {
  if (exercise === null) return;
  const { tasks } = exercise.scenario;
  while (exercise.done < tasks.length && tasks[exercise.done][1](world)) {
    exercise.done += 1;
    if (exercise.done === tasks.length) note(`exercise done: ${exercise.scenario.title}`);
  }
  drawExercise();
}

function drawExercise() {
  for (const button of $("scenarios").children) {
    button.setAttribute("aria-pressed", button.dataset.title === exercise?.scenario.title);
  }
  $("tasks").replaceChildren(...(exercise?.scenario.tasks ?? []).map(([text], number) => {
    const line = document.createElement("li");
    line.textContent = text;
    line.classList.toggle("done", number < exercise.done);
    return line;
  }));
}

$("scenarios").replaceChildren(...SCENARIOS.map((scenario) => {
  const button = document.createElement("button");
  const small = document.createElement("small");
  [small.textContent, small.lang] = [scenario.ja, "ja"];
  button.dataset.title = scenario.title;
  button.append(scenario.title, small);
  button.addEventListener("click", () => begin(scenario));
  return button;
}));

// ---- drawing ----

function draw(state) {
  const before = shown;
  shown = state;
  $("running").textContent = state.kiosk_running ? "kiosk runs" : "kiosk is off";
  $("running").classList.toggle("on", state.kiosk_running);
  $("screen").classList.toggle("dark", !state.kiosk_running);
  if (state.kiosk_running && before && !before.kiosk_running) showScreen();
  document.querySelector(".cabinet").classList.toggle("door-open", state.door_open);
  for (const place of document.querySelectorAll("[data-place]")) {
    place.classList.toggle("lit", state.lamps.includes(place.dataset.place));
  }
  drawBuzzer(state, before);
  drawCard(state.card);
  drawPaper(state);
  drawReceipt(state);
  const yen = state.change_cup_yen + state.returned_coins_yen;
  fill($("change"), yen > 0);
  $("change-note").textContent = yen > 0 ? `${yen} yen` : "empty";
  drawCoins(yen);
  $("handle").setAttribute("aria-pressed", state.door_open);
  $("cable").setAttribute("aria-pressed", state.network === "cut");
  drawChoices(state);
  $("hopper").textContent = state.hopper_coins;
  $("cash-box").textContent = `${state.cash_box_yen} yen`;
  $("cup-yen").textContent = `${state.change_cup_yen} yen`;
  $("returned").textContent = `${state.returned_coins_yen} yen`;
  drawPrinted(state);
  follow(state);
}

function fill(button, there) {
  button.disabled = !there;
  button.classList.toggle("there", there);
}

function drawCoins(yen) {
  const coins = [];
  for (const value of COINS_YEN) {
    for (; yen >= value && coins.length < MOST_COINS_DRAWN; yen -= value) coins.push(value);
  }
  $("change-coins").replaceChildren(...coins.map((value) => {
    const coin = document.createElement("i");
    coin.className = `yen${value}`;
    coin.textContent = value;
    return coin;
  }));
}

function drawBuzzer(state, before) {
  $("buzzer").classList.toggle("on", state.buzzer);
  const beeps = before ? state.beeps - before.beeps : 0;
  if (beeps >= 2) note(`the buzzer sounded ${beeps} times`);
}

function drawCard(name) {
  const card = cards.find((each) => each.name === name);
  fill($("tray-card"), name !== null);
  $("tray-card").replaceChildren(...(name === null ? [] : [plastic(card ?? { name, title: name, note: "" })]));
  for (const button of $("cards").querySelectorAll("button")) button.disabled = name !== null;
}

function plastic(card) {
  const [face, title, small] = ["span", "span", "small"].map((tag) => document.createElement(tag));
  const mine = !OTHERS.has(card.name);
  face.className = mine ? "plastic" : "plastic other";
  title.textContent = card.title;
  small.textContent = card.note;
  face.append(title, small);
  return face;
}

const pageUrl = (job, page) => `/jobs/${encodeURIComponent(job)}/${page}.png`;
const receiptUrl = (receipt) => `/receipts/${encodeURIComponent(receipt)}.png`;

function drawPaper(state) {
  const job = state.jobs.at(-1);
  fill($("paper"), state.tray_sheets > 0);
  $("paper-note").textContent = state.tray_sheets > 0 ? `${state.tray_sheets} sheet(s) – pull` : "empty";
  picture($("paper"), state.tray_sheets > 0 && job ? pageUrl(job.id, 1) : null, "printed certificate");
}

function drawReceipt(state) {
  const receipt = state.receipts.at(-1);
  fill($("receipt"), state.receipt_waiting);
  $("receipt-note").textContent = state.receipt_waiting ? "tear it off" : "empty";
  picture($("receipt"), state.receipt_waiting && receipt ? receiptUrl(receipt) : null, "receipt");
}

function picture(place, url, text) {
  const image = place.querySelector("img");
  if (image && image.getAttribute("src") === url) return;
  image?.remove();
  if (url !== null) place.prepend(pictureOf(url, text));
}

function pictureOf(url, text) {
  const image = document.createElement("img");
  image.src = url;
  image.alt = text;
  return image;
}

function drawChoices(state) {
  for (const choice of document.querySelectorAll(".choice")) {
    for (const button of choice.children) {
      button.setAttribute("aria-pressed", JSON.parse(button.dataset.value) === state[choice.dataset.state]);
    }
  }
}

// What was taken, the newest first and large enough to read; what still hangs there is not in the hand.
function drawPrinted(state) {
  const jobs = state.tray_sheets > 0 ? state.jobs.slice(0, -1) : state.jobs;
  const slips = state.receipt_waiting ? state.receipts.slice(0, -1) : state.receipts;
  const held = JSON.stringify([jobs, slips]);
  if (held === $("printed").dataset.held) return;
  $("printed").dataset.held = held;
  const bundles = [
    ...slips.map((receipt) => [{ url: receiptUrl(receipt), text: "receipt" }]),
    ...jobs.map((job) =>
      Array.from({ length: job.pages }, (_, index) => ({ url: pageUrl(job.id, index + 1), text: `page ${index + 1} of ${job.pages}` }))),
  ].filter((pages) => pages.length > 0).reverse();
  if (bundles.length === 0) return;
  $("printed").replaceChildren(...bundles.map((pages) => {
    const button = document.createElement("button");
    button.append(pictureOf(pages[0].url, pages[0].text));
    button.title = `${pages.length} page(s) – click to look`;
    button.addEventListener("click", () => look(pages, 0));
    return button;
  }));
}

// ---- looking at a printed page ----

let looking = { pages: [], index: 0 };

function look(pages, index) {
  looking = { pages, index };
  const { url, text } = pages[index];
  $("picture").src = url;
  $("picture").alt = text;
  $("where").textContent = text;
  $("before").disabled = index === 0;
  $("after").disabled = index === pages.length - 1;
  if (!$("viewer").open) $("viewer").showModal();
}

$("before").addEventListener("click", () => look(looking.pages, looking.index - 1));
$("after").addEventListener("click", () => look(looking.pages, looking.index + 1));

// ---- the kiosk's own screen ----

async function showScreen() {
  const { url, framed } = await (await fetch("/screen")).json();
  if (url === null) return;
  const screen = $("screen");
  if (framed) {
    const frame = document.createElement("iframe");
    frame.src = url;
    frame.title = "the kiosk's screen";
    screen.replaceChildren(frame);
    fitFrame();
  } else {
    const link = document.createElement("a");
    link.href = url;
    link.target = "_blank";
    link.rel = "noreferrer";
    link.textContent = "Open the kiosk's screen in a window of its own";
    screen.replaceChildren(link);
  }
}

function fitFrame() {
  const frame = $("screen").querySelector("iframe");
  if (frame) frame.style.transform = `scale(${$("screen").clientWidth / 1280})`;
}

new ResizeObserver(fitFrame).observe($("screen"));

// ---- start ----

async function showCards() {
  cards = await (await fetch("/cards")).json();
  $("cards").replaceChildren(...cards.map((card) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.append(plastic(card));
    draggable(button, {
      to: ".card-place",
      done: () => act("insert_card", { name: card.name }, () => `put on the reader: ${card.title}`),
    });
    item.append(button);
    return item;
  }));
}

await Promise.all([showCards(), showScreen()]);
const stream = new EventSource("/state");
stream.addEventListener("message", (event) => {
  const told = JSON.parse(event.data);
  if (told.state) draw(told.state);
  else note(told.error, true);
});
stream.addEventListener("error", () => {
  $("running").textContent = "bench is off";
  $("running").classList.remove("on");
});

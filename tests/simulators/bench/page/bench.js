// The bench panel's page: draws every state it is told whole, and tells what the person does.

const $ = (id) => document.getElementById(id);
const KEYBOARD = { Enter: "confirm", Backspace: "correct", Escape: "cancel" };
let cards = [];
let shown = null;

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
  button.addEventListener("click", () =>
    act("drop_coin", { yen }, ({ accepted }) => `${yen} yen ${accepted ? "went in" : "fell through to the return"}`));
}
for (const choice of document.querySelectorAll(".choice")) {
  const { action, word } = choice.dataset;
  for (const button of choice.children) {
    const value = JSON.parse(button.dataset.value);
    button.addEventListener("click", () =>
      act(action, { [word]: value }, () => `${choice.previousElementSibling.firstChild.data.trim()}: ${button.textContent}`));
  }
}
$("tray-card").addEventListener("click", () => act("remove_card", {}, () => "took the card back"));
$("paper").addEventListener("click", () => act("take_paper", {}, ({ sheets }) => `took ${sheets} sheet(s)`));
$("change").addEventListener("click", () => act("take_change", {}, ({ yen }) => `took ${yen} yen`));
$("receipt").addEventListener("click", () => act("take_receipt", {}, () => "took the receipt"));
$("refill").addEventListener("click", () => act("refill_hopper", { coins: 50 }, () => "put 50 coins into the hopper"));
$("staff").addEventListener("click", () => act("type_staff_code", {}, () => "the staff typed their code"));
$("pcscd").addEventListener("click", () => act("kill_pcscd", {}, () => "killed pcscd"));
$("power").addEventListener("click", () => act("power_cut", {}, () => "the power was cut and is back"));

document.addEventListener("keydown", (event) => {
  const key = KEYBOARD[event.key] ?? (/^[0-9]$/.test(event.key) ? event.key : null);
  if (key === null || event.repeat || event.ctrlKey || event.altKey || event.metaKey || $("viewer").open) return;
  event.preventDefault();
  press(key);
});

// ---- dragging: the hand does what a click does ----

let held = null;

function draggable(button, target) {
  button.draggable = true;
  button.addEventListener("dragstart", (event) => {
    held = { button, target };
    event.dataTransfer.setData("text/plain", "");
    event.dataTransfer.effectAllowed = "move";
    document.querySelector(target).classList.add("wanted");
  });
  button.addEventListener("dragend", () => {
    held = null;
    document.querySelector(target).classList.remove("wanted");
  });
}

function takes(target) {
  const place = document.querySelector(target);
  place.addEventListener("dragover", (event) => {
    if (held?.target === target) event.preventDefault();
  });
  place.addEventListener("drop", (event) => {
    if (held?.target !== target) return;
    event.preventDefault();
    held.button.click();
  });
}

for (const target of [".card-place", ".coin-place", ".side"]) takes(target);
for (const coin of document.querySelectorAll("[data-yen]")) draggable(coin, ".coin-place");
for (const id of ["tray-card", "paper", "change", "receipt"]) draggable($(id), ".side");

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
  fill($("change"), yen > 0, yen > 0 ? `${yen} yen – click to take` : "empty");
  drawChoices(state);
  $("hopper").textContent = state.hopper_coins;
  $("cash-box").textContent = `${state.cash_box_yen} yen`;
  $("cup-yen").textContent = `${state.change_cup_yen} yen`;
  $("returned").textContent = `${state.returned_coins_yen} yen`;
  if (!before || !same(before.jobs, state.jobs) || !same(before.receipts, state.receipts)) drawPrinted(state);
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function fill(button, there, text) {
  button.disabled = !there;
  button.classList.toggle("there", there);
  if (text !== undefined && button.textContent !== text) button.textContent = text;
}

function drawBuzzer(state, before) {
  $("buzzer").classList.toggle("on", state.buzzer);
  const beeps = before ? state.beeps - before.beeps : 0;
  if (beeps >= 2) note(`the buzzer sounded ${beeps} times`);
}

function drawCard(name) {
  const card = cards.find((each) => each.name === name);
  const tray = $("tray-card");
  fill(tray, name !== null);
  tray.replaceChildren(...(name === null ? [wave()] : cardText(card ?? { title: name, note: "" }, "click to take it back")));
  for (const button of $("cards").querySelectorAll("button")) button.disabled = name !== null;
}

function wave() {
  const mark = document.createElement("span");
  mark.className = "wave";
  mark.textContent = ")))";
  return mark;
}

function cardText(card, hint) {
  const small = document.createElement("small");
  small.textContent = hint ? [card.note, hint].filter(Boolean).join(" – ") : card.note;
  return [card.title, small];
}

const pageUrl = (job, page) => `/jobs/${encodeURIComponent(job)}/${page}.png`;
const receiptUrl = (receipt) => `/receipts/${encodeURIComponent(receipt)}.png`;

function drawPaper(state) {
  const job = state.jobs.at(-1);
  fill($("paper"), state.tray_sheets > 0);
  $("paper-note").textContent = state.tray_sheets > 0 ? `${state.tray_sheets} sheet(s) – click to take` : "empty";
  picture($("paper"), state.tray_sheets > 0 && job ? pageUrl(job.id, 1) : null, "printed certificate");
}

function drawReceipt(state) {
  const receipt = state.receipts.at(-1);
  fill($("receipt"), state.receipt_waiting);
  $("receipt-note").textContent = state.receipt_waiting ? "click to tear it off" : "empty";
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

function drawPrinted(state) {
  const jobs = state.jobs.map((job) =>
    Array.from({ length: job.pages }, (_, index) => ({ url: pageUrl(job.id, index + 1), text: `page ${index + 1} of ${job.pages}` })));
  const receipts = state.receipts.map((receipt) => [{ url: receiptUrl(receipt), text: "receipt" }]);
  const bundles = [...jobs, ...receipts].filter((pages) => pages.length > 0);
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
    button.append(...cardText(card));
    draggable(button, ".card-place");
    button.addEventListener("click", () => act("insert_card", { name: card.name }, () => `put on the reader: ${card.title}`));
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

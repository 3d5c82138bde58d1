// Exercises for trainees and developers: each sets the world up and ticks off what was done, one after another.
// setup: actions of the bench. tasks: [what to do or to see, whether the world shows that it is done].

const shows = (...screens) => (world) => screens.includes(world.screen);
const nothingLies = (world) =>
  world.tray_sheets === 0 && !world.receipt_waiting && world.change_cup_yen + world.returned_coins_yen === 0;

export const SCENARIOS = [
  {
    title: "A whole visit", ja: "はじめから終わりまで", setup: [],
    tasks: [
      ["Press 確定 twice, lay a My Number Card down", shows("pin")],
      ["Type the PIN 1234 and 確定, take the card back", shows("choose_kind")],
      ["Choose a certificate and go to the payment", shows("coins")],
      ["Throw the coins in, press 確定", shows("printing", "paying_out", "take_all")],
      ["Pull out paper, change and receipt", (world) => shows("thanks", "idle")(world) && nothingLies(world)],
    ],
  },
  {
    title: "The wrong card", ja: "使えないカード", setup: [],
    tasks: [
      ["Start and lay the driving licence (運転免許証) down", (world) => world.card === "licence"],
      ["Read what the screen says of it", shows("ended", "take_card")],
      ["Take it back", (world) => world.card === null],
    ],
  },
  {
    title: "The last try", ja: "暗証番号があと1回", setup: [],
    tasks: [
      ["Start and lay the card “Last try” down", (world) => world.screen === "pin" && world.reason === "last_try"],
      ["Stop with 取消 and take the card", (world) => world.card === null],
    ],
  },
  {
    title: "A forgotten card", ja: "カードの置き忘れ", setup: [],
    tasks: [
      ["Start, lay a card down, type the PIN 1234 and 確定", shows("take_card")],
      ["Leave the card there until the alarm sounds", (world) => world.screen === "take_card" && world.buzzer],
      ["Take the card", (world) => world.card === null],
    ],
  },
  {
    title: "A jam while printing", ja: "紙づまり", setup: [],
    tasks: [
      ["Pay for a certificate", shows("committing", "printing")],
      ["While it prints: A4 printer, jam", (world) => world.printer_fault === "jam"],
      ["The screen calls the staff", shows("attend", "staff_code")],
      ["Clear the jam: A4 printer, works", (world) => world.printer_fault === null],
      ["The staff decide; take what is there", (world) => shows("thanks", "ended", "idle")(world) && nothingLies(world)],
    ],
  },
  {
    title: "No paper", ja: "用紙切れ", setup: [["set_printer_fault", { name: "paper_out" }]],
    tasks: [
      ["The screen says P2: nobody can pay", shows("out_of_service")],
      ["Put paper in: A4 printer, works", (world) => world.printer_fault === null],
      ["It serves again", shows("idle")],
    ],
  },
  {
    title: "Change that jams", ja: "おつりがつまる", setup: [["jam_hopper", { jammed: true }]],
    tasks: [
      ["Pay 300 yen with a coin of 500 and print", shows("printing", "paying_out", "take_all")],
      ["Take the paper and the slip for the money owed", (world) => shows("thanks", "idle", "out_of_service")(world) && nothingLies(world)],
      ["Free the hopper: works", (world) => !world.hopper_jammed],
    ],
  },
  {
    title: "No line to the city", ja: "回線断", setup: [["set_network", { mode: "cut" }]],
    tasks: [
      ["The screen says N1: nobody can pay", shows("out_of_service")],
      ["Plug the line in again", (world) => world.network === "ok"],
      ["It serves again", shows("idle")],
    ],
  },
  {
    title: "Power cut while paying", ja: "支払い中の停電", setup: [],
    tasks: [
      ["Go as far as the coins and throw one in", shows("coins")],
      ["Pull the power plug", (world) => world.screen === null],
      ["It starts again and says what happened", shows("ended", "take_all", "paying_out", "attend", "idle")],
      ["Take the coins back", (world) => shows("idle", "ended")(world) && nothingLies(world)],
    ],
  },
  {
    title: "The receipt roll ends", ja: "領収書の紙切れ", setup: [["set_receipt_fault", { name: "near_end" }]],
    tasks: [
      ["A small P5 tells the staff on the start screen", (world) => world.screen === "idle" && world.reason === "supplies"],
      ["Put a new roll in: receipt printer, works", (world) => world.receipt_fault === null],
    ],
  },
];

// What makes the world good again before an exercise begins.
export const PUT_RIGHT = [
  ["set_printer_fault", "printer_fault", { name: null }],
  ["set_receipt_fault", "receipt_fault", { name: null }],
  ["set_network", "network", { mode: "ok" }],
  ["jam_hopper", "hopper_jammed", { jammed: false }],
  ["set_door", "door_open", { open: false }],
];

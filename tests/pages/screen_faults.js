// Looks at the picture with this number as a person would: does all text fit, is it large enough,
// does it stand out, can it be touched? Returns sentences, none if all is well.
// pictures: each is fed to the page as if the daemon had sent it; smallest: type in pixels.
({ pictures, smallest }) => pictures.flatMap(({ name, picture }) => {
  window.feed(picture);
  const kiosk = document.querySelector("#kiosk");
  const faults = [];
  const find = (selector) => document.querySelector(selector);
  const boxOf = (node) => node.getBoundingClientRect();
  const fits = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 &&
    inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const apart = (one, other) =>
    one.right <= other.left + 1 || other.right <= one.left + 1 ||
    one.bottom <= other.top + 1 || other.bottom <= one.top + 1;

  const luminance = (colour) => {
    const [red, green, blue] = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return /^rgba.*, 0\)$/.test(colour) && node.parentElement ? behind(node.parentElement) : colour;
  };
  const contrast = (node) => {
    const pair = [luminance(getComputedStyle(node).color), luminance(behind(node))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  };

  const screen = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || node.closest("svg, rt") || !node.checkVisibility()) continue;
    const says = text.data.trim().slice(0, 24);
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const box of range.getClientRects()) {
      if (!fits(box, screen)) faults.push(`${says}: off the screen`);
      for (let at = node; at !== kiosk && at !== document.body; at = at.parentElement) {
        const inline = /^(inline|ruby)$/.test(getComputedStyle(at).display);
        if (!inline && !fits(box, boxOf(at))) faults.push(`${says}: outside ${at.tagName} ${at.id}${at.className}`);
      }
    }
    const size = parseFloat(getComputedStyle(node).fontSize);
    if (size < smallest) faults.push(`${says}: ${size} px`);
    if (contrast(node) < 4.5) faults.push(`${says}: contrast ${contrast(node).toFixed(2)}`);
  }

  for (const reading of document.querySelectorAll("rt")) {
    if (reading.checkVisibility() && !fits(boxOf(reading), screen)) faults.push(`${reading.textContent}: off the screen`);
  }

  const blocks = [...document.querySelectorAll("#words > *, #languages, header > *, footer > *")]
    .filter((node) => node.checkVisibility());
  for (const [index, block] of blocks.entries()) {
    if (block.closest("main") && !fits(boxOf(block), boxOf(find("main")))) faults.push(`${block.id} outside main`);
    for (const other of blocks.slice(index + 1)) {
      if (!apart(boxOf(block), boxOf(other))) faults.push(`${block.id} covers ${other.id}`);
    }
  }

  const flagText = find("#flag-text");
  if (boxOf(flagText).width > 0) {
    const size = parseFloat(getComputedStyle(flagText).fontSize) * flagText.getScreenCTM().a;
    if (size < smallest) faults.push(`label of the place: ${size} px`);
    if (!fits(boxOf(flagText), boxOf(find("#flag")))) faults.push("label of the place: outside its flag");
    if (!fits(boxOf(find("#mark")), boxOf(find("#machine")))) faults.push("label of the place: outside the machine");
  }

  for (const button of document.querySelectorAll("button")) {
    const { height } = boxOf(button);
    if (button.checkVisibility() && height < 60) faults.push(`${button.id} is ${height} px high`);
  }
  return faults.map((fault) => `${name}: ${fault}`);
})

// What a hand does: take a thing, carry it, let it go. By mouse and by finger.

const BEGINS_PX = 6;

// button: what is taken. to: selector of where it goes. done: what happens there.
// pull: how far down it need only be pulled, in pixels, instead of being carried there.
export function draggable(button, { to, done, pull = Infinity }) {
  let start = null;
  let ghost = null;
  let swallow = false;
  const place = () => document.querySelector(to);

  const carry = (event) => {
    ghost.style.left = `${event.clientX - start.dx}px`;
    ghost.style.top = `${event.clientY - start.dy}px`;
    place().classList.toggle("over", arrived(event));
  };
  const arrived = (event) => {
    const box = place().getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right &&
      event.clientY >= box.top && event.clientY <= box.bottom;
    return inside || event.clientY - start.y >= pull;
  };
  const end = () => {
    ghost?.remove();
    button.classList.remove("torn");
    place().classList.remove("wanted", "over");
    [start, ghost] = [null, null];
  };

  button.addEventListener("pointerdown", (event) => {
    if (button.disabled || event.button !== 0) return;
    const box = button.getBoundingClientRect();
    start = { x: event.clientX, y: event.clientY, dx: event.clientX - box.left, dy: event.clientY - box.top, box };
    button.setPointerCapture(event.pointerId);
  });
  button.addEventListener("pointermove", (event) => {
    if (start === null) return;
    if (ghost === null) {
      if (Math.hypot(event.clientX - start.x, event.clientY - start.y) < BEGINS_PX) return;
      ghost = button.cloneNode(true);
      ghost.removeAttribute("id");
      ghost.classList.add("ghost");
      ghost.style.width = `${start.box.width}px`;
      ghost.style.height = `${start.box.height}px`;
      document.body.append(ghost);
      button.classList.add("torn");
      place().classList.add("wanted");
    }
    carry(event);
  });
  button.addEventListener("pointerup", (event) => {
    if (ghost !== null) {
      swallow = true;
      setTimeout(() => { swallow = false; });
      if (arrived(event)) done();
    }
    end();
  });
  button.addEventListener("pointercancel", end);
  button.addEventListener("click", (event) => {
    if (swallow) event.stopImmediatePropagation();
    else done();
  });
  button.addEventListener("dragstart", (event) => event.preventDefault());
}
